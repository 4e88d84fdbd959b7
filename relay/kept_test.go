package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/relay"
)

// resumable are limits under which seats wait for longer than any test takes.
var resumable = relay.Limits{ResumeTimeout: time.Hour}

func TestResumeReplaysWhatCameAfter(t *testing.T) {
	for _, test := range []struct {
		acked, after uint64
		want         []string
	}{
		{0, 0, []string{"1", "2", "3", "4"}},
		{0, 2, []string{"3", "4"}},
		{0, 4, nil},
		{0, 1 << 60, nil},
		{3, 0, []string{"4"}}, // what was acknowledged is not asked for again
		{1, 3, []string{"4"}},
		{4, 1, nil},
		{1 << 60, 0, nil},
	} {
		t.Run(fmt.Sprintf("acked %d, after %d", test.acked, test.after), func(t *testing.T) {
			h := relay.New(resumable, relay.Nobody{})
			a := createKept(t, h)
			b := a.joinKept(h)
			a.say("1", "2", "3")
			b.expect(relay.None, "1", "2", "3")
			b.Detach(relay.Lost)
			a.say("4")
			b = b.resume(h, 0)
			b.Ack(test.acked)
			b.Detach(relay.Lost)
			b.resume(h, test.after).expect(relay.None, test.want...)
		})
	}
}

func TestAJoinerIsGivenTheLogFromItsStart(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	a.say("alone")
	a.Detach(relay.Lost)
	if _, why := a.Member.SendNumbered(1, []byte("away"), 4); why != relay.None {
		t.Errorf("SendNumbered of a member that is away = %v", why)
	}
	b := a.joinKept(h)
	if w := b.Welcome; len(w.Others) != 1 || w.Others[0].Member != a.Member || w.Others[0].Present {
		t.Errorf("Welcome = %+v, want the creator, away", w)
	}
	b.expect(relay.None, "alone", "away")
	live := a.join(h)
	b.say("x")
	live.expect(relay.None, "x")
	a.resume(h, 0).expect(relay.None, "x")
}

func TestLiveMembersAreGivenMessagesOnly(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	live := create(t, h)
	live.expect(relay.None)
	a := live.joinKept(h)
	a.Detach(relay.Lost)
	a = a.resume(h, 0)
	live.join(h).Leave(relay.Bye)
	a.Ack(1)
	h.Drain(time.Minute)
	live.expectRings(0)
	a.say("x")
	a.Leave(relay.Bye)
	live.expectRings(1)
	live.expect(relay.None, "x")
}

func TestPresenceIsToldInOrderWithMessages(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	b.say("1")
	b.Detach(relay.ClientTimeout)
	a.say("2")
	live := a.join(h)
	live.say("3")
	live.Detach(relay.Slow) // for good
	b = b.resume(h, 0)
	b.say("4")
	b.Leave(relay.Bye)
	a.expect(relay.None, "joined 2", "1", "away 2 client-timeout", "joined 3", "3", "left 3 slow", "back 2", "4", "left 2 bye")
}

// What a member is told as it attaches is not told again, but for those that have left: their messages
// are among those replayed.
func TestThoseThatHaveLeftAreToldToLaterMembers(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	b.say("of b")
	b.Detach(relay.Lost)
	b = b.resume(h, 0)
	a.Detach(relay.Lost)
	late := a.joinKept(h)
	late.expect(relay.None, "of b") // b is there, so the welcome told of it
	b.Leave(relay.Bye)
	late.expect(relay.None, "left 2 bye")
	later := a.joinKept(h)
	if w := later.Welcome; len(w.Others) != 2 || w.Others[0].Present || !w.Others[1].Present {
		t.Errorf("Welcome.Others = %+v", w.Others)
	}
	later.expect(relay.None, "joined 2", "of b", "away 2 lost", "back 2", "left 2 bye")
}

func TestTheWelcomeTellsWhatIsStoredAndWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := relay.New(relay.Limits{Lifespan: time.Minute, ResumeTimeout: time.Hour}, relay.Nobody{})
		a := createKept(t, h)
		if w := a.Welcome; w.Expires != time.Minute || w.Sent != 0 || len(w.Others) != 0 {
			t.Errorf("the first Welcome = %+v", w)
		}
		a.SendNumbered(1, []byte("x"), 1)
		a.SendNumbered(2, []byte("y"), 1)
		time.Sleep(50 * time.Second)
		if w := a.resume(h, 0).Welcome; w.Expires != 10*time.Second || w.Sent != 2 {
			t.Errorf("the second Welcome = %+v", w)
		}
		if w := create(t, h).Welcome; w != nil {
			t.Errorf("a Live member got %+v", w)
		}
	})
}

func TestAResumedSeatReplacesItsAttachment(t *testing.T) {
	for _, parked := range []bool{true, false} {
		t.Run(fmt.Sprintf("parked %v", parked), func(t *testing.T) {
			h := relay.New(resumable, relay.Nobody{})
			a := createKept(t, h)
			old := a.joinKept(h)
			a.say("x")
			rings := int64(0)
			if parked {
				old.expect(relay.None, "x")
				rings = 1
			}
			a.expect(relay.None, "joined 2")
			b := old.resume(h, 0)
			a.expect(relay.None) // nobody was away
			old.expectRings(rings)
			expectStats(t, h, relay.Stats{Connections: 2, Channels: 1, Octets: h.Stats().Octets})

			old.expect(relay.Replaced)
			if why := old.Send([]byte("y"), 1); why != relay.Replaced {
				t.Errorf("Send of a replaced attachment = %v", why)
			}
			if r, why := old.SendNumbered(1, []byte("y"), 1); why != relay.Replaced || r.Stored {
				t.Errorf("SendNumbered of a replaced attachment = %+v, %v", r, why)
			}
			old.Ack(1)
			old.Detach(relay.Lost)
			old.Leave(relay.Bye)
			a.expect(relay.None)
			b.expect(relay.None, "x")
			b.say("z")
			a.expect(relay.None, "z")
			expectStats(t, h, relay.Stats{Connections: 2, Channels: 1, Octets: h.Stats().Octets})
		})
	}
}

// One that goes on where the attachment before it was is told all the rest, and no welcome.
func TestAContinuedSeatIsToldTheRest(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	a.say("1")
	a.Detach(relay.Lost)
	b.expect(relay.None, "1", "away 1 lost")
	b.Detach(relay.Lost)
	a = a.resume(h, 0)
	c := a.joinKept(h)
	a.say("2")
	c.Leave(relay.Bye)
	next, why := h.Resume(b.ChannelID(), b.Member.Token(), 0, new(bell), relay.Continued)
	if why != relay.None || next.Welcome != nil {
		t.Fatalf("Resume = %v, Welcome = %v", why, next.Welcome)
	}
	seat{next, t, nil}.expect(relay.None, "1", "back 1", "joined 3", "2", "left 3 bye")
}

func TestATokenOpensItsOwnSeatOnly(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	a.Detach(relay.Lost)
	other := createKept(t, h)
	live := other.join(h)
	gone := other.joinKept(h)
	gone.Leave(relay.Bye)
	ended := createKept(t, h)
	ended.Leave(relay.Bye)
	wrong := a.Member.Token()
	wrong[len(wrong)-1] ^= 1
	for _, test := range []struct {
		name  string
		id    relay.ID
		token relay.Token
		want  relay.Reason
	}{
		{"the right one", a.ChannelID(), a.Member.Token(), relay.None},
		{"another octet at the end", a.ChannelID(), wrong, relay.NoSuchChannel},
		{"zero", a.ChannelID(), relay.Token{}, relay.NoSuchChannel},
		{"of another channel", a.ChannelID(), other.Member.Token(), relay.NoSuchChannel},
		{"of a Live member", other.ChannelID(), live.Member.Token(), relay.NoSuchChannel},
		{"of one that has left", other.ChannelID(), gone.Member.Token(), relay.NoSuchChannel},
		{"of no channel", relay.NewID(), a.Member.Token(), relay.NoSuchChannel},
		{"of an ended channel", ended.ChannelID(), ended.Member.Token(), relay.NoSuchChannel},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, why := h.Holder(test.id, test.token)
			if why != test.want || (m == a.Member) != (why == relay.None) {
				t.Errorf("Holder = %v, %v, want %v", m, why, test.want)
			}
			b, why := h.Resume(test.id, test.token, 0, new(bell), relay.Welcomed)
			if why != test.want || (b != nil) != (why == relay.None) {
				t.Errorf("Resume = %v, %v, want %v", b, why, test.want)
			}
		})
	}
}

func TestTokensAreReadAsTheyAreWritten(t *testing.T) {
	token := createKept(t, relay.New(resumable, relay.Nobody{})).Member.Token()
	if got, err := relay.ParseToken(token.String()); err != nil || got != token {
		t.Errorf("ParseToken(%q) = %v, %v", token, got, err)
	}
	for _, text := range []string{"", token.String() + "A", token.String()[1:], "\n" + token.String()[1:]} {
		if got, err := relay.ParseToken(text); err == nil || got != (relay.Token{}) {
			t.Errorf("ParseToken(%q) = %v, %v", text, got, err)
		}
	}
}

func TestASeatIsGivenUpAfterExactlyTheResumeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 5 * time.Minute
		h := relay.New(relay.Limits{ResumeTimeout: patience}, relay.Nobody{})
		a := createKept(t, h)
		b := a.joinKept(h)
		for range 3 { // each absence has a time of its own
			b.Detach(relay.Lost)
			time.Sleep(patience - 1)
			b = b.resume(h, 0)
		}
		time.Sleep(2 * patience)
		b.Detach(relay.ClientTimeout)
		a.takeAll()
		time.Sleep(patience - 1)
		synctest.Wait()
		a.expect(relay.None)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		a.expect(relay.None, "left 2 client-timeout")
		if _, why := h.Resume(b.ChannelID(), b.Member.Token(), 0, new(bell), relay.Welcomed); why != relay.NoSuchChannel {
			t.Errorf("Resume of a seat given up = %v", why)
		}

		a.Detach(relay.Lost) // the last one
		time.Sleep(patience)
		synctest.Wait()
		expectStats(t, h, relay.Stats{})
	})
}

func TestSeatsOfThoseAwayAreTaken(t *testing.T) {
	h := relay.New(relay.Limits{MaxConnections: 2, ResumeTimeout: time.Hour}, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	b.Detach(relay.Lost)
	if _, why := h.Join(a.ChannelID(), home, nil, new(bell), relay.Kept); why != relay.ChannelFull {
		t.Errorf("Join = %v, want %v", why, relay.ChannelFull)
	}
	b.resume(h, 0) // takes no seat more
	expectStats(t, h, relay.Stats{Connections: 2, Channels: 1, Octets: h.Stats().Octets})
}

func TestTheEndIsAnnouncedBefore(t *testing.T) {
	for _, test := range []struct {
		lifespan time.Duration
		after    time.Duration // until the warning; 0 for none
	}{
		{5 * time.Minute, 270 * time.Second},
		{30*time.Second + 1, 1},
		{30 * time.Second, 0},
		{time.Second, 0},
	} {
		t.Run(test.lifespan.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := relay.New(relay.Limits{Lifespan: test.lifespan}, relay.Nobody{})
				a := createKept(t, h)
				a.expect(relay.None)
				if test.after > 0 {
					time.Sleep(test.after - 1)
					synctest.Wait()
					a.expect(relay.None)
					time.Sleep(time.Nanosecond)
					synctest.Wait()
					a.expect(relay.None, "ending in 30s channel-expired")
				}
				time.Sleep(test.lifespan - test.after - 1)
				synctest.Wait()
				a.expect(relay.None)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				a.expect(relay.ChannelExpired)
			})
		})
	}
}

func TestDrainAnnouncesTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := relay.New(resumable, relay.Nobody{})
		a := createKept(t, h)
		a.expect(relay.None)
		b := createKept(t, h)
		h.Drain(42 * time.Second)
		a.expectRings(1)
		a.expect(relay.None, "ending in 42s restart")
		b.expect(relay.None, "ending in 42s restart")
	})
}

func TestReceiptsAreToldOnceAndTheLastOnly(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	c := a.joinKept(h)
	a.say("1", "2", "3", "4")
	a.expect(relay.None, "joined 2", "joined 3")
	b.Ack(1)
	c.Ack(2)
	b.Ack(3)
	b.Ack(3)
	b.Ack(2) // never back
	a.expectRings(1)
	a.expect(relay.None, "delivered 2 to 3", "delivered 3 to 2")
	a.expect(relay.None)
	b.Ack(1 << 60)
	a.expect(relay.None, "delivered 4 to 2")

	a.Detach(relay.Lost)
	a.resume(h, 0).expect(relay.None, "delivered 2 to 3", "delivered 4 to 2")
	b.expect(relay.None, "joined 3", "1", "2", "3", "4", "away 1 lost", "back 1", "delivered 2 to 3")
}

// Who acknowledges and goes at once has acknowledged.
func TestReceiptsOfThoseThatLeaveAreTold(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	a.say("1")
	b.Ack(1)
	b.Leave(relay.Bye)
	a.expect(relay.None, "joined 2", "delivered 1 to 2", "left 2 bye")
}

func TestNumberedMessagesAreStoredOnce(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	b := a.joinKept(h)
	send := func(n uint64, want relay.Receipt) {
		t.Helper()
		text := fmt.Sprint(n)
		if got, why := a.SendNumbered(n, []byte(text), len(text)); got != want || why != relay.None {
			t.Errorf("SendNumbered(%d) = %+v, %v, want %+v", n, got, why, want)
		}
	}
	send(2, relay.Receipt{Next: 1})
	send(1, relay.Receipt{Stored: true, Seq: 1, Next: 2})
	b.say("of b")
	send(2, relay.Receipt{Stored: true, Seq: 3, Next: 3})
	send(1, relay.Receipt{Stored: true, Seq: 1, Next: 3})
	send(2, relay.Receipt{Stored: true, Seq: 3, Next: 3})
	send(4, relay.Receipt{Next: 3})
	send(1<<64-1, relay.Receipt{Next: 3})
	a = a.resume(h, 0)
	send(2, relay.Receipt{Stored: true, Seq: 3, Next: 3})
	send(3, relay.Receipt{Stored: true, Seq: 4, Next: 4})
	b.expect(relay.None, "1", "2", "3")
}

// The numbers of the last 512 messages at least are remembered, and of 1024 at most.
func TestRepeatsOfOldMessagesAreAnsweredWithoutTheirNumber(t *testing.T) {
	h := relay.New(resumable, relay.Nobody{})
	a := createKept(t, h)
	const sent = 5000
	for n := range uint64(sent) {
		a.SendNumbered(n+1, nil, 0)
		for _, back := range []uint64{0, 1, 511, 1023, 1024, 4000} {
			if back > n {
				continue
			}
			got, why := a.SendNumbered(n+1-back, nil, 0)
			known := got.Seq == n+1-back && (back < 1024)
			if unknown := got.Seq == 0 && back >= 512; !known && !unknown || !got.Stored || got.Next != n+2 || why != relay.None {
				t.Fatalf("the message before the last %d of %d: %+v, %v", back, n+1, got, why)
			}
		}
	}
	a.joinKept(h).expect(relay.None, slices.Repeat([]string{""}, sent)...)
}

func TestOnlyTheCreatorEndsTheChannel(t *testing.T) {
	var count tally
	h := relay.New(resumable, &count)
	a := createKept(t, h)
	b := a.joinKept(h)
	b.expect(relay.None)
	if b.Member.EndChannel() {
		t.Error("a joiner ended the channel")
	}
	a.say("x")
	a.Detach(relay.Lost) // it need not be there
	if !a.Member.EndChannel() {
		t.Error("the creator could not end the channel")
	}
	b.expect(relay.ChannelEnded, "x", "away 1 lost")
	b.Detach(relay.ChannelEnded)
	if n := count.ended[relay.ChannelEnded].Load(); n != 1 {
		t.Errorf("Ended(ChannelEnded) was called %d times", n)
	}
	expectStats(t, h, relay.Stats{})
}
