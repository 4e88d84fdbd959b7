package relay_test

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"channelserver/relay"
)

func TestTheLifespanIsExactWhateverIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lifespan = 5 * time.Minute
		var count tally
		h := relay.New(relay.Limits{Lifespan: lifespan}, &count)
		born := time.Now()
		a := create(t, h)
		a.expect(relay.None)
		var died time.Time
		a.bell.onRing = func() { died = time.Now() }
		for range 299 { // one message a second, from members that come and go
			time.Sleep(time.Second)
			b := a.join(h)
			b.expect(relay.None)
			a.say("x")
			b.expect(relay.None, "x")
			b.Leave(relay.Bye)
		}
		b := a.join(h)
		time.Sleep(time.Second - 1)
		synctest.Wait()
		a.expectRings(0)
		a.say("last")

		time.Sleep(time.Nanosecond)
		synctest.Wait()
		a.expectRings(1)
		if got := died.Sub(born); got != lifespan {
			t.Errorf("the channel lived for %v, want %v", got, lifespan)
		}
		a.expect(relay.ChannelExpired)
		b.expect(relay.ChannelExpired, "last")
		if why := a.Send([]byte("x"), 1); why != relay.ChannelExpired {
			t.Errorf("Send = %v", why)
		}
		if _, why := h.Join(a.ChannelID(), home, nil, new(bell), relay.Live); why != relay.NoSuchChannel {
			t.Errorf("Join = %v", why)
		}
		if n := count.ended[relay.ChannelExpired].Load(); n != 1 {
			t.Errorf("Ended(ChannelExpired) was called %d times", n)
		}
		expectStats(t, h, relay.Stats{Connections: 2, Octets: h.Stats().Octets})
		a.Leave(relay.ChannelExpired)
		b.Leave(relay.ChannelExpired)
		expectStats(t, h, relay.Stats{})
	})
}

func TestAnEndedChannelDoesNotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count tally
		h := relay.New(relay.Limits{Lifespan: time.Minute}, &count)
		create(t, h).Leave(relay.Bye)
		time.Sleep(time.Hour)
		synctest.Wait()
		if bye, expired := count.ended[relay.Bye].Load(), count.ended[relay.ChannelExpired].Load(); bye != 1 || expired != 0 {
			t.Errorf("Ended was called %d times with bye and %d times with channel-expired, want once and never", bye, expired)
		}
	})
}

// A clock that went on would hold the memory of a channel for the rest of its lifespan. The runtime drops clocks that
// are stopped when it comes by, so that some may be held for a while; were they not stopped, all would be.
func TestAnEndedChannelHasNoClock(t *testing.T) {
	var hubs []weak.Pointer[relay.Hub]
	for range 100 {
		func() {
			h := relay.New(relay.Limits{Lifespan: time.Hour}, relay.Nobody{})
			create(t, h).Leave(relay.Bye)
			hubs = append(hubs, weak.Make(h))
		}()
		runtime.GC()
		if slices.ContainsFunc(hubs, func(h weak.Pointer[relay.Hub]) bool { return h.Value() == nil }) {
			return
		}
	}
	t.Error("the hubs of ended channels are still held")
}

func TestNoLifespanIsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := relay.New(relay.Limits{}, relay.Nobody{})
		a := create(t, h)
		time.Sleep(10 * 365 * 24 * time.Hour)
		synctest.Wait()
		a.say("x")
		a.expect(relay.None)
	})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestDrain(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	create(t, h).Leave(relay.Bye) // the hub has been empty before
	a := create(t, h)
	b := create(t, h)
	if h.Draining() {
		t.Error("Draining before Drain")
	}
	drained := h.Drain(0)
	if !h.Draining() {
		t.Error("not Draining after Drain")
	}
	if m, why := h.Create(home, nil, new(bell), relay.Live, 0); m != nil || why != relay.Restart {
		t.Errorf("Create = %v, %v, want %v", m, why, relay.Restart)
	}
	c := a.join(h) // living channels go on
	a.say("x")
	c.expect(relay.None, "x")
	a.Leave(relay.Bye)
	b.Leave(relay.Bye)
	if closed(drained) {
		t.Error("drained while a channel lives")
	}
	c.Leave(relay.Bye)
	if !closed(drained) {
		t.Error("not drained when no channel lives")
	}
	if !closed(h.Drain(0)) {
		t.Error("a second Drain returned another answer")
	}
	expectStats(t, h, relay.Stats{})
}

func TestDrainOfAnEmptyHub(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	if !closed(h.Drain(0)) {
		t.Error("not drained")
	}
	if _, why := h.Create(home, nil, new(bell), relay.Live, 0); why != relay.Restart {
		t.Errorf("Create = %v", why)
	}
}

// Channels that are opened while Drain is called are either refused or waited for.
func TestDrainMissesNoChannel(t *testing.T) {
	for range 20 {
		h := relay.New(relay.Limits{}, relay.Nobody{})
		members := make(chan *relay.Attachment, crowd)
		var drained <-chan struct{}
		atOnce(crowd, func(i int) {
			if i == crowd/2 {
				drained = h.Drain(0)
				return
			}
			switch m, why := h.Create(home, nil, new(bell), relay.Live, 0); why {
			case relay.None:
				members <- m
			case relay.Restart:
			default:
				t.Errorf("Create = %v", why)
			}
		})
		close(members)
		expectStats(t, h, relay.Stats{Connections: len(members), Channels: len(members)})
		for m := range members {
			if closed(drained) {
				t.Fatal("drained while a channel lives")
			}
			m.Leave(relay.Bye)
		}
		if !closed(drained) {
			t.Fatal("not drained when no channel lives")
		}
	}
}

func TestEndAllIsSpreadEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, over = 10, time.Second
		var count tally
		h := relay.New(relay.Limits{Lifespan: time.Hour}, &count)
		for range 2 * n { // those that are gone take no turn
			create(t, h).Leave(relay.Bye)
		}
		start := time.Now()
		ends := make(map[time.Duration]int)
		var seats []seat
		for range n {
			s := create(t, h)
			s.expect(relay.None)
			s.bell.onRing = func() { ends[time.Since(start)]++ }
			seats = append(seats, s)
		}
		h.Drain(0)
		h.EndAll(t.Context(), relay.Restart, over)
		for i := range n {
			if at := over * time.Duration(i) / n; ends[at] != 1 {
				t.Errorf("%d channels ended after %v, want 1", ends[at], at)
			}
		}
		for _, s := range seats {
			s.expect(relay.Restart)
			s.Leave(relay.Restart)
		}
		if got := count.ended[relay.Restart].Load(); got != n {
			t.Errorf("Ended(Restart) was called %d times, want %d", got, n)
		}
		if !closed(h.Drain(0)) {
			t.Error("not drained")
		}
	})
}

func TestEndAllAtOnceAndOnNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := relay.New(relay.Limits{}, relay.Nobody{})
		h.EndAll(t.Context(), relay.Restart, time.Hour) // nothing to wait for
		a := create(t, h)
		b := a.join(h)
		a.say("x")
		c := create(t, h)
		start := time.Now()
		h.EndAll(t.Context(), relay.Shutdown, 0)
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %v", got)
		}
		a.expect(relay.Shutdown)
		b.expect(relay.Shutdown, "x")
		c.expect(relay.Shutdown)
	})
}

func TestEndAllPassesOverChannelsThatEndMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 4
		var count tally
		h := relay.New(relay.Limits{}, &count)
		var seats []seat
		for range n {
			seats = append(seats, create(t, h))
		}
		time.AfterFunc(1500*time.Millisecond, func() {
			for _, s := range seats {
				s.Leave(relay.Bye)
			}
		})
		h.EndAll(t.Context(), relay.Restart, n*time.Second)
		if restart, bye := count.ended[relay.Restart].Load(), count.ended[relay.Bye].Load(); restart != 2 || bye != n-2 {
			t.Errorf("%d channels ended with restart and %d with bye, want 2 and %d", restart, bye, n-2)
		}
		expectStats(t, h, relay.Stats{})
	})
}

// A second signal cuts the spread short: the rest goes at once, for another reason.
func TestEndAllStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 4
		h := relay.New(relay.Limits{}, relay.Nobody{})
		var seats []seat
		for range n {
			seats = append(seats, create(t, h))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		h.EndAll(ctx, relay.Restart, n*time.Second)
		if got := time.Since(start); got != 1500*time.Millisecond {
			t.Errorf("it returned after %v, want 1.5s", got)
		}
		if got := h.Stats().Channels; got != n-2 {
			t.Errorf("%d channels live, want %d", got, n-2)
		}
		h.EndAll(t.Context(), relay.Shutdown, 0)
		ends := make(map[relay.Reason]int)
		for _, s := range seats {
			_, why := s.takeAll()
			ends[why]++
		}
		if ends[relay.Restart] != 2 || ends[relay.Shutdown] != 2 {
			t.Errorf("channels ended by reason: %v, want 2 with restart and 2 with shutdown", ends)
		}
	})
}

// However many try to end a channel, it ends once, and everyone hears the same reason.
func TestAChannelEndsOnce(t *testing.T) {
	for range 20 {
		var count tally
		h := relay.New(relay.Limits{MaxExchanges: 1}, &count)
		members := drains(t, h, 3)
		var left atomic.Bool
		atOnce(40, func(i int) {
			switch i % 4 {
			case 0:
				h.EndAll(t.Context(), relay.Restart, 0)
			case 1:
				h.EndAll(t.Context(), relay.Shutdown, 0)
			case 2:
				members[0].member.Send([]byte("x"), 1)
			case 3:
				if !left.Swap(true) {
					members[1].member.Leave(relay.Bye)
				}
			}
		})
		ends := 0
		for why := range count.ended {
			ends += int(count.ended[why].Load())
		}
		if ends != 1 {
			t.Fatalf("Ended was called %d times, want 1", ends)
		}
		if a, c := members[0].end, members[2].end; a == relay.None || a != c {
			t.Errorf("one member ended with %v, another with %v", a, c)
		}
		if n := h.Stats().Channels; n != 0 {
			t.Errorf("%d channels live", n)
		}
	}
}
