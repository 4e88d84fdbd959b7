package relay_test

import (
	"fmt"
	"maps"
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
	limits  relay.Limits
	count   tally
	model   *model
	ids     []relay.ID // of the model's channels
	twins   []twin
	clients map[*relay.Member]*client
	said    int
	log     []string // what was done
}

// A twin is an attachment in the Hub and in the model.
type twin struct {
	number int
	real   *relay.Attachment
	bell   *bell
	model  *modelAttachment
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
		p.t.Logf("%d: %s", i, line)
	}
	p.t.Fatalf(format, args...)
}

// perform plays a script in a bubble of time.
func perform(t *testing.T, script []byte) {
	synctest.Test(t, func(t *testing.T) {
		p := &play{t: t, script: script, clients: make(map[*relay.Member]*client)}
		p.limits = relay.Limits{
			MaxExchanges:   p.choose(4) * 5,
			MaxData:        int64(p.choose(4)) * 150,
			MaxConnections: p.choose(5),
			Lifespan:       []time.Duration{0, time.Minute, 2 * time.Minute, 20 * time.Second}[p.choose(4)],
			MaxLag:         int64(p.choose(4)) * 300,
			MaxKept:        int64(p.choose(4)) * 500,
			ResumeTimeout:  time.Duration(p.choose(3)*20) * time.Second,
		}
		p.note("%+v", p.limits)
		p.hub = relay.New(p.limits, &p.count)
		p.model = &model{limits: p.limits, ended: make(map[relay.Reason]int)}
		for len(p.script) > 0 {
			p.step()
			p.wait(time.Microsecond) // so that no two things fall due at one moment, in an order that nobody promises
			p.compare()
		}
		for _, a := range p.twins { // all that is still to be had, and then nothing is left
			p.drain(a)
			p.leave(a, relay.Bye)
			p.compare()
		}
		p.wait(2 * time.Minute) // for those that are away
		p.compare()
		expectStats(t, p.hub, relay.Stats{})
	})
}

func (p *play) step() {
	action := p.choose(27)
	if len(p.twins) == 0 && action != 16 {
		action = 0
	}
	switch action { // those that need nobody
	case 0:
		p.create(relay.Live)
		return
	case 1:
		p.join(p.choose(len(p.ids)), relay.Live)
		return
	case 16:
		p.create(relay.Kept)
		return
	}
	a := p.twins[max(0, len(p.twins)-1-p.choose(8))] // one of the latest
	switch action {
	case 2, 3:
		p.join(p.channelOf(a), relay.Live)
	case 17, 18:
		p.join(p.channelOf(a), relay.Kept)
	case 4, 5, 6, 7:
		p.send(a)
	case 8, 9:
		p.sendNumbered(a)
	case 10, 11:
		p.take(a)
	case 12, 19:
		p.drain(a)
	case 13:
		p.leave(a, []relay.Reason{relay.Bye, relay.Lost, relay.ClientTimeout}[p.choose(3)])
	case 14:
		p.wait(time.Duration(p.choose(30)) * time.Second)
	case 15:
		p.rarely(a)
	case 20, 21:
		p.detach(a, []relay.Reason{relay.Lost, relay.ClientTimeout, relay.Slow}[p.choose(3)])
	case 22, 23, 24:
		p.resume(a)
	case 25, 26:
		p.ack(a)
	}
}

// rarely does what ends much, or is told by a token.
func (p *play) rarely(a twin) {
	switch p.choose(32) {
	case 1:
		p.note("drain the hub")
		p.hub.Drain(time.Minute)
		p.model.drain(time.Minute)
	case 2:
		p.note("end all")
		p.hub.EndAll(p.t.Context(), relay.Restart, 0)
		p.model.endAll(relay.Restart)
	case 3, 4:
		p.end(a)
	case 5, 6, 7, 8, 9:
		p.leaveByToken(a)
	case 10, 11, 12, 13:
		p.resumeByWrongToken(a)
	}
}

func (p *play) channelOf(a twin) int {
	for i, c := range p.model.channels {
		if c == a.model.member.channel {
			return i
		}
	}
	panic("a member of no channel")
}

func (p *play) create(mode relay.Mode) {
	addr := addresses[p.choose(len(addresses))]
	p.note("create in mode %d from %v", mode, addr)
	b := new(bell)
	real, got := p.hub.Create(addr, nil, b, mode, 0)
	attachment, want := p.model.create(addr, mode)
	if want == relay.None && real != nil {
		p.ids = append(p.ids, real.ChannelID())
	}
	p.seat(twin{len(p.twins), real, b, attachment}, got, want)
}

func (p *play) join(channel int, mode relay.Mode) {
	addr := addresses[p.choose(len(addresses))]
	p.note("join channel %d in mode %d from %v", channel, mode, addr)
	b := new(bell)
	real, got := p.hub.Join(p.ids[channel], addr, nil, b, mode)
	attachment, want := p.model.channels[channel].join(addr, mode)
	p.seat(twin{len(p.twins), real, b, attachment}, got, want)
}

// resume takes the seat back that an attachment is or was of.
func (p *play) resume(a twin) {
	c := p.clients[a.real.Member]
	after := c.last
	if p.choose(4) == 0 {
		after = uint64(p.choose(20))
		c.honest = c.honest && after == c.last
	}
	how := relay.Resumption(p.choose(2))
	p.note("resume the seat of %d after message %d, in way %d", a.number, after, how)
	b := new(bell)
	real, got := p.hub.Resume(a.real.ChannelID(), a.real.Member.Token(), after, b, how)
	attachment, want := a.model.member.channel.resume(a.model.member, after, how)
	if real != nil && (real.Welcome != nil) != (how == relay.Welcomed) {
		p.fail("Welcome = %+v", real.Welcome)
	}
	p.seat(twin{len(p.twins), real, b, attachment}, got, want)
}

func (p *play) resumeByWrongToken(a twin) {
	p.note("resume the seat of %d with a wrong token", a.number)
	token := a.real.Member.Token()
	token[p.choose(len(token))] ^= 1 << p.choose(8)
	real, got := p.hub.Resume(a.real.ChannelID(), token, 0, new(bell), relay.Welcomed)
	_, want := a.model.member.channel.resume(nil, 0, relay.Welcomed)
	if real != nil || got != want {
		p.fail("Resume = %v, want %v", got, want)
	}
}

// seat adds an attachment to the play, if there is one.
func (p *play) seat(a twin, got, want relay.Reason) {
	if got != want || (a.real == nil) != (a.model == nil) {
		p.fail("a connection got %v, want %v", got, want)
	}
	if want != relay.None {
		return
	}
	p.note("... is attachment %d of member %d", a.number, a.model.member.number)
	p.twins = append(p.twins, a)
	seat := a.model.member
	if a.real.Member.Number != seat.number {
		p.fail("its Number is %d", a.real.Member.Number)
	}
	c := p.clients[a.real.Member]
	if c == nil {
		c = &client{seat: seat, honest: true, known: make(map[int]bool)}
		for _, e := range seat.channel.log[:seat.from] { // it is not given those
			c.last = max(c.last, e.seq*uint64(1-min(e.kind, 1)))
		}
		p.clients[a.real.Member] = c
	}
	switch {
	case seat.mode == relay.Kept && a.real.Welcome != nil:
		p.welcome(a, c)
	case seat.mode == relay.Kept && c.view != nil: // it goes on with what it knows; a bound may have made that the less
		c.sure = c.sure && !p.bounded()
	case a.real.Welcome != nil || a.real.Member.Token() != (relay.Token{}):
		p.fail("a Live member has a welcome, or a token")
	}
}

func (p *play) send(a twin) {
	text := body(p.said, p.choose(200))
	p.said++
	size := len(text) / 3 // the payload is not the body
	p.note("%d sends %.3q of %d octets, payload %d", a.number, text, len(text), size)
	got := a.real.Send([]byte(text), size)
	want := a.model.over()
	if want == relay.None {
		_, want = a.model.member.send(text, size)
	}
	if got != want {
		p.fail("Send = %v, want %v", got, want)
	}
}

// sendNumbered sends the next message most times, else one of before or after that; and at times not through
// the attachment but by the seat.
func (p *play) sendNumbered(a twin) {
	text := body(p.said, p.choose(200))
	p.said++
	next := len(a.model.member.stored) + 1
	n := uint64(next)
	if p.choose(2) == 0 {
		n = uint64(1 + p.choose(next+2))
	}
	bySeat := p.choose(4) == 0
	p.note("%d sends %.3q of %d octets as its number %d; by its seat: %v", a.number, text, len(text), n, bySeat)
	var got, want relay.Receipt
	var gotWhy, wantWhy relay.Reason
	if bySeat {
		got, gotWhy = a.real.Member.SendNumbered(n, []byte(text), len(text))
		wantWhy = a.model.member.over()
	} else {
		got, gotWhy = a.real.SendNumbered(n, []byte(text), len(text))
		wantWhy = a.model.over()
	}
	if wantWhy == relay.None {
		want, wantWhy = a.model.member.sendNumbered(n, text, len(text))
	}
	if got != want || gotWhy != wantWhy {
		p.fail("SendNumbered = %+v, %v, want %+v, %v", got, gotWhy, want, wantWhy)
	}
}

func (p *play) ack(a twin) {
	c := p.clients[a.real.Member]
	seq := c.last
	if p.choose(4) == 0 {
		seq = uint64(p.choose(20))
		c.honest = c.honest && seq <= c.last
	}
	p.note("%d acknowledges through %d", a.number, seq)
	a.real.Ack(seq)
	if a.model.over() == relay.None && c.seat.mode == relay.Kept {
		c.seat.ack(seq)
	}
}

func (p *play) take(a twin) (more bool) {
	room := 1 + p.choose(4)
	p.note("%d takes up to %d", a.number, room)
	entries := make([]relay.Entry, room)
	n, end := a.real.Take(entries)
	want, wantEnd := a.model.take(room)
	if n != len(want) || end != wantEnd {
		p.fail("Take = %d, %v, want %d, %v", n, end, len(want), wantEnd)
	}
	c := p.clients[a.real.Member]
	for i, w := range want {
		e := entries[i]
		from := p.clients[e.From]
		if e.Kind != w.kind || e.Why != w.why || e.Seq != w.seq || string(e.Body) != w.body ||
			e.Kind == relay.Ending && !e.At.Equal(w.at) || (e.From == nil) != (w.from == nil) || from != nil && from.seat != w.from {
			p.fail("took %+v, want %+v", e, w.modelEntry)
		}
		p.learn(c, &e)
	}
	if n == 0 && end == relay.None && c.sure && c.honest { // who acknowledges what it has not taken skips what came before that
		truth := make(map[int]bool)
		for _, other := range c.seat.channel.seats {
			if other != c.seat {
				truth[other.number] = other.at != nil
			}
		}
		if !maps.Equal(c.view, truth) {
			p.fail("it takes the others to be %v, they are %v", c.view, truth)
		}
	}
	return n > 0
}

func (p *play) drain(a twin) {
	for p.take(a) {
	}
}

func (p *play) leave(a twin, why relay.Reason) {
	p.note("%d leaves for %v", a.number, why)
	a.real.Leave(why)
	if a.model.end == relay.None {
		a.model.member.leave(why, true)
	}
}

func (p *play) leaveByToken(a twin) {
	p.note("the holder of the token of %d leaves", a.number)
	real, got := p.hub.Holder(a.real.ChannelID(), a.real.Member.Token())
	seat, want := a.model.member.channel.holder(a.model.member)
	if got != want || (real == a.real.Member) != (want == relay.None) {
		p.fail("Holder = %v, want %v", got, want)
	}
	if want == relay.None {
		real.Leave(relay.Bye)
		seat.leave(relay.Bye, false)
	}
}

func (p *play) end(a twin) {
	p.note("%d ends the channel", a.number)
	got := a.real.Member.EndChannel()
	want := a.model.member.number == 1
	if want && a.model.member.end == relay.None {
		a.model.member.channel.finish(relay.ChannelEnded)
	}
	if got != want {
		p.fail("EndChannel = %v, want %v", got, want)
	}
}

func (p *play) detach(a twin, why relay.Reason) {
	p.note("%d is cut off for %v", a.number, why)
	a.real.Detach(why)
	switch {
	case a.model.end != relay.None:
	case a.model.member.channel.end != relay.None && a.model.member.mode == relay.Kept:
		a.model.member.detach(why, true)
		a.model.member.channel.settle()
	default:
		a.model.member.lose(why)
	}
}

func (p *play) wait(d time.Duration) {
	if d > time.Millisecond {
		p.note("%v go by", d)
	}
	time.Sleep(d)
	synctest.Wait()
	p.model.tick()
}

// compare compares all that can be seen from outside.
func (p *play) compare() {
	p.t.Helper()
	for _, a := range p.twins {
		if got := a.bell.rings.Load(); int(got) != a.model.wakes {
			p.fail("attachment %d was woken %d times, want %d", a.number, got, a.model.wakes)
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
	if got, want := p.hub.Stats(), p.model.stats(); got != want {
		p.fail("Stats() = %+v, want %+v", got, want)
	}
}

// TestAgainstModel plays random scripts. One that fails is played again by its name.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(600) {
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
