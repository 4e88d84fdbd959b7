package client

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// FuzzEvent feeds frames of a server, one a line, to what becomes of them, and checks what programs
// may rely on.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{
		`{"type":"welcome","channelid":"b7ZHsuZ9RIWVYKJDxqmAOg","member":2,"resume":"1QIfY8OAA8TSmsSLBgcZ0w","expires_in_ms":9223372036854775807,"limits":{"max_message_size":65536},"members":[{"member":1,"sender":{"ua":"x","remote":"192.0.2.1","city":"Kyōto"},"present":true},{"member":3,"sender":{},"present":false}],"self":{},"n":4}`,
		`{"type":"joined","member":3,"sender":{"ua":"x"}}` + "\n" + `{"type":"away","member":3,"reason":"lost"}` + "\n" + `{"type":"back","member":3}` + "\n" + `{"type":"left","member":3,"reason":"bye"}` + "\n" + `{"type":"joined","member":3,"sender":{}}`,
		`{"type":"message","seq":2,"from":1,"message":"a\u0000\ud800"}` + "\n" + `{"type":"message","seq":2,"from":1,"message":"a"}`,
		`{"type":"delivered","member":1,"seq":2}` + "\n" + `{"type":"accepted","n":1}` + "\n" + `{"type":"ending","in_ms":-1,"reason":"restart"}`,
		`{"type":"error","reason":"bad-payload","detail":"x"}` + "\n" + `{"type":"other","member":"x"}`,
		`{"link":"/v1/ws/x","channelid":"x"}` + "\n" + `{"message":"aGk","sender":{"ua":"x","city":null}}`,
		`{"type":"joined","member":1,"sender":{"ua":"` + strings.Repeat("x", maxSenderOctets+1) + `"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for version := 1; version <= 2; version++ {
			var r roster
			var told state
			for line := range bytes.SplitSeq(text, []byte("\n")) {
				frame, err := parseFrame(version, line)
				if frame == nil || err != nil || version == 1 {
					continue
				}
				var events []Event
				if frame.Type == "welcome" {
					if !isID(frame.ChannelID) || milliseconds(frame.ExpiresIn) < 0 {
						t.Errorf("a bad welcome was accepted: %+v", frame)
					}
					events, _ = r.welcome(frame)
				} else {
					events, _ = r.read(frame)
				}
				for _, e := range events {
					told.check(t, e)
				}
				if len(r.members) > maxMembers {
					t.Errorf("%d members", len(r.members))
				}
			}
		}
	})
}

// A state is what a program knows that believes its events.
type state struct {
	seq     uint64
	members map[int]bool // whether they are present
}

func (s *state) check(t *testing.T, e Event) {
	if e.octets() < eventOctets {
		t.Errorf("%#v takes %d octets", e, e.octets())
	}
	if s.members == nil {
		s.members = make(map[int]bool)
	}
	change := func(number int, known, was, is bool) {
		if present, there := s.members[number]; there != known || there && known && present != was {
			t.Errorf("%#v, with the members %v", e, s.members)
		}
		s.members[number] = is
	}
	switch e := e.(type) {
	case Message:
		if e.Seq <= s.seq || e.From < 1 {
			t.Errorf("%#v came after %d", e, s.seq)
		}
		s.seq = e.Seq
	case Joined:
		change(e.Member, false, false, true)
	case Away:
		change(e.Member, true, true, false)
	case Back:
		change(e.Member, true, false, true)
	case Left:
		if _, there := s.members[e.Member]; !there {
			t.Errorf("%#v, with the members %v", e, s.members)
		}
		delete(s.members, e.Member)
	}
}

// TestRoster tells a roster again what it knows.
func TestRoster(t *testing.T) {
	var r roster
	for _, step := range []struct {
		frame string
		want  []Event
	}{
		{`{"type":"joined","member":2,"sender":{"ua":"two"}}`, []Event{Joined{2, Sender{UserAgent: "two"}}}},
		{`{"type":"message","seq":1,"from":2,"message":"a"}`, []Event{Message{1, 2, "a", Sender{UserAgent: "two"}}}},
		{`{"type":"away","member":2,"reason":"lost"}`, []Event{Away{2, "lost"}}},
		{`{"type":"delivered","member":2,"seq":4}`, []Event{Delivered{2, 4}}},
		// A resume: 2 came back and left meanwhile, 3 joined and went away.
		{`welcome [{"member":3,"sender":{"ua":"three"},"present":false}]`, []Event{Joined{3, Sender{UserAgent: "three"}}, Away{3, ""}}},
		{`{"type":"joined","member":2,"sender":{"ua":"two"}}`, nil},
		{`{"type":"message","seq":1,"from":2,"message":"a"}`, nil},
		{`{"type":"away","member":2,"reason":"lost"}`, nil},
		{`{"type":"back","member":2}`, []Event{Back{2}}},
		{`{"type":"message","seq":3,"from":2,"message":"b"}`, []Event{Message{3, 2, "b", Sender{UserAgent: "two"}}}},
		{`{"type":"delivered","member":2,"seq":4}`, nil},
		{`{"type":"left","member":2,"reason":"bye"}`, []Event{Left{2, "bye"}}},
		// Another one: 3 is back.
		{`welcome [{"member":3,"sender":{},"present":true}]`, []Event{Back{3}}},
		{`{"type":"joined","member":2,"sender":{"ua":"two"}}`, nil},
		{`{"type":"back","member":2}`, nil},
		{`{"type":"left","member":2,"reason":"bye"}`, nil},
		{`{"type":"delivered","member":2,"seq":9}`, nil},
	} {
		members, resumed := strings.CutPrefix(step.frame, "welcome ")
		tell := r.read
		if resumed {
			tell = r.welcome
			step.frame = `{"type":"welcome","channelid":"x","member":1,"resume":"x","members":` + members + `}`
		}
		f, err := parseFrame(2, []byte(step.frame))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tell(f); err != nil || !reflect.DeepEqual(got, step.want) {
			t.Errorf("%s: got %#v, %v; want %#v", step.frame, got, err, step.want)
		}
	}
}

func TestRosterIsBounded(t *testing.T) {
	var r roster
	for i := 1; i <= maxMembers; i++ {
		if err := r.add(i, Sender{}); err != nil {
			t.Fatal(err)
		}
	}
	joined := &frame{Type: "joined", Member: maxMembers + 1}
	if _, err := r.read(joined); err == nil {
		t.Errorf("%d members sit in a channel", maxMembers+1)
	}
	if _, err := r.read(&frame{Type: "left", Member: 7}); err != nil {
		t.Error(err)
	}
	if _, err := r.read(joined); err != nil || len(r.members) != maxMembers {
		t.Errorf("%d members, %v", len(r.members), err)
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	for i := range maxQueued {
		if !q.tryPush(Back{i}) {
			t.Fatalf("event %d found no room", i)
		}
	}
	if q.tryPush(Back{}) {
		t.Errorf("event %d found room", maxQueued)
	}
	for q.pop() != nil {
	}
	if q.octets != 0 {
		t.Errorf("an empty queue holds %d octets", q.octets)
	}
	half := Message{Text: strings.Repeat("x", maxQueuedOctets/2)}
	for i, want := range []bool{true, true, false} {
		if q.tryPush(half) != want {
			t.Errorf("message %d: found room is %v", i, !want)
		}
	}
	q.abandon()
	if !q.tryPush(half) || len(q.events) != 2 {
		t.Errorf("an abandoned queue holds %d events", len(q.events))
	}
}

func TestQueueKeepsTheLastDelivered(t *testing.T) {
	q := newQueue()
	for _, e := range []Event{Delivered{1, 1}, Delivered{2, 1}, Back{3}, Delivered{1, 2}} {
		q.tryPush(e)
	}
	if want := []Event{Delivered{2, 1}, Back{3}, Delivered{1, 2}}; !reflect.DeepEqual(q.events, want) || q.octets != 3*eventOctets {
		t.Errorf("%#v, %d octets", q.events, q.octets)
	}
}

func TestMilliseconds(t *testing.T) {
	for n, want := range map[int64]time.Duration{-1: 0, math.MinInt64: 0, 0: 0, 1500: 1500 * time.Millisecond, math.MaxInt64: math.MaxInt64 / 1_000_000 * 1_000_000} {
		if got := milliseconds(n); got != want {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
}

func TestPause(t *testing.T) {
	for attempt, most := range map[int]time.Duration{0: minPause, 1: 2 * minPause, 6: 64 * minPause, 7: maxPause, 1 << 40: maxPause} {
		longest := time.Duration(0)
		for range 1000 {
			p := pause(attempt)
			if p <= 0 || p > most {
				t.Fatalf("attempt %d: %v, want at most %v", attempt, p, most)
			}
			longest = max(longest, p)
		}
		if longest < most/2 {
			t.Errorf("attempt %d: none of 1000 pauses is longer than %v of %v", attempt, longest, most)
		}
	}
}
