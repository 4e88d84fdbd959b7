package relay_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"channelserver/relay"
)

// Addresses for tests (RFC 5737, RFC 3849).
var (
	home   = netip.MustParseAddr("192.0.2.1")
	office = netip.MustParseAddr("198.51.100.2")
	cafe   = netip.MustParseAddr("203.0.113.3")
)

// A bell is a Peer that counts how often it is woken, and does no more than it is told.
type bell struct {
	rings  atomic.Int64
	onRing func() // nil for nothing
}

func (b *bell) Wake() {
	b.rings.Add(1)
	if b.onRing != nil {
		b.onRing()
	}
}

// A seat is a member that takes only when the test says so.
type seat struct {
	*relay.Attachment
	t    testing.TB
	bell *bell
}

func create(t testing.TB, h *relay.Hub) seat     { return createIn(t, h, relay.Live) }
func createKept(t testing.TB, h *relay.Hub) seat { return createIn(t, h, relay.Kept) }

func createIn(t testing.TB, h *relay.Hub, mode relay.Mode) seat {
	t.Helper()
	b := new(bell)
	m, why := h.Create(home, nil, b, mode, 0)
	if why != relay.None {
		t.Fatalf("Create: %v", why)
	}
	return seat{m, t, b}
}

func (s seat) join(h *relay.Hub) seat     { return s.joinIn(h, relay.Live) }
func (s seat) joinKept(h *relay.Hub) seat { return s.joinIn(h, relay.Kept) }

func (s seat) joinIn(h *relay.Hub, mode relay.Mode) seat {
	s.t.Helper()
	b := new(bell)
	m, why := h.Join(s.ChannelID(), home, nil, b, mode)
	if why != relay.None {
		s.t.Fatalf("Join: %v", why)
	}
	return seat{m, s.t, b}
}

// resume takes the seat back after a message, which must succeed.
func (s seat) resume(h *relay.Hub, after uint64) seat {
	s.t.Helper()
	b := new(bell)
	a, why := h.Resume(s.ChannelID(), s.Member.Token(), after, b, relay.Welcomed)
	if why != relay.None {
		s.t.Fatalf("Resume: %v", why)
	}
	return seat{a, s.t, b}
}

// say sends a text that must be accepted.
func (s seat) say(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if why := s.Send([]byte(text), len(text)); why != relay.None {
			s.t.Fatalf("Send(%.20q): %v", text, why)
		}
	}
}

// takeAll takes until nothing is left.
func (s seat) takeAll() (texts []string, why relay.Reason) {
	var entries [2]relay.Entry
	for {
		n, why := s.Take(entries[:])
		if n == 0 {
			return texts, why
		}
		if why != relay.None {
			s.t.Errorf("Take returned %d messages together with %v", n, why)
		}
		for _, e := range entries[:n] {
			texts = append(texts, describe(&e))
		}
	}
}

// describe tells what an entry tells: of a message its text, of others like "joined 2".
func describe(e *relay.Entry) string {
	switch e.Kind {
	case relay.Joined:
		return fmt.Sprintf("joined %d", e.From.Number)
	case relay.Left:
		return fmt.Sprintf("left %d %v", e.From.Number, e.Why)
	case relay.Away:
		return fmt.Sprintf("away %d %v", e.From.Number, e.Why)
	case relay.Back:
		return fmt.Sprintf("back %d", e.From.Number)
	case relay.Delivered:
		return fmt.Sprintf("delivered %d to %d", e.Seq, e.From.Number)
	case relay.Ending:
		return fmt.Sprintf("ending in %v %v", time.Until(e.At), e.Why)
	}
	return string(e.Body)
}

// expect takes until nothing is left, and compares.
func (s seat) expect(end relay.Reason, texts ...string) {
	s.t.Helper()
	got, why := s.takeAll()
	if !slices.Equal(got, texts) || why != end {
		s.t.Errorf("took %.60q, then %v; want %.60q, then %v", got, why, texts, end)
	}
}

// expectRings checks how often the member has been woken since it was seated.
func (s seat) expectRings(want int64) {
	s.t.Helper()
	if got := s.bell.rings.Load(); got != want {
		s.t.Errorf("woken %d times, want %d", got, want)
	}
}

// A drain is a Peer that takes all there is in the goroutine that wakes it, as a door does. What it
// got is guarded by nothing but the promise that there is one taker, so the race detector sees a
// second one.
type drain struct {
	member *relay.Attachment
	got    []relay.Entry
	end    relay.Reason
	parks  int
	seen   atomic.Uint64 // Seq of the last message it got
	rings  atomic.Int64
}

func (d *drain) Wake() {
	d.rings.Add(1)
	d.take()
}

func (d *drain) take() {
	var entries [3]relay.Entry
	for {
		d.parks++ // before Take: once it has parked the member, another goroutine may be the taker
		n, why := d.member.Take(entries[:])
		if n == 0 && why == relay.None {
			return
		}
		d.parks--
		if n == 0 {
			d.end = why
			return
		}
		d.got = append(d.got, entries[:n]...)
		d.seen.Store(entries[n-1].Seq)
	}
}

// check tells whether the drain was woken once for each time that it was parked, and got messages
// in order and none of its own. It must be called when all is quiet.
func (d *drain) check() error {
	wakes := int(d.rings.Load())
	if d.end == relay.None {
		wakes++ // it is parked
	}
	if wakes != d.parks {
		return fmt.Errorf("parked %d times, woken %d times, ended with %v", d.parks, d.rings.Load(), d.end)
	}
	var last uint64
	for _, e := range d.got {
		if e.Seq <= last {
			return fmt.Errorf("message %d came after message %d", e.Seq, last)
		}
		if e.From == d.member.Member {
			return fmt.Errorf("message %d came back to its sender", e.Seq)
		}
		last = e.Seq
	}
	return nil
}

// drains seats so many members in one new channel.
func drains(t testing.TB, h *relay.Hub, n int) []*drain {
	t.Helper()
	all := make([]*drain, n)
	for i := range all {
		d := new(drain)
		var why relay.Reason
		if i == 0 {
			d.member, why = h.Create(home, nil, d, relay.Live, 0)
		} else {
			d.member, why = h.Join(all[0].member.ChannelID(), home, nil, d, relay.Live)
		}
		if why != relay.None {
			t.Fatalf("seat %d: %v", i, why)
		}
		d.take()
		all[i] = d
	}
	return all
}

// A tally is an Observer that counts what the core tells it.
type tally struct {
	relay.Nobody
	ended    [64]atomic.Int64 // by Reason
	messages atomic.Int64
	octets   atomic.Int64
	onEnded  func(relay.Reason) // nil for nothing
}

func (c *tally) Ended(why relay.Reason) {
	c.ended[why].Add(1)
	if c.onEnded != nil {
		c.onEnded(why)
	}
}

func (c *tally) Accepted(octets int) {
	c.messages.Add(1)
	c.octets.Add(int64(octets))
}

func expectStats(t testing.TB, h *relay.Hub, want relay.Stats) {
	t.Helper()
	if got := h.Stats(); got != want {
		t.Errorf("Stats() = %+v, want %+v", got, want)
	}
}
