package relay_test

import (
	"fmt"
	"slices"
	"testing"

	"channelserver/relay"
)

// A visit is a member that stayed for a while only.
type visit struct {
	*drain
	after uint64 // a message accepted before it was seated
}

func (v *visit) say(t *testing.T, times int) {
	for range times {
		if why := v.member.Send([]byte("x"), 1); why != relay.None {
			t.Errorf("Send = %v", why)
		}
	}
}

// check compares what the member got with all that there was; a resident was there all the time. It
// must be called when all is quiet.
func (v *visit) check(all []relay.Entry, resident bool) error {
	if err := v.drain.check(); err != nil {
		return err
	}
	var others []relay.Entry // all that others said
	first := -1              // index of the first of those that it must have got
	if resident {
		first = 0
	}
	for _, e := range all {
		switch {
		case e.From != v.member.Member:
			others = append(others, e)
		case first < 0: // it has spoken, so it was there
			first = len(others)
		}
	}
	if len(v.got) == 0 {
		if resident && first < len(others) {
			return fmt.Errorf("got nothing, but %d messages came while it was there", len(others)-first)
		}
		return nil
	}
	if v.got[0].Seq <= v.after {
		return fmt.Errorf("got message %d, which is older than its seat", v.got[0].Seq)
	}
	from := slices.IndexFunc(others, func(e relay.Entry) bool { return e.Seq == v.got[0].Seq })
	if from > first {
		return fmt.Errorf("the first message it got is %d, but %d came while it was there", v.got[0].Seq, others[first].Seq)
	}
	until := from + len(v.got)
	if resident && until != len(others) {
		return fmt.Errorf("got %d messages from %d on, want %d", len(v.got), v.got[0].Seq, len(others)-from)
	}
	same := func(a, b relay.Entry) bool { return a.Seq == b.Seq && a.From == b.From }
	if until > len(others) || !slices.EqualFunc(v.got, others[from:until], same) {
		return fmt.Errorf("from message %d on, it saw something else than the witness", v.got[0].Seq)
	}
	return nil
}

// All members send at the same time, while others come and go. Everyone sees the same order; each
// member gets each message of the others once, from the moment it is seated until it leaves.
func TestEveryoneSeesTheSameOrder(t *testing.T) {
	const residents, messages, guests, visits = 4, 300, 4, 40
	h := relay.New(relay.Limits{}, relay.Nobody{})
	members := drains(t, h, residents+1)
	witness := members[residents] // sends nothing, so it sees all
	var stays [guests][]*visit    // each element by one goroutine
	atOnce(residents+guests, func(i int) {
		if i < residents {
			(&visit{drain: members[i]}).say(t, messages)
			return
		}
		for range visits {
			v := &visit{drain: new(drain), after: witness.seen.Load()}
			var why relay.Reason
			if v.member, why = h.Join(witness.member.ChannelID(), home, nil, v, relay.Live); why != relay.None {
				t.Errorf("Join = %v", why)
				return
			}
			v.take()
			v.say(t, 2)
			v.member.Leave(relay.Bye)
			stays[i-residents] = append(stays[i-residents], v)
		}
	})

	all := witness.got
	if want := residents*messages + guests*visits*2; len(all) != want {
		t.Fatalf("the witness got %d messages, want %d", len(all), want)
	}
	for i, e := range all {
		if e.Seq != uint64(i)+1 {
			t.Fatalf("message %d came in place %d", e.Seq, i+1)
		}
	}
	for i, d := range members {
		if err := (&visit{drain: d}).check(all, true); err != nil {
			t.Errorf("member %d: %v", i, err)
		}
	}
	for i, vs := range stays {
		for j, v := range vs {
			if err := v.check(all, false); err != nil {
				t.Errorf("guest %d, visit %d: %v", i, j, err)
			}
		}
	}
	for _, d := range members {
		d.member.Leave(relay.Bye)
	}
	expectStats(t, h, relay.Stats{})
}

// Many channels live and die side by side, on all shards, and nothing of them stays.
func TestNothingStaysOfManyChannels(t *testing.T) {
	var count tally
	h := relay.New(relay.Limits{MaxExchanges: 10}, &count)
	const each = 20
	atOnce(crowd, func(i int) {
		for range each {
			members := drains(t, h, 3)
			for n := range i % 12 { // some of them one too many
				members[n%3].member.Send([]byte("x"), 1)
			}
			for _, d := range members {
				d.member.Leave(relay.Bye)
				d.member.Leave(relay.Bye)
			}
		}
	})
	expectStats(t, h, relay.Stats{})
	tripped := int64(crowd / 12 * each) // those who sent 11
	if got := count.ended[relay.TooManyMessages].Load(); got != tripped {
		t.Errorf("%d channels ended with %v, want %d", got, relay.TooManyMessages, tripped)
	}
	if got := count.ended[relay.Bye].Load(); got != crowd*each-tripped {
		t.Errorf("%d channels ended with %v, want %d", got, relay.Bye, crowd*each-tripped)
	}
}

// Whoever gets a seat is in a living channel, even while the last of the others leaves.
func TestNobodyJoinsAnEndedChannel(t *testing.T) {
	for range 1000 {
		h := relay.New(relay.Limits{}, relay.Nobody{})
		first := create(t, h)
		atOnce(4, func(i int) {
			if i == 0 {
				first.Leave(relay.Bye)
				return
			}
			m, why := h.Join(first.ChannelID(), home, nil, new(bell), relay.Live)
			if why == relay.NoSuchChannel {
				return
			}
			if why != relay.None {
				t.Errorf("Join = %v", why)
				return
			}
			if why := m.Send([]byte("x"), 1); why != relay.None {
				t.Errorf("Send right after Join = %v", why)
			}
			m.Leave(relay.Bye)
		})
		expectStats(t, h, relay.Stats{})
	}
}
