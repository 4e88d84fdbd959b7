package relay_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"channelserver/relay"
)

// collected tells whether a thing has been.
func collected[T any](p weak.Pointer[T]) bool {
	for range 5 { // collecting may take more than one turn
		runtime.GC()
	}
	return p.Value() == nil
}

// large is a message that has no box.
var large = strings.Repeat("x", 4096)

// takeWeakly takes until nothing is left, and returns what tells whether the large message among that is still held.
func (s seat) takeWeakly() (message weak.Pointer[byte]) {
	s.t.Helper()
	var entries [1]relay.Entry
	for {
		n, _ := s.Take(entries[:])
		if n == 0 {
			break
		}
		if body := entries[0].Body; string(body) == large {
			message = weak.Make(&body[0])
		}
	}
	if message == (weak.Pointer[byte]{}) {
		s.t.Fatal("the message was not there to take")
	}
	return message
}

// What is kept is kept until the channel ends, however it ends and although nobody is there to let go
// of it.
func TestWhatWasKeptGoesWithTheChannel(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(h *relay.Hub, creator, other seat)
	}{
		{"ended by its creator", func(_ *relay.Hub, a, _ seat) { a.Member.EndChannel() }},
		{"ended by the server", func(h *relay.Hub, a, _ seat) { h.EndAll(a.t.Context(), relay.Shutdown, 0) }},
		{"expired", func(*relay.Hub, seat, seat) { time.Sleep(time.Hour) }},
		{"left by the last one", func(_ *relay.Hub, a, b seat) { a.Member.Leave(relay.Bye); b.Member.Leave(relay.Bye) }},
		{"given up", func(*relay.Hub, seat, seat) { time.Sleep(time.Minute) }},
		{"one message too many", func(_ *relay.Hub, a, _ seat) { a.Member.SendNumbered(1, nil, 0) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := relay.New(relay.Limits{Lifespan: time.Hour, ResumeTimeout: time.Minute, MaxExchanges: 1}, relay.Nobody{})
				a := createKept(t, h)
				b := a.joinKept(h)
				a.say(large)
				message := b.takeWeakly()
				b.Ack(1)
				a.Detach(relay.Lost)
				b.Detach(relay.Lost)
				if collected(message) || h.Stats().Octets < 4096 {
					t.Error("the message is not held, although somebody may join")
				}
				test.end(h, a, b)
				synctest.Wait()
				if !collected(message) {
					t.Error("the message is still held after the end of the channel")
				}
				expectStats(t, h, relay.Stats{})
				runtime.KeepAlive(a)
				runtime.KeepAlive(b)
			})
		})
	}
}

// An attachment that has not taken all when the channel ends may still do so; then nothing is held.
func TestWhatIsLeftToTakeIsHeldUntilItIsTaken(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	a.say(large)
	a.Detach(relay.Lost)
	a.Member.EndChannel()
	message := b.takeWeakly()
	b.expect(relay.ChannelEnded)
	b.Detach(relay.ChannelEnded)
	if !collected(message) {
		t.Error("the message is still held")
	}
	expectStats(t, h, relay.Stats{})
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// From the moment in which the last Kept seat is lost, nothing is kept.
func TestNothingIsKeptForLiveMembers(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	live := create(t, h)
	live.expect(relay.None)
	a := live.joinKept(h)
	live.say(large)
	kept := a.takeWeakly()
	a.Ack(1)
	if collected(kept) {
		t.Error("the message is not held, although somebody may join")
	}
	a.Leave(relay.Bye)
	if !collected(kept) {
		t.Error("the message is still held after the last Kept member has left")
	}
	live.say(large) // to nobody
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1})
	runtime.KeepAlive(h)
	runtime.KeepAlive(live)
}

func TestPresenceFloodsDoNotGrowTheLog(t *testing.T) {
	const bound = 10_000
	h := relay.New(relay.Limits{MaxLag: bound, ResumeTimeout: time.Hour}, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	away := a.joinKept(h)
	away.Detach(relay.Lost)
	for range 10_000 {
		b.Detach(relay.Lost)
		b = b.resume(h, 0)
		if got := h.Stats().Octets; got > bound+2*logOverhead {
			t.Fatalf("%d octets are held, want %d at most", got, bound)
		}
		a.takeAll()
	}
	a.say("x") // and nobody has lost a seat
	b.expect(relay.None, "x")
	away.resume(h, 0).expect(relay.None, "x")
}

func TestWhoIsAwayForTooMuchHasMissedMessages(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 3500, ResumeTimeout: time.Hour}, relay.Nobody{})
	a := createKept(t, h)
	away := a.joinKept(h)
	b := a.joinKept(h)
	live := a.join(h)
	away.Detach(relay.Lost)
	a.takeAll()
	b.takeAll()
	live.takeAll()
	kilo := strings.Repeat("x", 1000)
	for seq := range uint64(3) {
		a.say(kilo)
		b.expect(relay.None, kilo)
		b.Ack(seq + 1)
		live.expect(relay.None, kilo)
	}
	a.expect(relay.None, "delivered 3 to 3")
	a.say(kilo) // the newest aside, the log is just full
	a.expect(relay.None)
	a.say(kilo)
	a.expect(relay.None, "left 2 missed-messages")
	b.expect(relay.None, kilo, kilo, "left 2 missed-messages")
	live.expect(relay.None, kilo, kilo)
	if got, why := h.Resume(away.ChannelID(), away.Member.Token(), 0, new(bell), relay.Welcomed); got != nil || why != relay.MissedMessages {
		t.Errorf("Resume = %v, %v, want %v", got, why, relay.MissedMessages)
	}
	if got, why := h.Holder(away.ChannelID(), away.Member.Token()); got != nil || why != relay.MissedMessages {
		t.Errorf("Holder = %v, %v, want %v", got, why, relay.MissedMessages)
	}
	if _, why := away.Member.SendNumbered(1, nil, 0); why != relay.MissedMessages {
		t.Errorf("SendNumbered = %v", why)
	}
}

// What all have acknowledged is kept for those yet to come as long as there is room, and goes before
// anyone loses a seat.
func TestWhatAllHaveGoesFirst(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 3500, ResumeTimeout: time.Hour}, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	kilo := strings.Repeat("x", 1000)
	for seq := range uint64(20) {
		a.say(kilo)
		b.takeAll()
		b.Ack(seq + 1)
		a.takeAll()
	}
	a.say("last")
	texts, _ := a.joinKept(h).takeAll()
	if n := len(texts); n > 5 || !slices.Contains(texts, "last") {
		t.Errorf("a joiner was given %.60q, want a few messages and the last", texts)
	}
}

// The channel that passes the bound of all channels together bears it; the others go on.
func TestAllChannelsTogetherAreBounded(t *testing.T) {
	const bound = 10_000
	h := relay.New(relay.Limits{MaxKept: bound, ResumeTimeout: time.Hour}, relay.Nobody{})
	kilo := strings.Repeat("x", 1000)
	var creators, others []seat
	for range 5 {
		a := createKept(t, h)
		b := a.joinKept(h)
		b.Detach(relay.Lost)
		a.takeAll()
		a.say(kilo)
		creators, others = append(creators, a), append(others, b)
	}
	last := creators[4]
	for range 100 {
		last.say(kilo)
		last.takeAll()
		if got := h.Stats().Octets; got > bound+2*1000 {
			t.Fatalf("%d octets are held, want %d at most", got, bound)
		}
	}
	for i, b := range others {
		_, why := h.Resume(b.ChannelID(), b.Member.Token(), 0, new(bell), relay.Welcomed)
		if want := i == 4; (why == relay.MissedMessages) != want || why != relay.None && !want {
			t.Errorf("Resume in channel %d = %v", i, why)
		}
	}
	last.say("still here")
}

// One message is never too much, as long as it is the only entry.
func TestTheNewestEntryIsNeverTooMuch(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 1000, ResumeTimeout: time.Hour}, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	a.takeAll()
	big := strings.Repeat("x", 100_000)
	for seq := range uint64(3) {
		a.say(big)
		b.expect(relay.None, big)
		b.Ack(seq + 1)
	}
}
