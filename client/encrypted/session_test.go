package encrypted

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math"
	"strings"
	"testing"

	"channelserver/client"
)

// The states that a session can be in.
const (
	creatorWaits = iota
	joinerWaits
	joinerOpened
	creatorPaired
	joinerPaired
	states
)

// pairings returns a creator and a joiner, as far on the way that one is in a state, and what comes next
// for that one in the channel.
func pairings(t testing.TB, v vector, state int) (creator, joiner *session, next string) {
	t.Helper()
	creator, joiner = v.play(t)
	creator.random, joiner.random = rand.Reader, rand.Reader
	next = creator.greeting()
	for i, receiver := range []*session{joiner, creator, joiner} {
		if state == joinerWaits && i == 0 || state == creatorWaits && i == 1 || state == joinerOpened && i == 2 {
			return creator, joiner, next
		}
		from := 1
		if receiver.creator {
			from = 2
		}
		var err error
		if next, _, err = receiver.receive(client.Message{From: from, Text: next}); err != nil {
			t.Fatal(err)
		}
	}
	return creator, joiner, ""
}

// TestKeyNoKey has a link name a key that is none: a coefficient is not below the modulus.
func TestKeyNoKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xff}, keyOctets+commitmentOctets)
	joiner := newJoiner(&invitation{id: testID, keyHash: hashKey(key)}, rand.Reader)
	hear(t, "no key", joiner, encodeMessage(append([]byte{typeKey}, key...)), "", nil, ErrWrongSecret)
}

// TestSendersMatter has members say what only another one may say.
func TestSendersMatter(t *testing.T) {
	_, joiner, key := pairings(t, readVectors(t)[0], joinerWaits)
	if answer, event, err := joiner.receive(client.Message{From: 2, Text: key}); answer != "" || event != nil || err != nil {
		t.Errorf("another member's key: got %.20q, %v, %v", answer, event, err)
	}
	creator, joiner, _ := pairings(t, readVectors(t)[0], joinerPaired)
	message, err := joiner.seal(kindText, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if _, event, err := creator.receive(client.Message{From: 3, Text: message}); event != nil || err != nil {
		t.Errorf("another member's message: got %v, %v", event, err)
	}
	hear(t, "the member's message", creator, message, "", Message{Data: []byte("hello"), Text: true}, nil)
}

// TestOpenAgain has the creator hear an open again, and another one, once it is paired.
func TestOpenAgain(t *testing.T) {
	creator, joiner, open := pairings(t, readVectors(t)[0], creatorWaits)
	for i := range 3 {
		answer, event, err := creator.receive(client.Message{From: 2, Text: open})
		if _, first := event.(Paired); err != nil || first != (i == 0) || event != nil && !first {
			t.Errorf("open %d: got %#v, %v", i, event, err)
		}
		fresh := *joiner
		hear(t, "ready", &fresh, answer, "", Paired{ShortString: creator.short, Member: 1}, nil)
	}
	if creator.private != nil {
		t.Error("the creator keeps its private key") // with which, and the link, all that was recorded could be read
	}
	octets, _ := decodeMessage(open)
	octets[7] ^= 1
	refused := encodeMessage(refusal(whyAlreadyPaired, octets[1:1+encOctets]))
	hear(t, "another open", creator, encodeMessage(octets), refused, Refused{ReasonAlreadyPaired}, nil)
}

// TestNotTaken seals a message anew that the channel has not taken: it has the same number, another nonce,
// and is taken once only.
func TestNotTaken(t *testing.T) {
	creator, joiner, _ := pairings(t, readVectors(t)[0], joinerPaired)
	first, err1 := creator.seal(kindBinary, []byte{1})
	again, err2 := creator.seal(kindBinary, []byte{2})
	if err := errors.Join(err1, err2); err != nil || first == again {
		t.Fatalf("got %q and %q, %v", first, again, err)
	}
	hear(t, "the first try", joiner, first, "", Message{Data: []byte{1}}, nil)
	hear(t, "the second", joiner, again, "", nil, nil)
}

// TestManyMessages holds that a key is not used too often.
func TestManyMessages(t *testing.T) {
	creator, joiner, _ := pairings(t, readVectors(t)[0], joinerPaired)
	for sent, ok := range map[uint64]bool{0: true, maxSealed - 1: true, maxSealed: false, math.MaxUint64: false} {
		creator.sent, joiner.received = sent, sent
		message, err := creator.seal(kindText, nil)
		if (err == nil) != ok {
			t.Errorf("message %d: got %v", sent+1, err)
		}
		if ok {
			hear(t, "one of many", joiner, message, "", Message{Data: []byte{}, Text: true}, nil)
		}
	}
}

// TestEmptyContent has the other side seal nothing, not even a kind: it is counted.
func TestEmptyContent(t *testing.T) {
	creator, joiner, _ := pairings(t, readVectors(t)[0], joinerPaired)
	message, err := seal(creator.outgoing(), rand.Reader, sealedHead(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	hear(t, "nothing", joiner, encodeMessage(message), "", nil, nil)
	same(t, "what was received", joiner.received, 1)
}

// TestNoRandomness holds that nothing goes on without random numbers.
func TestNoRandomness(t *testing.T) {
	for octets := range pskOctets + 32 + revealOctets {
		if _, err := newCreator("", testID, bytes.NewReader(make([]byte, octets))); err == nil {
			t.Errorf("a creator was made of %d random octets", octets)
		}
	}
	_, joiner, key := pairings(t, readVectors(t)[0], joinerWaits)
	for octets := range 64 + nonceOctets {
		joiner.random = bytes.NewReader(make([]byte, octets))
		if answer, _, err := joiner.receive(client.Message{Text: key}); answer != "" || err == nil || joiner.keys != nil {
			t.Errorf("a key was answered with %.20q, %v, of %d random octets", answer, err, octets)
		}
	}
	creator, _, open := pairings(t, readVectors(t)[0], creatorWaits)
	creator.random = new(bytes.Reader)
	if answer, event, err := creator.receive(client.Message{Text: open}); answer != "" || event != nil || err == nil || creator.paired {
		t.Errorf("a device was paired with: %.20q, %v, %v", answer, event, err)
	}
}

// FuzzSession sends a session in each state whatever a relay or a member may: mutations of genuine messages too.
// It must not take them for genuine, and go on with what is, unless it was told to end.
func FuzzSession(f *testing.F) {
	for state := range states {
		for _, genuine := range []int{-1, 0, 1, 2, 3, 4} {
			f.Add(byte(state), genuine, 0, byte(1), "AAAA")
			f.Add(byte(state), genuine, 8, byte(2), "")
			f.Add(byte(state), genuine, -1, byte(0x80), "x")
		}
	}
	for _, v := range readVectors(f) {
		for _, list := range [][]vectorBad{v.Bad, v.BadKeys, v.BadOpens, v.BadReadies} {
			for i, b := range list {
				f.Add(byte(i), -1, 0, byte(0), b.Octets)
			}
		}
	}
	v := readVectors(f)[0]
	f.Fuzz(func(t *testing.T, state byte, genuine, at int, change byte, text string) {
		creator, joiner, next := pairings(t, v, int(state%states))
		receiver, other := joiner, creator
		if s := state % states; s == creatorWaits || s == creatorPaired {
			receiver, other = creator, joiner
		}
		if genuine >= 0 { // one that was in another pairing with the same secrets, or in this one
			list := []string{v.Handshake[0].Octets, v.Handshake[1].Octets, v.Handshake[2].Octets, v.Handshake[3].Octets, next}
			octets, ok := decodeMessage(list[genuine%len(list)])
			if ok && change != 0 {
				octets[(at%len(octets)+len(octets))%len(octets)] ^= change
				text = encodeMessage(octets) + text
			}
		}
		before := *receiver
		answer, event, err := receiver.receive(client.Message{From: 1, Text: text})
		switch {
		case text == next && next != "", before.creator && !before.paired && text == v.Handshake[2].Octets:
			return // genuine after all
		case err != nil && (!errors.Is(err, ErrWrongSecret) && !errors.Is(err, ErrAlreadyPaired) || before.creator || before.paired):
			t.Fatalf("the session has ended: %v", err)
		case err != nil:
			return // by a member, or the relay, which can end it anyway
		}
		if _, ok := event.(Refused); event != nil && (!ok || !before.creator) {
			t.Fatalf("the program is told of %#v", event)
		}
		if answer != "" && !before.creator {
			t.Fatalf("the joiner answers %q", answer)
		}
		if receiver.paired != before.paired || receiver.received != before.received || receiver.peer != before.peer {
			t.Fatalf("the session is another: %+v", receiver)
		}
		for range 3 { // the pairing goes on, as far as that is left
			if next == "" {
				break
			}
			next, _, err = receiver.receive(client.Message{From: 1, Text: next})
			if err != nil {
				t.Fatal(err)
			}
			receiver, other = other, receiver
		}
		if !creator.paired || !joiner.paired {
			t.Fatal("the two have not paired")
		}
		message, err := creator.seal(kindText, []byte(strings.Repeat("a", 9)))
		if err != nil {
			t.Fatal(err)
		}
		hear(t, "afterwards", joiner, message, "", Message{Data: []byte("aaaaaaaaa"), Text: true}, nil)
	})
}

// FuzzDecodeMessage holds that a message has one spelling.
func FuzzDecodeMessage(f *testing.F) {
	for _, v := range readVectors(f) {
		for _, b := range v.Bad {
			f.Add(b.Octets)
		}
		f.Add(v.Messages[0].Octets)
		f.Add(v.Handshake[0].Octets)
	}
	f.Fuzz(func(t *testing.T, text string) {
		octets, ok := decodeMessage(text)
		if ok && encodeMessage(octets) != text {
			t.Errorf("%q was read as %x", text, octets)
		}
	})
}
