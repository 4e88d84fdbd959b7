package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// relayChecks are about who gets which message, and in which form.
func relayChecks() []check {
	return []check{
		{"first-frame", core, "A connection to /v1/ws/ is told its channel first: a JSON object with link, a path, and channelid.", plain, 0, firstFrameComes},
		{"join", core, "A connection to the link joins the channel and is told the same link.", plain, 0, joinerIsTold},
		{"simple-connection", core, "A message reaches the other member in an envelope with message and sender, whichever of the two sent it.", plain, 0, simpleConnection},
		{"full-exchange", core, "After an intro, 1024 random octets in base64 arrive unchanged, and the sender has a remote address.", plain, 4000, fullExchange},
		{"order", core, "Messages of one member arrive in the order in which it sent them.", plain, 0, orderIsKept},
		{"broadcast", core, "A message reaches every other member of the channel.", plain, 0, everyOtherMember},
		{"no-echo", core, "A message does not come back to its sender.", plain, 0, noEcho},
		{"trim", core, "White space around a message is trimmed.", plain, 0, trimmed},
		{"channels-apart", core, "Two channels have different ids, and no message passes from one to the other.", plain, 0, channelsApart},
		{"binary-ignored", core, "A binary message is ignored, and the connection goes on.", plain, 0, binaryIgnored},
		{"channel-id", ours, "A channel id is 22 characters of canonical base64url, and the link is /v1/ws/ and the id.", plain, 0, channelIDForm},
		{"frame-shapes", ours, "A member is sent nothing but link and channelid, and then message and sender, with no other keys.", plain, 0, frameShapes},
		{"utf8", ours, "Any valid UTF-8 text is relayed unchanged.", plain, 400, anyUTF8},
		{"bad-utf8", ours, "A message that is not UTF-8 ends its sender's connection with 1007 bad-payload.", plain, 0, badUTF8},
		{"base64", ours, "With require_base64, URL-safe base64 is relayed, padded or not, and all else ends the connection with 1007 bad-payload.", base64url, 0, base64Required},
	}
}

func firstFrameComes(ctx context.Context, t *T) error {
	p, err := t.visit(ctx, "alice", visit{path: pathV1})
	if err != nil {
		return err
	}
	text, err := p.next(ctx, "a first frame")
	if err != nil {
		return err
	}
	var first firstFrame
	if err := json.Unmarshal([]byte(text), &first); err != nil || !strings.HasPrefix(first.Link, "/") || first.ChannelID == "" {
		return fmt.Errorf(`expected the first frame {"link":"/v1/ws/...","channelid":"..."}, got %s`, short(text))
	}
	return nil
}

func joinerIsTold(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	if alice.link != bob.link {
		return fmt.Errorf("expected the second member of a channel to be told the link of the first, %q, got %q", alice.link, bob.link)
	}
	return nil
}

func simpleConnection(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	for _, way := range [][2]*peer{{alice, bob}, {bob, alice}} {
		text := "Test message of " + way[0].name
		way[0].say(text)
		e, err := way[1].hear(ctx)
		if err != nil {
			return err
		}
		if *e.Message != text {
			return fmt.Errorf("%s: expected the message %q, got %q", way[1].name, text, *e.Message)
		}
		if e.Sender == nil {
			return fmt.Errorf("%s: expected a sender in the envelope, got %s", way[1].name, short(e.text))
		}
	}
	return nil
}

func fullExchange(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	alice.say("intro message")
	intro, err := bob.hear(ctx)
	if err != nil {
		return err
	}
	if *intro.Message != "intro message" {
		return fmt.Errorf("bob: expected the intro, got %s", short(*intro.Message))
	}
	if intro.Sender["remote"] == "" {
		return fmt.Errorf("bob: expected a remote address in the sender, got %s", short(intro.text))
	}
	for _, way := range [][2]*peer{{alice, bob}, {bob, alice}} {
		random := make([]byte, 1024)
		rand.Read(random)
		text := base64.RawURLEncoding.EncodeToString(random)
		way[0].say(text)
		if err := way[1].hears(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func orderIsKept(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	texts := []string{"first", "second", "third"}
	for _, text := range texts {
		alice.say(text)
	}
	for _, text := range texts {
		if err := bob.hears(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func everyOtherMember(ctx context.Context, t *T) error {
	if err := t.seatForThree(); err != nil {
		return err
	}
	all, err := t.group(ctx, "alice", "bob", "carol")
	if err != nil {
		return err
	}
	all[1].say("to both")
	for _, p := range []*peer{all[0], all[2]} {
		if err := p.hears(ctx, "to both"); err != nil {
			return err
		}
	}
	return nil
}

func noEcho(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	alice.say("one")
	if err := bob.hears(ctx, "one"); err != nil {
		return err
	}
	bob.say("two")
	e, err := alice.nextEnvelope(ctx, t.patience)
	if err != nil {
		return err
	}
	if *e.Message != "two" {
		return fmt.Errorf("alice: expected the message of bob, got an echo of her own: %s", short(e.text))
	}
	return nil
}

func trimmed(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	alice.say(" \t\r\n text with space inside \n ")
	return bob.hears(ctx, "text with space inside")
}

func channelsApart(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	others, err := t.group(ctx, "carol", "dave")
	if err != nil {
		return err
	}
	carol, dave := others[0], others[1]
	if alice.link == carol.link {
		return fmt.Errorf("two connections to %s were given the same link: %q", pathV1, alice.link)
	}
	alice.say("for bob")
	if err := bob.hears(ctx, "for bob"); err != nil {
		return err
	}
	carol.say("for dave")
	return dave.hears(ctx, "for dave") // and not the other message before
}

func binaryIgnored(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	alice.raw(frame(fin|opBinary, []byte("binary")))
	alice.say("text")
	return bob.hears(ctx, "text")
}

func channelIDForm(ctx context.Context, t *T) error {
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	id, ok := strings.CutPrefix(alice.link, pathV1)
	octets, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if !ok || err != nil || len(octets) != 16 {
		return fmt.Errorf("expected a link of %s and 22 characters of canonical base64url, got %q", pathV1, alice.link)
	}
	if alice.channelID != "" && alice.channelID != id { // that there is one is the business of first-frame
		return fmt.Errorf("expected the channelid %q, as in the link, got %q", id, alice.channelID)
	}
	return nil
}

func frameShapes(ctx context.Context, t *T) error {
	alice, err := t.visit(ctx, "alice", visit{path: pathV1})
	if err != nil {
		return err
	}
	text, err := alice.next(ctx, "a first frame")
	if err != nil {
		return err
	}
	if err := onlyHas(text, "channelid", "link"); err != nil {
		return err
	}
	var first firstFrame
	_ = json.Unmarshal([]byte(text), &first)
	bob, err := t.join(ctx, "bob", visit{path: first.Link})
	if err != nil {
		return err
	}
	for range 2 {
		bob.say("text")
		text, err := alice.next(ctx, "a message")
		if err != nil {
			return err
		}
		if err := onlyHas(text, "message", "sender"); err != nil {
			return err
		}
	}
	return nil
}

// onlyHas returns an error if text is not a JSON object, or has other keys than these.
func onlyHas(text string, keys ...string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return fmt.Errorf("expected a JSON object, got %s", short(text))
	}
	for key := range object {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("expected a frame with no keys but %v, got %q in %s", keys, key, short(text))
		}
	}
	return nil
}

func anyUTF8(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	texts := []string{
		`"quoted" \ </script> & {"json":null}`,
		"grüße, Ελλάδα, 日本, 👩‍👩‍👧, e\u0301",
		"\x00\x01\x1b control \u2028 and \ufeff special \ufffd \U0010ffff",
	}
	for _, text := range texts {
		alice.say(text)
		if err := bob.hears(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func badUTF8(ctx context.Context, t *T) error {
	for _, octets := range []string{"\xff", "good \xc3\x28", "\xed\xa0\x80", "\xc0\xaf", "cut \xe2\x82"} {
		alice, bob, err := t.pair(ctx)
		if err != nil {
			return err
		}
		alice.raw(frame(fin|opText, []byte(octets)))
		if err := alice.ends(ctx, 1007, "bad-payload"); err != nil {
			return fmt.Errorf("after the message %q: %w", octets, err)
		}
		bob.drop()
	}
	return nil
}

func base64Required(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	for _, text := range []string{"aBc12-_w", "YQ", "YQ=="} {
		alice.say(text)
		if err := bob.hears(ctx, text); err != nil {
			return err
		}
	}
	for _, text := range []string{"plain text", "ab+/", "YQ=", "Y", "YQ\nYQ"} {
		carol, err := t.open(ctx, "carol")
		if err != nil {
			return err
		}
		carol.say(text)
		if err := carol.ends(ctx, 1007, "bad-payload"); err != nil {
			return fmt.Errorf("after the message %q: %w", text, err)
		}
	}
	return nil
}
