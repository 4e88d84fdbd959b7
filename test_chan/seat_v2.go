package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// pathV2 is where channels of version 2 are minted.
const pathV2 = "/v2/ws/"

// A memberID names a member: the JSON text of its number, or of whatever a server counts in.
type memberID string

// UnmarshalJSON implements json.Unmarshaler.
func (m *memberID) UnmarshalJSON(text []byte) error {
	*m = memberID(text)
	return nil
}

// A frameV2 is any frame that the server sends in version 2 (docs/protocol.md section 5).
type frameV2 struct {
	Type      string            `json:"type"`
	ChannelID string            `json:"channelid"`
	Link      string            `json:"link"`
	Member    memberID          `json:"member"`
	Resume    string            `json:"resume"`
	ExpiresIn int64             `json:"expires_in_ms"`
	Limits    map[string]any    `json:"limits"`
	Members   []memberV2        `json:"members"`
	Self      map[string]string `json:"self"`
	N         *int              `json:"n"`
	Sender    map[string]string `json:"sender"`
	Seq       int               `json:"seq"`
	From      memberID          `json:"from"`
	Message   *string           `json:"message"`
	InMS      int64             `json:"in_ms"`
	Reason    string            `json:"reason"`
	text      string
}

// A memberV2 is another member, in a welcome.
type memberV2 struct {
	Member  memberID          `json:"member"`
	Sender  map[string]string `json:"sender"`
	Present *bool             `json:"present"`
}

// object is a frame to send.
type object map[string]any

// A seat is a peer of version 2. Frames that nobody has asked for yet are kept: what they are about
// may be the business of another check.
type seat struct {
	*peer
	welcome frameV2
	kept    []frameV2
	n       int // of the last message sent
}

// sit opens a WebSocket of version 2, says hello and takes the seat.
func (t *T) sit(ctx context.Context, name string, v visit, hello object) (*seat, error) {
	p, err := t.visit(ctx, name, v)
	if err != nil {
		return nil, err
	}
	s := &seat{peer: p}
	s.tell("hello", hello)
	s.welcome, err = s.await(ctx, "welcome")
	return s, err
}

// resume opens a WebSocket and takes the seat back.
func (t *T) resume(ctx context.Context, from *seat, v visit, after int) (*seat, error) {
	v.path = linkV2(&from.welcome)
	s, err := t.sit(ctx, from.name+", resumed", v, object{"resume": from.welcome.Resume, "after": after})
	if err == nil {
		s.n = from.n
	}
	return s, err
}

// linkV2 returns where the channel of a welcome is joined.
func linkV2(welcome *frameV2) string { return pathV2 + welcome.ChannelID }

// pairV2 mints a channel and seats two members in it.
func (t *T) pairV2(ctx context.Context) (alice, bob *seat, err error) {
	if alice, err = t.sit(ctx, "alice", visit{path: pathV2}, nil); err != nil {
		return nil, nil, err
	}
	bob, err = t.sit(ctx, "bob", visit{path: linkV2(&alice.welcome)}, nil)
	return alice, bob, err
}

// tell sends a frame of a type with these keys.
func (s *seat) tell(kind string, keys object) {
	frame := object{"type": kind}
	maps.Copy(frame, keys)
	text, _ := json.Marshal(frame) // strings and numbers: it cannot fail
	s.say(string(text))
}

// await returns the next frame of one of these types.
func (s *seat) await(ctx context.Context, kinds ...string) (frameV2, error) {
	for i := 0; ; i++ {
		if i == len(s.kept) {
			text, err := s.next(ctx, fmt.Sprintf("a frame of the type %q", kinds))
			if err != nil {
				if len(s.kept) > 0 {
					err = fmt.Errorf("%w; the last frame was %s", err, short(s.kept[len(s.kept)-1].text))
				}
				return frameV2{}, err
			}
			f := frameV2{text: text}
			if err := json.Unmarshal([]byte(text), &f); err != nil || f.Type == "" {
				return f, fmt.Errorf("%s: expected a JSON object with a type, got %s", s.name, short(text))
			}
			s.kept = append(s.kept, f)
		}
		f := s.kept[i]
		switch {
		case slices.Contains(kinds, f.Type):
			s.kept = slices.Delete(s.kept, i, i+1)
			return f, nil
		case f.Type == "error":
			return f, fmt.Errorf("%s: expected a frame of the type %q, got %s", s.name, kinds, short(f.text))
		}
	}
}

// send sends a message with the next n and returns that.
func (s *seat) send(text string) int {
	s.n++
	s.tell("send", object{"n": s.n, "message": text})
	return s.n
}

// accepted returns the seq of the message n, when the server says that it has it.
func (s *seat) accepted(ctx context.Context, n int) (int, error) {
	f, err := s.await(ctx, "accepted")
	if err != nil {
		return 0, err
	}
	if f.N == nil || *f.N != n || f.Seq == 0 {
		return 0, fmt.Errorf(`%s: expected {"type":"accepted","n":%d,"seq":...}, got %s`, s.name, n, short(f.text))
	}
	return f.Seq, nil
}

// sends sends a message and waits until the server has it, with this seq.
func (s *seat) sends(ctx context.Context, text string, seq int) error {
	got, err := s.accepted(ctx, s.send(text))
	if err == nil && got != seq {
		err = fmt.Errorf("%s: expected the message %s to be accepted with the seq %d, got %d", s.name, short(text), seq, got)
	}
	return err
}

// gets returns an error unless the next message is this one.
func (s *seat) gets(ctx context.Context, seq int, text string) error {
	f, err := s.await(ctx, "message")
	if err != nil {
		return fmt.Errorf("%w, when the message %d, %s, was due", err, seq, short(text))
	}
	if f.Seq != seq || f.Message == nil || *f.Message != text {
		return fmt.Errorf("%s: expected the message %d, %s, got %s", s.name, seq, short(text), short(f.text))
	}
	return nil
}

// learns returns an error unless the next frame of this type is about the member.
func (s *seat) learns(ctx context.Context, kind string, member memberID) (frameV2, error) {
	f, err := s.await(ctx, kind)
	if err == nil && f.Member != member {
		err = fmt.Errorf("%s: expected the frame %q about the member %s, got %s", s.name, kind, member, short(f.text))
	}
	return f, err
}

// unwelcomeWith returns an error unless a visit with this hello is refused with a close code.
func (t *T) unwelcomeWith(ctx context.Context, name, path string, hello object, code int, reason string) error {
	p, err := t.visit(ctx, name, visit{path: path})
	if err != nil {
		return fmt.Errorf("%s: expected the close code %d %q after the upgrade, got: %w", name, code, reason, err)
	}
	s := &seat{peer: p}
	s.tell("hello", hello)
	if text, err := p.next(ctx, "the end"); err == nil {
		p.drop() // it must not keep the channel alive
		return fmt.Errorf("%s: expected to be refused with the close code %d %q, got the frame %s", name, code, reason, short(text))
	}
	return p.ends(ctx, code, reason)
}
