package relay_test

import (
	"strings"
	"testing"
	"time"
	"weak"

	"channelserver/relay"
)

// A message names its sender by number, so who that is must be told before, also when it has left.
func TestEveryMessageIsByAMemberThatWasTold(t *testing.T) {
	t.Run("the creator", func(t *testing.T) {
		h := relay.New(resumable, relay.Nobody{})
		a := createKept(t, h)
		b := a.joinKept(h)
		a.say("x")
		a.Leave(relay.Bye)
		b.joinKept(h).expect(relay.None, "joined 1", "x", "left 1 bye")
	})
	t.Run("who was there before the log was kept", func(t *testing.T) {
		h := relay.New(resumable, relay.Nobody{})
		a := create(t, h)
		a.expect(relay.None)
		b := a.joinKept(h)
		a.say("x")
		a.Leave(relay.Bye)
		b.expect(relay.None, "x", "left 1 bye")
		b.joinKept(h).expect(relay.None, "joined 1", "x", "left 1 bye")
	})
	t.Run("who came while a member was away", func(t *testing.T) {
		h := relay.New(resumable, relay.Nobody{})
		a := createKept(t, h)
		b := a.joinKept(h)
		a.say("1")
		b.expect(relay.None, "1")
		b.Detach(relay.Lost)
		c := a.joinKept(h)
		c.say("2")
		c.Leave(relay.Bye)
		b.resume(h, 1).expect(relay.None, "joined 3", "2", "left 3 bye")
	})
}

// What is told between the last message that was processed and the next is not lost either.
func TestAContinuedSeatMissesNothingAfterItsLastMessage(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	a.say("1")
	b.expect(relay.None, "1")
	b.Detach(relay.Lost)
	a.Detach(relay.Lost)
	next, why := h.Resume(b.ChannelID(), b.Member.Token(), 1, new(bell), relay.Continued)
	if why != relay.None {
		t.Fatalf("Resume = %v", why)
	}
	seat{next, t, nil}.expect(relay.None, "away 1 lost")
}

// What Live members said among themselves is not kept, so nobody else is given it.
func TestAJoinerIsNotGivenWhatWasSaidBeforeTheFirstKeptSeat(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := create(t, h)
	b := a.join(h) // has not taken anything
	a.say("private")
	c := a.joinKept(h)
	a.say("x")
	c.expect(relay.None, "x")
	c.joinKept(h).expect(relay.None, "x")
	c.Leave(relay.Bye)
	b.expect(relay.None, "private", "x")
}

// The log may name those that are gone for as long as the channel lives; their connections must not
// be held that long.
func TestAnEndedAttachmentHoldsNoPeer(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	kept := a.joinKept(h)
	live := a.join(h)
	keptPeer, livePeer := weak.Make(kept.bell), weak.Make(live.bell)
	kept.Detach(relay.Lost)
	live.Leave(relay.Bye)
	kept, live = seat{}, seat{}
	if !collected(keptPeer) {
		t.Error("the peer of a member that is away is still held")
	}
	if !collected(livePeer) {
		t.Error("the peer of a member that has left is still held")
	}
	a.expect(relay.None, "joined 2", "joined 3", "away 2 lost", "left 3 bye")
}

// Members learn why their channel ended, however full it is.
func TestNobodyIsEvictedFromAnEndedChannel(t *testing.T) {
	h := relay.New(relay.Limits{MaxKept: 2000, ResumeTimeout: time.Hour}, relay.Nobody{})
	a := create(t, h)
	b := a.join(h)
	kilo := strings.Repeat("x", 1000)
	a.say("x", kilo)
	h.EndAll(t.Context(), relay.Shutdown, 0)
	other := create(t, h)
	other.join(h)
	other.say(strings.Repeat("x", 1500)) // one entry, so it is not too much there
	a.Leave(relay.Shutdown)
	b.expect(relay.Shutdown, "x", kilo)
}

func TestWhoHasLeftEndsNothing(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	a.Leave(relay.Bye)
	a.Member.EndChannel()
	b.expect(relay.None, "left 1 bye")
}
