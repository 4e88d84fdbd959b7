package relay_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/relay"
)

// A phone is a client whose connections are lost all the time. It remembers what it has processed, what it
// has sent, and which of that was answered; it has one connection at a time that it trusts.
type phone struct {
	t    *testing.T
	hub  *relay.Hub
	id   relay.ID
	seat *relay.Member

	mu      sync.Mutex
	line    *line    // the connection; guarded by mu, like all below
	last    uint64   // the message that it has processed
	got     []string // the texts of the messages of others
	present map[int]bool
}

// A line is one connection of a phone. It is a Peer that takes in the goroutine that wakes it, as a
// door does.
type line struct {
	phone *phone
	at    atomic.Pointer[relay.Attachment]
}

func (l *line) Wake() {
	a := l.at.Load()
	if a == nil {
		return // it takes as it begins
	}
	var entries [3]relay.Entry
	for {
		n, _ := a.Take(entries[:])
		if n == 0 {
			return
		}
		for i := range entries[:n] {
			l.phone.process(l, &entries[i])
		}
	}
}

// process looks at what has come over a line, unless that is no longer the phone's.
func (p *phone) process(l *line, e *relay.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line != l {
		return
	}
	switch e.Kind {
	case relay.Message:
		if e.Seq <= p.last || e.From == p.seat {
			p.t.Errorf("member %d processed message %d and was given %d of member %d", p.seat.Number, p.last, e.Seq, e.From.Number)
		}
		p.last = e.Seq
		p.got = append(p.got, string(e.Body))
	case relay.Joined:
		p.present[e.From.Number] = true
	case relay.Left:
		delete(p.present, e.From.Number)
	case relay.Away, relay.Back:
		if _, there := p.present[e.From.Number]; there {
			p.present[e.From.Number] = e.Kind == relay.Back
		}
	}
}

// call connects the phone to its seat.
func (p *phone) call(connect func(l *line, after uint64) (*relay.Attachment, relay.Reason)) *line {
	l := &line{phone: p}
	p.mu.Lock()
	p.line = l
	after := p.last
	p.mu.Unlock()
	a, why := connect(l, after)
	if why != relay.None {
		p.t.Errorf("the call failed: %v", why)
		return nil
	}
	p.mu.Lock()
	if p.seat == nil {
		p.id, p.seat = a.ChannelID(), a.Member
	}
	p.present = make(map[int]bool)
	for _, other := range a.Welcome.Others {
		p.present[other.Member.Number] = other.Present
	}
	p.mu.Unlock()
	l.at.Store(a)
	l.Wake()
	return l
}

func (p *phone) resume(l *line, after uint64) (*relay.Attachment, relay.Reason) {
	return p.hub.Resume(p.id, p.seat.Token(), after, l, relay.Welcomed)
}

// talk sends messages, each until it is answered, over lines that break.
func (p *phone) talk(random *rand.Rand, l *line, texts []string) {
	for i := 0; i < len(texts); {
		a := l.at.Load()
		receipt, why := a.SendNumbered(uint64(i)+1, []byte(texts[i]), len(texts[i]))
		if lost := random.IntN(4) == 0; why == relay.None && !lost { // else it does not know, and sends it again
			if !receipt.Stored || receipt.Seq == 0 {
				p.t.Errorf("message %d of member %d: %+v", i+1, p.seat.Number, receipt)
			}
			i++
		}
		p.mu.Lock()
		last := p.last
		p.mu.Unlock()
		switch random.IntN(6) {
		case 0:
			a.Ack(last)
		case 1:
			a.Detach(relay.Lost)
			l = p.call(p.resume)
		case 2:
			l = p.call(p.resume) // the server has not noticed yet that the old one is lost
			a.Detach(relay.Lost)
		case 3:
			runtime.Gosched()
		}
	}
}

// Members send, lose their connections, take their seats back and acknowledge, all at once. Each message
// is stored once and given to each other member once and in the same order.
func TestEveryMessageArrivesOnceAcrossLostConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a timer or goroutine that is left fails the test
		const members, messages, visitors = 4, 200, 2
		var count tally
		h := relay.New(relay.Limits{Lifespan: time.Hour, ResumeTimeout: time.Minute}, &count)
		phones := make([]*phone, members)
		lines := make([]*line, members)
		for i := range phones {
			p := &phone{t: t, hub: h}
			phones[i] = p
			lines[i] = p.call(func(l *line, _ uint64) (*relay.Attachment, relay.Reason) {
				if i == 0 {
					return h.Create(home, nil, l, relay.Kept, 0)
				}
				return h.Join(phones[0].id, home, nil, l, relay.Kept)
			})
		}
		live := new(drain)
		live.member, _ = h.Join(phones[0].id, home, nil, live, relay.Live)
		live.take()
		texts := make([][]string, members)
		for i := range texts {
			for n := range messages {
				texts[i] = append(texts[i], body(n, i))
			}
		}
		atOnce(members+visitors, func(i int) {
			if i < members {
				phones[i].talk(rand.New(rand.NewPCG(uint64(i), 0)), lines[i], texts[i])
				return
			}
			for range messages / 4 { // members of both kinds that come and go
				mode := relay.Mode(i % 2)
				d := new(bell)
				a, why := h.Join(phones[0].id, home, nil, d, mode)
				if why != relay.None {
					t.Errorf("Join = %v", why)
					return
				}
				a.Take(make([]relay.Entry, 5))
				a.Ack(3)
				a.Leave(relay.Bye)
			}
		})
		if got := count.messages.Load(); got != members*messages {
			t.Errorf("%d messages were stored, want %d", got, members*messages)
		}
		for _, p := range phones {
			p.call(p.resume) // what was on its way when the last line broke
		}
		all := live.got
		for i, p := range phones {
			var want []string
			for _, e := range all {
				if e.From != p.seat {
					want = append(want, string(e.Body))
				}
			}
			if !slices.Equal(p.got, want) {
				t.Errorf("member %d processed %d messages, want %d, in the order in which they were accepted", i+1, len(p.got), len(want))
			}
			if len(p.present) != members || slices.Contains(presences(p.present), false) { // three phones and the Live one
				t.Errorf("member %d takes the others to be %v, all %d are present", i+1, p.present, members)
			}
		}
		live.member.Leave(relay.Bye)
		phones[0].line.at.Load().Leave(relay.Bye)
		for _, p := range phones[1:] {
			p.line.at.Load().Detach(relay.Lost)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		expectStats(t, h, relay.Stats{})
	})
}

func presences(view map[int]bool) (all []bool) {
	for _, present := range view {
		all = append(all, present)
	}
	return all
}

// Of many that take one seat back at once, one has it in the end, and all others were replaced.
func TestASeatHasOneAttachment(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	attachments := make([]*relay.Attachment, crowd) // each element by one goroutine
	var accepted atomic.Int64
	atOnce(crowd, func(i int) {
		at, why := h.Resume(b.ChannelID(), b.Member.Token(), 0, new(bell), relay.Welcomed)
		if why != relay.None {
			t.Errorf("Resume = %v", why)
			return
		}
		attachments[i] = at
		switch why := at.Send(nil, 0); why {
		case relay.None:
			accepted.Add(1)
		case relay.Replaced:
		default:
			t.Errorf("Send = %v", why)
		}
		at.Ack(1)
	})
	attached := 0
	for _, at := range attachments {
		if _, why := at.Take(make([]relay.Entry, 1)); why == relay.None {
			attached++
		}
	}
	if attached != 1 {
		t.Errorf("%d attachments are not replaced, want 1", attached)
	}
	expectStats(t, h, relay.Stats{Connections: 2, Channels: 1, Octets: h.Stats().Octets})
	texts, _ := a.takeAll()
	if got := len(texts); got != int(accepted.Load())+1 && got != int(accepted.Load())+2 { // joined 2, and perhaps a receipt
		t.Errorf("the other took %d entries, want %d messages", got, accepted.Load())
	}
}

// However many time-outs, returns, leavings and ends meet, the seat is lost once, and nothing is left.
func TestResumingMeetsTheTimeout(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			h := relay.New(relay.Limits{ResumeTimeout: time.Second}, relay.Nobody{})
			a := createKept(t, h)
			a.expect(relay.None)
			b := a.joinKept(h)
			b.Detach(relay.Lost)
			time.Sleep(time.Second) // the timer and those below run at the same time
			var back atomic.Int64
			atOnce(4, func(int) {
				at, why := h.Resume(b.ChannelID(), b.Member.Token(), 0, new(bell), relay.Welcomed)
				switch why {
				case relay.None:
					back.Add(1)
					at.Detach(relay.Lost)
				case relay.NoSuchChannel:
				default:
					t.Errorf("Resume = %v", why)
				}
			})
			time.Sleep(time.Minute)
			synctest.Wait()
			texts, _ := a.takeAll()
			left := 0
			for _, text := range texts {
				if text == "left 2 lost" {
					left++
				}
			}
			if left != 1 || texts[len(texts)-1] != "left 2 lost" {
				t.Errorf("after %d returns the other was told %q", back.Load(), texts)
			}
			a.Leave(relay.Bye)
			expectStats(t, h, relay.Stats{})
		})
	}
}
