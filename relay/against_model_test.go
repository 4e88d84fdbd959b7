package relay_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/relay"
)

// addresses that members come from; some count as the same.
var addresses = []netip.Addr{
	home, home, home, office, cafe,
	{},
	netip.MustParseAddr("::ffff:192.0.2.1"),
	netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::1"),
}

// A play does the same to a Hub and to the model, step by step, and compares.
type play struct {
	t      *testing.T
	script []byte // decides what is done; what is left of it

	hub     *relay.Hub
	count   tally
	model   *model
	ids     []relay.ID // of the model's channels
	members []twin
	numbers map[*relay.Member]int // indexes of members
	said    int
	log     []string // what was done
}

// A twin is a member in the Hub and in the model.
type twin struct {
	real  *relay.Attachment
	bell  *bell
	model *modelMember
}

// choose takes the next choice between n things from the script; it is 0 at the end of it.
func (p *play) choose(n int) int {
	if len(p.script) == 0 {
		return 0
	}
	choice := int(p.script[0]) % n
	p.script = p.script[1:]
	return choice
}

func (p *play) note(format string, args ...any) { p.log = append(p.log, fmt.Sprintf(format, args...)) }

func (p *play) fail(format string, args ...any) {
	p.t.Helper()
	for i, line := range p.log {
		p.t.Logf("step %d: %s", i, line)
	}
	p.t.Fatalf(format, args...)
}

// perform plays a script in a bubble of time.
func perform(t *testing.T, script []byte) {
	synctest.Test(t, func(t *testing.T) {
		p := &play{t: t, script: script, numbers: make(map[*relay.Member]int)}
		limits := relay.Limits{
			MaxExchanges:   p.choose(4) * 5,
			MaxData:        int64(p.choose(4)) * 150,
			MaxConnections: p.choose(5),
			Lifespan:       time.Duration(p.choose(3)) * time.Minute,
			MaxLag:         int64(p.choose(4)) * 300,
		}
		p.note("%+v", limits)
		p.hub = relay.New(limits, &p.count)
		p.model = &model{limits: limits, ended: make(map[relay.Reason]int)}
		for len(p.script) > 0 {
			p.step()
			p.compare()
		}
		for _, m := range p.members { // all that is still to be had, and then nothing is left
			p.drain(m)
			p.leave(m, relay.Bye)
			p.compare()
		}
		expectStats(t, p.hub, relay.Stats{})
	})
}

func (p *play) step() {
	action := p.choose(16)
	if action == 0 || len(p.members) == 0 {
		p.create()
		return
	}
	if action == 1 {
		p.join(p.choose(len(p.ids)))
		return
	}
	m := p.members[max(0, len(p.members)-1-p.choose(8))] // one of the latest
	switch action {
	case 2, 3:
		p.join(p.channelOf(m))
	case 4, 5, 6, 7, 8, 9:
		p.send(m)
	case 10, 11:
		p.take(m)
	case 12:
		p.drain(m)
	case 13:
		p.leave(m, []relay.Reason{relay.Bye, relay.Lost, relay.ClientTimeout}[p.choose(3)])
	case 14:
		p.wait(time.Duration(p.choose(30)) * time.Second)
	case 15:
		switch p.choose(32) { // rarely, for they end all
		case 1:
			p.note("drain the hub")
			p.hub.Drain(0)
			p.model.draining = true
		case 2:
			p.note("end all")
			p.hub.EndAll(p.t.Context(), relay.Restart, 0)
			p.model.endAll(relay.Restart)
		}
	}
}

func (p *play) channelOf(m twin) int {
	for i, c := range p.model.channels {
		if c == m.model.channel {
			return i
		}
	}
	panic("a member of no channel")
}

func (p *play) create() {
	addr := addresses[p.choose(len(addresses))]
	p.note("create from %v", addr)
	b := new(bell)
	real, got := p.hub.Create(addr, nil, b, relay.Live)
	seat, want := p.model.create(addr)
	p.seat(twin{real, b, seat}, got, want)
	if want == relay.None {
		p.ids = append(p.ids, real.ChannelID())
	}
}

func (p *play) join(channel int) {
	addr := addresses[p.choose(len(addresses))]
	p.note("join channel %d from %v", channel, addr)
	b := new(bell)
	real, got := p.hub.Join(p.ids[channel], addr, nil, b, relay.Live)
	seat, want := p.model.channels[channel].join(addr)
	p.seat(twin{real, b, seat}, got, want)
}

func (p *play) seat(m twin, got, want relay.Reason) {
	if got != want || (m.real == nil) != (m.model == nil) {
		p.fail("a connection got %v, want %v", got, want)
	}
	if want == relay.None {
		p.numbers[m.real.Member] = len(p.members)
		p.members = append(p.members, m)
		p.note("... is member %d", len(p.members)-1)
	}
}

func (p *play) send(m twin) {
	text := body(p.said, p.choose(200))
	p.said++
	size := len(text) / 3 // the payload is not the body
	p.note("member %d sends %.3q of %d octets, payload %d", p.numbers[m.real.Member], text, len(text), size)
	got := m.real.Send([]byte(text), size)
	if want := m.model.send(text, size); got != want {
		p.fail("Send = %v, want %v", got, want)
	}
}

func (p *play) take(m twin) (more bool) {
	room := 1 + p.choose(4)
	p.note("member %d takes up to %d", p.numbers[m.real.Member], room)
	entries := make([]relay.Entry, room)
	n, end := m.real.Take(entries)
	want, wantEnd := m.model.take(room)
	if n != len(want) || end != wantEnd {
		p.fail("Take = %d, %v, want %d, %v", n, end, len(want), wantEnd)
	}
	for i, w := range want {
		e := entries[i]
		if string(e.Body) != w.body || e.Seq != w.seq || p.members[p.numbers[e.From]].model != w.from {
			p.fail("took message %d %.3q of member %d, want %d %.3q", e.Seq, e.Body, p.numbers[e.From], w.seq, w.body)
		}
	}
	return n > 0
}

func (p *play) drain(m twin) {
	for p.take(m) {
	}
}

func (p *play) leave(m twin, why relay.Reason) {
	p.note("member %d leaves for %v", p.numbers[m.real.Member], why)
	m.real.Leave(why)
	m.model.leave(why)
}

func (p *play) wait(d time.Duration) {
	p.note("%v go by", d)
	time.Sleep(d)
	synctest.Wait()
	p.model.expire()
}

// compare compares all that can be seen from outside.
func (p *play) compare() {
	p.t.Helper()
	for i, m := range p.members {
		if got := m.bell.rings.Load(); int(got) != m.model.wakes {
			p.fail("member %d was woken %d times, want %d", i, got, m.model.wakes)
		}
	}
	for why := range p.count.ended {
		if got, want := p.count.ended[why].Load(), p.model.ended[relay.Reason(why)]; int(got) != want {
			p.fail("%d channels ended with %v, want %d", got, relay.Reason(why), want)
		}
	}
	if got := p.count.messages.Load(); int(got) != p.model.accepted {
		p.fail("%d messages were observed, want %d", got, p.model.accepted)
	}
	got := p.hub.Stats()
	least, most := p.model.stats()
	if got.Connections != least.Connections || got.Channels != least.Channels || got.Octets < least.Octets || got.Octets > most {
		p.fail("Stats() = %+v, want %+v with at most %d octets", got, least, most)
	}
}

// TestAgainstModel plays random scripts. One that fails is played again by its name.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			script := make([]byte, 600)
			for i := range script {
				script[i] = byte(random.Uint32())
			}
			perform(t, script)
		})
	}
}

// FuzzAgainstModel lets the fuzzer write the scripts.
func FuzzAgainstModel(f *testing.F) {
	f.Add([]byte{})
	// Two members, a limit of 5 messages, one message over it.
	f.Add([]byte{1, 0, 2, 0, 0, 0, 0, 2, 0, 0, 4, 0, 9, 4, 0, 9, 4, 1, 9, 4, 1, 9, 4, 0, 9, 4, 0, 9, 12, 0})
	// A lifespan of a minute, members that come and go, and time.
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 4, 1, 50, 14, 0, 29, 4, 0, 50, 13, 1, 0, 14, 0, 29, 14, 0, 2, 12, 0})
	// A bound of 300 octets on lag, and one who does not take.
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 2, 0, 0, 4, 0, 199, 12, 1, 4, 0, 199, 12, 1, 4, 0, 199, 10, 2})
	// Draining, joining still, then all ended.
	f.Add([]byte{0, 0, 0, 0, 0, 0, 3, 15, 0, 1, 0, 3, 2, 0, 4, 15, 0, 2, 2, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 500 {
			script = script[:500]
		}
		perform(t, script)
	})
}
