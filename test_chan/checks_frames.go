package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// frameChecks are about the WebSocket protocol itself (RFC 6455).
func frameChecks() []check {
	return []check{
		{"ping", core, "A ping is answered with a pong that has the same payload.", plain, 0, pingIsAnswered},
		{"fragments", strict, "A message in fragments, with a ping between them, is relayed as one.", plain, 0, fragmentsAreJoined},
		{"close-handshake", ours, "A close frame with 1000 is answered with 1000 before the connection ends.", plain, 0, closeIsAnswered},
		{"protocol-errors", ours, "A frame that breaks a rule of RFC 6455 ends the connection with 1002 protocol-error.", plain, 0, protocolErrors},
		{"message-too-big", ours, "A message of max_message_size octets is relayed; one octet more, in one frame or several, ends the sender's connection with 1009 message-too-big.", plain, 65536, messageTooBig},
		{"slow-peer", ours, "A member that reads nothing does not keep the others from talking.", endless, tcpWindow, slowPeer},
	}
}

func pingIsAnswered(ctx context.Context, t *T) error {
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	const payload = "are you there"
	alice.raw(frame(fin|opPing, []byte(payload)))
	timer := time.NewTimer(t.patience)
	defer timer.Stop()
	select {
	case got := <-alice.pongs:
		if got != payload {
			return fmt.Errorf("expected a pong with the payload %q of the ping, got one with %q", payload, got)
		}
		return nil
	case <-alice.over:
		return fmt.Errorf("expected a pong, got %v", alice.ended)
	case <-timer.C:
		return fmt.Errorf("expected a pong, got nothing in %v", t.patience)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func fragmentsAreJoined(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	// The cut is inside a character, as it may be (RFC 6455 section 5.6).
	alice.raw(frame(opText, []byte("frag\xc3")), frame(fin|opPing, nil), frame(opContinuation, []byte("\xa4")), frame(opContinuation, nil), frame(fin|opContinuation, []byte("ments")))
	return bob.hears(ctx, "fragäments")
}

func closeIsAnswered(ctx context.Context, t *T) error {
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	end, err := alice.bye(ctx, websocket.CloseNormalClosure)
	if err != nil {
		return err
	}
	if end.code != 1000 {
		return fmt.Errorf("expected the close code 1000 in answer to the same, got %v", end)
	}
	return nil
}

func protocolErrors(ctx context.Context, t *T) error {
	for _, wrong := range []struct {
		what   string
		frames [][]byte
	}{
		{"an unmasked frame", [][]byte{bareFrame(fin|opText, 0, []byte("text"))}},
		{"a frame with a reserved bit", [][]byte{frame(fin|rsv1|opText, []byte("text"))}},
		{"a frame with a reserved opcode", [][]byte{frame(fin|opReserved, nil)}},
		{"a continuation of nothing", [][]byte{frame(fin|opContinuation, []byte("text"))}},
		{"a new message inside a fragmented one", [][]byte{frame(opText, []byte("a")), frame(fin|opText, []byte("b"))}},
		{"a fragmented ping", [][]byte{frame(opPing, nil)}},
		{"a ping of 126 octets", [][]byte{frame(fin|opPing, make([]byte, 126))}},
		{"a close frame of one octet", [][]byte{frame(fin|opClose, []byte{3})}},
		{"a close frame with the code 1005", [][]byte{frame(fin|opClose, []byte{1005 >> 8, 1005 & 0xff})}},
	} {
		alice, err := t.open(ctx, "alice")
		if err != nil {
			return err
		}
		alice.raw(wrong.frames...)
		if err := alice.ends(ctx, 1002, "protocol-error"); err != nil {
			return fmt.Errorf("after %s: %w", wrong.what, err)
		}
	}
	return nil
}

func messageTooBig(ctx context.Context, t *T) error {
	size := t.knobs.MaxMessageSize
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	most := strings.Repeat("m", size)
	alice.say(most)
	if err := bob.hears(ctx, most); err != nil {
		return fmt.Errorf("%d octets: %w", size, err)
	}
	alice.say(most + "m")
	if err := alice.ends(ctx, 1009, "message-too-big"); err != nil {
		return fmt.Errorf("after %d octets: %w", size+1, err)
	}
	carol, err := t.open(ctx, "carol")
	if err != nil {
		return err
	}
	half := bytes.Repeat([]byte("m"), size/2+1)
	carol.raw(frame(opText, half), frame(fin|opContinuation, half))
	if err := carol.ends(ctx, 1009, "message-too-big"); err != nil {
		return fmt.Errorf("after two fragments of %d octets: %w", len(half), err)
	}
	return nil
}

func slowPeer(ctx context.Context, t *T) error {
	if err := t.seatForThree(); err != nil {
		return err
	}
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	if _, err := t.visit(ctx, "carol", visit{path: alice.link, idle: true}); err != nil {
		return err
	}
	// More than what two sockets hold on the way to carol.
	text := strings.Repeat("m", min(t.knobs.MaxMessageSize, 32<<10))
	rounds := t.window/len(text) + 1
	for i := range rounds {
		alice.say(text)
		if err := bob.hears(ctx, text); err != nil {
			return fmt.Errorf("while carol reads nothing, message %d of %d: %w", i+1, rounds, err)
		}
	}
	return nil
}
