package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// seatChecksV2 are about who is in a channel, in version 2.
func seatChecksV2() []check {
	return []check{
		{"v2-welcome", v2, "A hello to /v2/ws/ mints a channel; the welcome has all that docs/protocol.md says, and a resume token of 128 bits.", plain, 0, welcomed},
		{"v2-joined", v2, "A joiner is told who is there, and whoever is there of the joiner.", plain, 0, joinedV2},
		{"v2-places", v2, "Each reader is told of places in its own language.", proxied, 0, placesV2},
		{"v2-with-v1", v2, "Members of version 1 and 2 in one channel hear each other, and version 1 gets its own frames only.", plain, 0, mixedVersions},
		{"v2-hello-first", v2, "A client that says anything but hello first gets the error protocol-error, and may still say hello.", plain, 0, helloFirst},
		{"v2-hello-late", v2, "A client that says nothing for 10 s is closed with 4010 client-timeout, and not before.", plain, 0, helloLate},
		{"v2-unknown", v2, "Frames of unknown types, and unknown keys, are ignored.", plain, 0, unknownIgnored},
		{"v2-bad-id", v2, "Malformed and unknown ids are refused with 4001 bad-channel-id and 4004 no-such-channel after the upgrade.", plain, 0, badIDsV2},
		{"v2-leave", v2, "A member that leaves is closed with 1000 bye, and the others are told that it left.", plain, 0, leaveV2},
		{"v2-close", v2, "A close frame with 1000 gives the seat up; the others are told that the member left.", plain, 0, closeV2},
		{"v2-end", v2, "The creator ends the channel for all with 4015 channel-ended.", plain, 0, endV2},
		{"v2-end-others", v2, "Nobody but the creator can end the channel: others get the error protocol-error, and all goes on.", plain, 0, endByOthers},
	}
}

// messageChecksV2 are about messages that arrive live.
func messageChecksV2() []check {
	return []check{
		{"v2-message", v2, "A message is accepted with its n and a seq, and reaches the other member with the seq and the sender's member.", plain, 0, messageV2},
		{"v2-seq", v2, "Messages of all members are numbered 1, 2, 3 in one order.", plain, 0, seqV2},
		{"v2-repeated-n", v2, "A message with an n that was used is answered again with the same seq, and stored once.", plain, 0, repeatedN},
		{"v2-delivered", v2, "When a member acknowledges, the sender is told delivered.", plain, 0, deliveredV2},
		{"v2-kept", v2, "What was sent before anybody joined is kept for the joiner, from the start of the log.", plain, 0, keptV2},
	}
}

func welcomed(ctx context.Context, t *T) error {
	alice, err := t.sit(ctx, "alice", visit{path: pathV2}, nil)
	if err != nil {
		return err
	}
	w := alice.welcome
	token, err := base64.RawURLEncoding.DecodeString(w.Resume)
	life := t.knobs.Lifespan
	if life == 0 {
		life = time.Hour // not known
		if t.knobs.Own {
			life = 300 * time.Second
		}
	}
	for _, part := range []struct {
		what string
		good bool
	}{
		{"a channelid", w.ChannelID != ""},
		{"a link to it", w.Link == linkV2(&w)},
		{"a member", w.Member != ""},
		{"a resume token of 22 characters of base64url", err == nil && len(token) == 16},
		{fmt.Sprintf("an expires_in_ms of more than 0 and at most %d", life.Milliseconds()), w.ExpiresIn > 0 && w.ExpiresIn <= life.Milliseconds()},
		{"limits, an object", w.Limits != nil},
		{"members, an empty list", w.Members != nil && len(w.Members) == 0},
		{"self with a ua and a remote", w.Self["ua"] == alice.agent && w.Self["remote"] != ""},
		{"an n of 0", w.N != nil && *w.N == 0},
	} {
		if !part.good {
			return fmt.Errorf("expected %s in the welcome, got %s", part.what, w.text)
		}
	}
	return nil
}

func joinedV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	there := bob.welcome.Members
	if len(there) != 1 || there[0].Member != alice.welcome.Member || there[0].Present == nil || !*there[0].Present || there[0].Sender["ua"] != alice.agent {
		return fmt.Errorf("bob: expected alice, present, with her sender, as the one member in the welcome, got %s", bob.welcome.text)
	}
	joined, err := alice.learns(ctx, "joined", bob.welcome.Member)
	if err != nil {
		return err
	}
	if joined.Sender["ua"] != bob.agent {
		return fmt.Errorf("alice: expected the sender of bob in the frame joined, got %s", joined.text)
	}
	return nil
}

func placesV2(ctx context.Context, t *T) error {
	alice, err := t.sit(ctx, "alice", via(pathV2, cityAddress, "Accept-Language", "de"), nil)
	if err != nil {
		return err
	}
	bob, err := t.sit(ctx, "bob", via(linkV2(&alice.welcome), cityAddress, "Accept-Language", "fr"), nil)
	if err != nil {
		return err
	}
	if there := bob.welcome.Members; len(there) != 1 || there[0].Sender["country"] != "Allemagne" {
		return fmt.Errorf("bob, who accepts French: expected alice in the country Allemagne, got %s", bob.welcome.text)
	}
	joined, err := alice.await(ctx, "joined")
	if err == nil && joined.Sender["country"] != "Deutschland" {
		err = fmt.Errorf("alice, who accepts German: expected bob in the country Deutschland, got %s", joined.text)
	}
	return err
}

func mixedVersions(ctx context.Context, t *T) error {
	alice, err := t.sit(ctx, "alice", visit{path: pathV2}, nil)
	if err != nil {
		return err
	}
	old, err := t.join(ctx, "bob, of version 1", visit{path: pathV1 + alice.welcome.ChannelID})
	if err != nil {
		return err
	}
	if _, err := alice.await(ctx, "joined"); err != nil {
		return fmt.Errorf("after a member of version 1 has joined: %w", err)
	}
	alice.send("new to old")
	e, err := old.hear(ctx)
	if err != nil {
		return err
	}
	if err := onlyHas(e.text, "message", "sender"); err != nil || *e.Message != "new to old" {
		return errors.Join(fmt.Errorf("%s: expected the message %q, got %s", old.name, "new to old", short(e.text)), err)
	}
	old.say("old to new")
	f, err := alice.await(ctx, "message")
	if err != nil {
		return err
	}
	if f.Message == nil || *f.Message != "old to new" || f.From == "" || f.From == alice.welcome.Member {
		return fmt.Errorf("alice: expected the message of the member of version 1, got %s", f.text)
	}
	return nil
}

func helloFirst(ctx context.Context, t *T) error {
	p, err := t.visit(ctx, "alice", visit{path: pathV2})
	if err != nil {
		return err
	}
	s := &seat{peer: p}
	s.tell("send", object{"n": 1, "message": "too soon"})
	f, err := s.await(ctx, "welcome", "accepted", "error")
	if err == nil && (f.Type != "error" || f.Reason != "protocol-error") {
		err = fmt.Errorf("expected the error protocol-error for a client that does not say hello, got %s", short(f.text))
	}
	if err != nil {
		return err
	}
	s.tell("hello", nil)
	if _, err := s.await(ctx, "welcome"); err != nil {
		return fmt.Errorf("after an error: %w", err)
	}
	return nil
}

func helloLate(ctx context.Context, t *T) error {
	const patience = 10 * time.Second
	start := time.Now()
	p, err := t.visit(ctx, "alice", visit{path: pathV2})
	if err != nil {
		return err
	}
	t.progress(fmt.Sprintf("saying nothing for %v", patience))
	if err := p.endsWithin(ctx, patience+t.patience/2, 4010, "client-timeout"); err != nil {
		return fmt.Errorf("%w, though it has not said hello", err)
	}
	if after := time.Since(start); after < patience {
		return fmt.Errorf("expected the server to wait %v for hello, got %v after %v", patience, p.ended, after)
	}
	return nil
}

func unknownIgnored(ctx context.Context, t *T) error {
	alice, err := t.sit(ctx, "alice", visit{path: pathV2}, object{"colour": "blue"})
	if err != nil {
		return err
	}
	alice.tell("dance", object{"how": "slowly"})
	return alice.sends(ctx, "after the dance", 1)
}

func badIDsV2(ctx context.Context, t *T) error {
	if err := t.unwelcomeWith(ctx, "alice", pathV2+"x", nil, 4001, "bad-channel-id"); err != nil {
		return err
	}
	return t.unwelcomeWith(ctx, "alice", pathV2+strings.Repeat("A", 22), nil, 4004, "no-such-channel")
}

func leaveV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	bob.tell("leave", nil)
	if err := bob.ends(ctx, 1000, "bye"); err != nil {
		return err
	}
	_, err = alice.learns(ctx, "left", bob.welcome.Member)
	return err
}

func closeV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	if _, err := bob.bye(ctx, websocket.CloseNormalClosure); err != nil {
		return err
	}
	f, err := alice.await(ctx, "left", "away")
	if err == nil && (f.Type != "left" || f.Member != bob.welcome.Member) {
		err = fmt.Errorf("alice: expected to be told that bob left, got %s", f.text)
	}
	return err
}

func endV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	alice.tell("end", nil)
	return errors.Join(alice.ends(ctx, 4015, "channel-ended"), bob.ends(ctx, 4015, "channel-ended"))
}

func endByOthers(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	bob.tell("end", nil)
	f, err := bob.await(ctx, "error")
	if err == nil && f.Reason != "protocol-error" {
		err = fmt.Errorf("bob: expected the error protocol-error, got %s", f.text)
	}
	if err != nil {
		return err
	}
	if err := bob.sends(ctx, "still here", 1); err != nil {
		return err
	}
	return alice.gets(ctx, 1, "still here")
}

func messageV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	if err := alice.sends(ctx, "hello, bob", 1); err != nil {
		return err
	}
	f, err := bob.await(ctx, "message")
	if err != nil {
		return err
	}
	if f.Seq != 1 || f.From != alice.welcome.Member || f.Message == nil || *f.Message != "hello, bob" {
		return fmt.Errorf(`bob: expected {"type":"message","seq":1,"from":%s,"message":"hello, bob"}, got %s`, alice.welcome.Member, f.text)
	}
	return nil
}

func seqV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	from, to := alice, bob
	for seq := range 3 {
		text := fmt.Sprintf("message %d", seq+1)
		if err := from.sends(ctx, text, seq+1); err != nil {
			return err
		}
		if err := to.gets(ctx, seq+1, text); err != nil {
			return err
		}
		from, to = to, from
	}
	return nil
}

func repeatedN(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	first, err := alice.accepted(ctx, alice.send("once"))
	if err != nil {
		return err
	}
	alice.tell("send", object{"n": 1, "message": "once"})
	again, err := alice.accepted(ctx, 1)
	if err != nil {
		return fmt.Errorf("after the same n again: %w", err)
	}
	if again != first {
		return fmt.Errorf("alice: expected the message 1 to be accepted again with the seq %d, got %d", first, again)
	}
	alice.send("twice")
	for _, text := range []string{"once", "twice"} {
		f, err := bob.await(ctx, "message")
		if err != nil {
			return err
		}
		if f.Message == nil || *f.Message != text {
			return fmt.Errorf("bob: expected the message %q, got %s", text, short(f.text))
		}
	}
	return nil
}

func deliveredV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	alice.send("for bob")
	f, err := bob.await(ctx, "message")
	if err != nil {
		return err
	}
	bob.tell("ack", object{"seq": f.Seq})
	told, err := alice.learns(ctx, "delivered", bob.welcome.Member)
	if err == nil && told.Seq != f.Seq {
		err = fmt.Errorf("alice: expected delivered through the seq %d, got %s", f.Seq, told.text)
	}
	return err
}

func keptV2(ctx context.Context, t *T) error {
	alice, err := t.sit(ctx, "alice", visit{path: pathV2}, nil)
	if err != nil {
		return err
	}
	for i, text := range []string{"early", "and later"} {
		if err := alice.sends(ctx, text, i+1); err != nil {
			return err
		}
	}
	bob, err := t.sit(ctx, "bob", visit{path: linkV2(&alice.welcome)}, nil)
	if err != nil {
		return err
	}
	if err := bob.gets(ctx, 1, "early"); err != nil {
		return err
	}
	return bob.gets(ctx, 2, "and later")
}
