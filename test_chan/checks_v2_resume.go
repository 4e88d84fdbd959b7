package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// resumeChecksV2 are about seats that survive their sockets.
func resumeChecksV2() []check {
	return []check{
		{"v2-away", v2, "When a member's connection is lost, the others are told away, and back when it resumes.", plain, 0, awayAndBack},
		{"v2-resume", v2, "A member that resumes has its seat again and gets what came after the seq it names, once, and then what is new.", plain, 0, resumeV2},
		{"v2-resume-n", v2, "The welcome of a member that resumes has the last n that was stored.", plain, 0, resumeN},
		{"v2-replaced", v2, "A seat that is resumed while its connection is open is the new one's; the old one is closed with 4009 replaced.", plain, 0, replacedV2},
		{"v2-wrong-token", v2, "A wrong resume token is refused with 4004 no-such-channel.", plain, 0, wrongToken},
		{"v2-left-for-good", v2, "A seat that was left cannot be resumed: 4004 no-such-channel.", plain, 0, leftForGood},
		{"v2-resume-anywhere", v2, "A seat can be resumed from an address that the channel does not know.", plain, 0, resumeAnywhere},
		{"v2-given-up", v2, "An away seat is given up after resume_timeout, and the others are told that it left.", resuming, 0, givenUp},
	}
}

// limitChecksV2 are about limits where version 2 has something to say about them.
func limitChecksV2() []check {
	return []check{
		{"v2-exchanges", v2, "Acks, presence and replays do not count as messages: max_exchanges are carried, and one more ends the channel with 4013.", plain, 0, exchangesV2},
		{"v2-away-seats", v2, "Away seats count as seats.", plain, 0, awaySeats},
		{"v2-ending", v2, "30 s before a channel expires, its members are warned.", expiring, 0, endingV2},
	}
}

func awayAndBack(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	alice.drop()
	if _, err := bob.learns(ctx, "away", alice.welcome.Member); err != nil {
		return err
	}
	if _, err := t.resume(ctx, alice, visit{}, 0); err != nil {
		return err
	}
	_, err = bob.learns(ctx, "back", alice.welcome.Member)
	return err
}

func resumeV2(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	bob.send("one")
	if err := alice.gets(ctx, 1, "one"); err != nil {
		return err
	}
	alice.drop()
	bob.send("two")
	if err := bob.twice(ctx); err != nil {
		return err
	}
	again, err := t.resume(ctx, alice, visit{}, 1)
	if err != nil {
		return err
	}
	if again.welcome.Member != alice.welcome.Member || again.welcome.ChannelID != alice.welcome.ChannelID {
		return fmt.Errorf("expected the welcome to be for the member %s of the channel %q, got %s", alice.welcome.Member, alice.welcome.ChannelID, again.welcome.text)
	}
	bob.send("three")
	if err := again.gets(ctx, 2, "two"); err != nil {
		return err
	}
	return again.gets(ctx, 3, "three")
}

// twice waits until the server has taken in the two messages that the seat has sent.
func (s *seat) twice(ctx context.Context) error {
	_, err1 := s.await(ctx, "accepted")
	_, err2 := s.await(ctx, "accepted")
	return errors.Join(err1, err2)
}

func resumeN(ctx context.Context, t *T) error {
	alice, _, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	alice.send("one")
	alice.send("two")
	if err := alice.twice(ctx); err != nil {
		return err
	}
	alice.drop()
	again, err := t.resume(ctx, alice, visit{}, 0)
	if err == nil && (again.welcome.N == nil || *again.welcome.N != 2) {
		err = fmt.Errorf("expected an n of 2 in the welcome, got %s", again.welcome.text)
	}
	return err
}

func replacedV2(ctx context.Context, t *T) error {
	alice, _, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	again, err := t.resume(ctx, alice, visit{}, 0)
	if err != nil {
		return err
	}
	if err := alice.ends(ctx, 4009, "replaced"); err != nil {
		return err
	}
	return again.sends(ctx, "from the new connection", 1)
}

func wrongToken(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	alice.drop()
	if _, err := bob.learns(ctx, "away", alice.welcome.Member); err != nil {
		return err
	}
	token := []byte(alice.welcome.Resume)
	if len(token) == 0 {
		return errors.New("expected a resume token in the welcome, got none")
	}
	if token[0]++; token[0] > 'z' || token[0] == 'Z'+1 || token[0] == '9'+1 {
		token[0] = 'b'
	}
	return t.unwelcomeWith(ctx, "mallory", linkV2(&alice.welcome), object{"resume": string(token), "after": 0}, 4004, "no-such-channel")
}

func leftForGood(ctx context.Context, t *T) error {
	_, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	bob.tell("leave", nil)
	if _, err := bob.end(ctx); err != nil {
		return err
	}
	return t.eventually(ctx, func() error {
		return t.unwelcomeWith(ctx, "bob, back", linkV2(&bob.welcome), object{"resume": bob.welcome.Resume, "after": 0}, 4004, "no-such-channel")
	})
}

func resumeAnywhere(ctx context.Context, t *T) error {
	addresses, err := t.addresses(3)
	if err != nil {
		return err
	}
	alice, err := t.sit(ctx, "alice", visit{path: pathV2, local: addresses[0]}, nil)
	if err != nil {
		return err
	}
	if _, err := t.sit(ctx, "bob", visit{path: linkV2(&alice.welcome), local: addresses[1]}, nil); err != nil {
		return err
	}
	alice.drop()
	if _, err := t.resume(ctx, alice, visit{local: addresses[2]}, 0); err != nil {
		return fmt.Errorf("from a third address: %w", err)
	}
	return nil
}

func givenUp(ctx context.Context, t *T) error {
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	alice.drop()
	if _, err := bob.learns(ctx, "away", alice.welcome.Member); err != nil {
		return err
	}
	t.progress(fmt.Sprintf("waiting %v for a seat to be given up", t.knobs.ResumeTimeout))
	if err := t.wait(ctx, t.knobs.ResumeTimeout, "waiting for a seat to be given up"); err != nil {
		return err
	}
	if _, err := bob.learns(ctx, "left", alice.welcome.Member); err != nil {
		return fmt.Errorf("resume_timeout is %v, and alice has been away for %v: %w", t.knobs.ResumeTimeout, time.Since(start), err)
	}
	return t.unwelcomeWith(ctx, "alice, too late", linkV2(&alice.welcome), object{"resume": alice.welcome.Resume, "after": 0}, 4004, "no-such-channel")
}

func exchangesV2(ctx context.Context, t *T) error {
	n, err := t.exchanges()
	if err != nil {
		return err
	}
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := alice.accepted(ctx, alice.send("message")); err != nil {
			return fmt.Errorf("message %d of %d that may be sent: %w", i+1, n, err)
		}
		f, err := bob.await(ctx, "message")
		if err != nil {
			return fmt.Errorf("message %d of %d that may be sent: %w", i+1, n, err)
		}
		bob.tell("ack", object{"seq": f.Seq})
		if err := bob.alive(ctx); err != nil { // so that the ack has been dealt with
			return err
		}
	}
	alice.drop()
	again, err := t.resume(ctx, alice, visit{}, 0)
	if err != nil {
		return fmt.Errorf("after %d messages that may be sent: %w", n, err)
	}
	again.send("one too many")
	return bob.ends(ctx, 4013, "too-many-messages")
}

func awaySeats(ctx context.Context, t *T) error {
	n, err := t.seats()
	if err != nil {
		return err
	}
	alice, bob, err := t.pairV2(ctx)
	if err != nil {
		return err
	}
	for i := range n - 2 {
		if _, err := t.sit(ctx, fmt.Sprintf("member %d", i+3), visit{path: linkV2(&alice.welcome)}, nil); err != nil {
			return err
		}
	}
	alice.drop()
	if _, err := bob.learns(ctx, "away", alice.welcome.Member); err != nil {
		return err
	}
	return t.unwelcomeWith(ctx, "one too many", linkV2(&alice.welcome), nil, 4011, "channel-full")
}

func endingV2(ctx context.Context, t *T) error {
	alice, err := t.sit(ctx, "alice", visit{path: pathV2}, nil)
	if err != nil {
		return err
	}
	f, err := alice.await(ctx, "ending")
	if err == nil && (f.InMS <= 0 || f.InMS > 30_000 || f.Reason == "") {
		err = fmt.Errorf(`expected {"type":"ending","in_ms":30000,"reason":"..."}, with at most 30 s, got %s`, f.text)
	}
	return err
}
