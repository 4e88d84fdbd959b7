package encrypted

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"channelserver/client"
)

// between has somebody sit between a creator and a joiner to whom they gave a link of their own. It returns the two
// devices, and the two sides that face them. All that is random is that of the vectors.
func between(t *testing.T) (creator, facingCreator, facingJoiner, joiner *session) {
	t.Helper()
	vectors := readVectors(t)
	creator, facingCreator = vectors[0].play(t)
	facingJoiner, joiner = vectors[1].play(t)
	return creator, facingCreator, facingJoiner, joiner
}

// say has a session take in a text of the other side, and returns its answer.
func say(t *testing.T, s *session, text string) string {
	t.Helper()
	from := 2
	if !s.creator {
		from = 1
	}
	answer, _, err := s.receive(client.Message{From: from, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestRevealedTooLate has somebody between two devices first learn what the creator shows, and then reveal to the
// joiner what makes it show the same.
func TestRevealedTooLate(t *testing.T) {
	creator, facingCreator, facingJoiner, joiner := between(t)
	withheld := say(t, facingJoiner, say(t, joiner, facingJoiner.greeting()))
	say(t, creator, say(t, facingCreator, creator.greeting()))
	if creator.short == "" || joiner.short != "" {
		t.Fatalf("the creator shows %q, and the joiner %q before it is told ready", creator.short, joiner.short)
	}
	var late [revealOctets]byte
	for tries := uint64(0); !strings.HasPrefix(facingJoiner.keys.shortStringFor(late[:]), creator.short[:4]); tries++ {
		if tries == 100_000 { // a hundred times what three digits take; six would take a million tries
			t.Fatal("no reveal makes the joiner show what the creator does")
		}
		binary.BigEndian.PutUint64(late[:], tries)
	}
	facingJoiner.reveal = late
	ready, err := facingJoiner.ready()
	if err != nil {
		t.Fatal(err)
	}
	hear(t, "another reveal", joiner, ready, "", nil, ErrWrongSecret)
	if joiner.paired || joiner.short != "" {
		t.Errorf("the joiner shows %q", joiner.short)
	}
	say(t, joiner, withheld)
	if joiner.short == "" || joiner.short == creator.short {
		t.Errorf("with what was committed to, the two show %q and %q", creator.short, joiner.short)
	}
}

// TestCommitmentCopied has somebody between two devices commit to what the creator has committed to, without knowing
// it, and pass it on when the creator reveals it.
func TestCommitmentCopied(t *testing.T) {
	creator, facingCreator, facingJoiner, joiner := between(t)
	copy(facingJoiner.key[1+keyOctets:], creator.key[1+keyOctets:])
	joiner.invitation.keyHash = hashKey(facingJoiner.key[1:]) // as is the link that the joiner was given
	open := say(t, joiner, facingJoiner.greeting())
	say(t, creator, say(t, facingCreator, creator.greeting()))
	facingJoiner.reveal = creator.reveal
	say(t, joiner, say(t, facingJoiner, open))
	if joiner.short == "" || joiner.short == creator.short {
		t.Errorf("the two show %q and %q", creator.short, joiner.short)
	}
}

// TestOneTry has somebody who knows the link ask a creator as often as they like: there is one answer with which
// they learn what the creator shows, and then there is nothing left to choose.
func TestOneTry(t *testing.T) {
	creator, joiner, open := pairings(t, readVectors(t)[0], creatorWaits)
	wrong := creator.invitation
	wrong.psk[0] ^= 1
	for what, text := range map[string]string{
		"ask":             joiner.greeting(),
		"a wrong secret":  say(t, newJoiner(&wrong, joiner.random), creator.greeting()),
		"one bit of open": changed(t, open, flip(-1)),
	} {
		octets, ok := decodeMessage(say(t, creator, text))
		if !ok || bytes.Contains(octets, creator.reveal[:]) || creator.short != "" {
			t.Errorf("%s is answered with %x, and the creator shows %q", what, octets, creator.short)
		}
	}
	again := newJoiner(&creator.invitation, joiner.random)
	other := say(t, again, creator.greeting())
	say(t, joiner, say(t, creator, open))
	same(t, "what the joiner shows", joiner.short, creator.short)
	hear(t, "another open that is right", creator, other, encodeMessage(refusal(whyAlreadyPaired, again.enc)), Refused{ReasonAlreadyPaired}, nil)
	same(t, "what the creator shows then", creator.short, joiner.short)
}
