package relay_test

import (
	"runtime"
	"strings"
	"testing"
	"weak"

	"channelserver/relay"
)

func TestMessagesGoToTheOthersInOrderAndNeverBack(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	b := a.join(h)
	c := b.join(h)
	a.say("1", "2")
	b.say("3")
	a.say("4")
	c.say("5", "6", "7")
	a.expect(relay.None, "3", "5", "6", "7")
	b.expect(relay.None, "1", "2", "4", "5", "6", "7")
	c.expect(relay.None, "1", "2", "3", "4")
}

func TestEntriesSayWhoSentThemAndTheirNumber(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a, _ := h.Create(home, "the card of a", new(bell), relay.Live, 0)
	b, _ := h.Join(a.ChannelID(), home, "the card of b", new(bell), relay.Live)
	a.Send([]byte("x"), 1)
	b.Send([]byte("y"), 1)
	a.Send([]byte("z"), 1)

	var entries [4]relay.Entry
	if n, why := b.Take(entries[:]); n != 2 || why != relay.None {
		t.Fatalf("Take = %d, %v", n, why)
	}
	for i, seq := range []uint64{1, 3} {
		if e := entries[i]; e.Seq != seq || e.From != a.Member || e.From.Card != "the card of a" || e.At.IsZero() {
			t.Errorf("entry %d is %+v, want Seq %d from a", i, e, seq)
		}
	}
}

func TestNewMembersSeeOnlyWhatComesAfterThem(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	b := a.join(h)
	a.say("before")
	c := a.join(h)
	a.say("after")
	b.expect(relay.None, "before", "after")
	c.expect(relay.None, "after")
}

func TestParkedMembersAreWokenOnce(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	b := a.join(h)
	a.say("1") // b has not been parked yet: its door takes first without being woken
	b.expectRings(0)
	b.expect(relay.None, "1")
	a.say("2", "3")
	b.expectRings(1)
	b.expect(relay.None, "2", "3")
	a.say("4")
	b.expectRings(2)
	a.Leave(relay.Bye)
	b.expectRings(2)
	b.expect(relay.None, "4")
	a.expectRings(0) // its own messages wake nobody
}

// A second Take after the one that parked the member does no harm.
func TestTakingWhileParkedDoesNoHarm(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	b := a.join(h)
	a.expect(relay.None)
	a.expect(relay.None)
	a.say("x") // b has not taken yet: it must be kept
	b.expect(relay.None, "x")
}

func TestAnEndWakesTheParkedOnly(t *testing.T) {
	h := relay.New(relay.Limits{MaxExchanges: 1}, relay.Nobody{})
	a := create(t, h)
	parked := a.join(h)
	parked.expect(relay.None)
	awake := a.join(h)
	a.say("1")
	parked.expectRings(1)
	parked.expect(relay.None, "1")
	if why := a.Send([]byte("2"), 1); why != relay.TooManyMessages {
		t.Errorf("Send = %v", why)
	}
	parked.expectRings(2)
	awake.expectRings(0)
	a.expectRings(0)
}

func TestMessagesBeforeTheEndComeBeforeTheReason(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits relay.Limits
		want   relay.Reason
	}{
		{"messages", relay.Limits{MaxExchanges: 3}, relay.TooManyMessages},
		{"octets", relay.Limits{MaxData: 3}, relay.TooMuchData},
	} {
		t.Run(test.name, func(t *testing.T) {
			var count tally
			h := relay.New(test.limits, &count)
			a := create(t, h)
			b := a.join(h)
			a.say("1", "2")
			b.say("3")
			if why := a.Send([]byte("4"), 1); why != test.want {
				t.Errorf("the message over the limit: %v, want %v", why, test.want)
			}
			if why := b.Send([]byte("5"), 1); why != test.want {
				t.Errorf("a message after the end: %v, want %v", why, test.want)
			}
			b.expect(test.want, "1", "2")
			a.expect(test.want, "3")
			b.expect(test.want) // and again the same
			if n := count.ended[test.want].Load(); n != 1 {
				t.Errorf("Ended(%v) was called %d times", test.want, n)
			}
			if m, o := count.messages.Load(), count.octets.Load(); m != 3 || o != 3 {
				t.Errorf("%d messages of %d octets were observed, want 3 of 3", m, o)
			}
			expectStats(t, h, relay.Stats{Connections: 2, Octets: h.Stats().Octets})
			a.Leave(test.want)
			b.Leave(test.want)
			expectStats(t, h, relay.Stats{})
		})
	}
}

func TestAnEndedChannelIsGoneBeforeAnyoneIsWoken(t *testing.T) {
	var h *relay.Hub
	var id relay.ID
	looks := 0
	look := func(where string) {
		looks++
		if _, why := h.Join(id, home, nil, new(bell), relay.Live); why != relay.NoSuchChannel {
			t.Errorf("%s: Join = %v, want %v", where, why, relay.NoSuchChannel)
		}
		if n := h.Stats().Channels; n != 0 {
			t.Errorf("%s: the hub counts %d channels, want 0", where, n)
		}
	}
	count := &tally{onEnded: func(relay.Reason) { look("Ended") }}
	h = relay.New(relay.Limits{MaxExchanges: 1}, count)
	a := create(t, h)
	id = a.ChannelID()
	b := a.join(h)
	a.say("1")
	b.expect(relay.None, "1")
	b.bell.onRing = func() { look("Wake") }
	a.Send([]byte("2"), 1)
	if looks != 2 {
		t.Errorf("looked %d times, want once in Ended and once in Wake", looks)
	}
}

// A Peer and an Observer may call back, since they are called under no lock: else this hangs.
func TestPeersAndObserversMayCallBack(t *testing.T) {
	var h *relay.Hub
	count := &tally{onEnded: func(relay.Reason) {
		m, _ := h.Create(home, nil, new(bell), relay.Live, 0)
		m.Send([]byte("x"), 1)
		h.Drain(0)
	}}
	h = relay.New(relay.Limits{}, count)
	a := create(t, h)
	b := a.join(h)
	b.expect(relay.None)
	b.bell.onRing = func() {
		b.say("answer")
		a.Leave(relay.Bye)
		b.Leave(relay.Bye)
	}
	a.say("question")
	a.expect(relay.Bye)
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1, Octets: h.Stats().Octets})
}

func TestAChannelEndsWithItsLastMember(t *testing.T) {
	var count tally
	h := relay.New(relay.Limits{}, &count)
	a := create(t, h)
	b := a.join(h)
	a.say("1")
	a.Leave(relay.Lost)
	if why := a.Send([]byte("x"), 1); why != relay.Lost {
		t.Errorf("Send after Leave(Lost) = %v", why)
	}
	a.expect(relay.Lost)
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1, Octets: h.Stats().Octets})
	b.expect(relay.None, "1") // what a had sent is still there
	b.expectRings(0)

	b.Leave(relay.ClientTimeout)
	b.expect(relay.ClientTimeout)
	if n := count.ended[relay.Bye].Load(); n != 1 {
		t.Errorf("Ended(Bye) was called %d times, want 1", n)
	}
	if _, why := h.Join(a.ChannelID(), home, nil, new(bell), relay.Live); why != relay.NoSuchChannel {
		t.Errorf("Join of an empty channel = %v", why)
	}
	expectStats(t, h, relay.Stats{})
}

func TestLeavingTwiceDoesNoHarm(t *testing.T) {
	var count tally
	h := relay.New(relay.Limits{MaxExchanges: 1}, &count)
	a := create(t, h)
	b := a.join(h)
	b.Leave(relay.Bye)
	b.Leave(relay.Lost)
	b.expect(relay.Bye) // the first reason stays
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1})

	a.say("1")
	a.Send([]byte("2"), 1)
	a.Leave(relay.TooManyMessages)
	a.Leave(relay.TooManyMessages)
	expectStats(t, h, relay.Stats{})
	if n := count.ended[relay.Bye].Load(); n != 0 {
		t.Errorf("Ended(Bye) was called %d times for a channel that had ended", n)
	}
}

func TestTheLogKeepsNothingWhenAllAreParked(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	a.expect(relay.None)
	a.say("to nobody")
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1})

	b := a.join(h)
	b.expect(relay.None)
	a.say("x", "y")
	if got := h.Stats().Octets; got <= 0 {
		t.Errorf("%d octets are held while messages wait", got)
	}
	b.expect(relay.None, "x", "y")
	expectStats(t, h, relay.Stats{Connections: 2, Channels: 1})

	a.say("z")
	b.Leave(relay.Lost) // with a message not taken, which nobody else wants
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1})
}

// What all have passed is dropped even while somebody is always awake.
func TestTheLogIsTrimmedWhileAMemberStaysAwake(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	a.expect(relay.None)
	b := a.join(h)
	big := strings.Repeat("x", 10_000)
	a.say(big)
	for range 1000 {
		a.say(big)
		var one [1]relay.Entry
		if n, why := b.Take(one[:]); n != 1 || why != relay.None { // b lags by one, for ever
			t.Fatalf("Take = %d, %v", n, why)
		}
	}
	if got := h.Stats().Octets; got > 1<<20 {
		t.Errorf("%d octets are held for a member that lags by one message of %d", got, len(big))
	}
}

func TestDeliveredMessagesCanBeCollected(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	a.expect(relay.None)
	send := func() weak.Pointer[byte] {
		body := make([]byte, 4096)
		a.Send(body, len(body))
		return weak.Make(&body[0])
	}
	toNobody := send()
	b := a.join(h)
	delivered := send()
	if texts, why := b.takeAll(); len(texts) != 1 || why != relay.None {
		t.Fatalf("took %d messages, then %v", len(texts), why)
	}
	neverTaken := send()
	b.Leave(relay.Lost)

	for range 5 { // collecting may take more than one turn
		runtime.GC()
	}
	for name, body := range map[string]weak.Pointer[byte]{
		"delivered": delivered, "sent to nobody": toNobody, "never taken": neverTaken,
	} {
		if body.Value() != nil {
			t.Errorf("the message %s is still held", name)
		}
	}
	runtime.KeepAlive(h)
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

func TestAMemberThatLagsTooMuchIsEndedAsSlow(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 3500}, relay.Nobody{})
	sender := create(t, h)
	sender.expect(relay.None)
	slow := sender.join(h)
	slow.expect(relay.None)
	fast := sender.join(h)
	fast.expect(relay.None)
	kilo := strings.Repeat("x", 1000)

	for range 4 { // the newest aside, the log holds 3,000 octets for the slow one, and some overhead
		sender.say(kilo)
		fast.expect(relay.None, kilo)
	}
	expectStats(t, h, relay.Stats{Connections: 3, Channels: 1, Octets: h.Stats().Octets})
	sender.say(kilo)
	expectStats(t, h, relay.Stats{Connections: 2, Channels: 1, Octets: h.Stats().Octets})
	slow.expect(relay.Slow)
	slow.expectRings(1)
	if why := slow.Send([]byte("x"), 1); why != relay.Slow {
		t.Errorf("Send of the slow one = %v", why)
	}
	slow.Leave(relay.Slow)

	fast.expect(relay.None, kilo)
	fast.say("y")
	sender.expect(relay.None, "y")
	expectStats(t, h, relay.Stats{Connections: 2, Channels: 1})
}

func TestTheNewestMessageIsNoLag(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 1}, relay.Nobody{})
	a := create(t, h)
	a.expect(relay.None)
	b := a.join(h)
	b.expect(relay.None)
	big := strings.Repeat("x", 100_000)
	for range 3 {
		a.say(big)
		b.expect(relay.None, big)
	}
	a.say(big, big)
	b.expect(relay.Slow)
	a.say("alone now")
	a.expect(relay.None)
}

// A member is not slow for what it says itself: nothing of that waits for it.
func TestOwnMessagesAreNoLag(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 1000}, relay.Nobody{})
	a := create(t, h) // awake: its door is still busy with its first frame
	b := a.join(h)
	kilo := strings.Repeat("x", 1000)
	for range 10 {
		a.say(kilo)
		b.expect(relay.None, kilo)
	}
	b.say("y")
	a.expect(relay.None, "y")
}

func TestOnlyThoseThatLagMostAreSlow(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 3500}, relay.Nobody{})
	sender := create(t, h)
	sender.expect(relay.None)
	kilo := strings.Repeat("x", 1000)
	slow := sender.join(h)
	alsoSlow := sender.join(h)
	sender.say(kilo, kilo)
	late := sender.join(h)
	sender.say(kilo, kilo, kilo)
	slow.expect(relay.Slow)
	alsoSlow.expect(relay.Slow)
	late.expect(relay.None, kilo, kilo, kilo)
}

// The last awake member being evicted must leave the channel as if all were parked.
func TestTheLogIsEmptyAfterTheOnlyReaderIsEvicted(t *testing.T) {
	h := relay.New(relay.Limits{MaxLag: 100}, relay.Nobody{})
	a := create(t, h)
	a.expect(relay.None)
	a.join(h)
	a.say(strings.Repeat("x", 200), "y")
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1})
}
