package encrypted

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/cloudflare/circl/kem"

	"channelserver/client"
)

// maxSealed is how many messages one key may seal: with random nonces of 96 bits, no more than 2^32 (NIST
// SP 800-38D section 8.3), of which `open` or `ready` and what was not taken need a few.
const maxSealed = 1<<32 - 1<<16

// A session is one side of a pairing, from the link to the last message. It takes in what comes from the
// channel, and says what to send there; it does neither by itself, and is for one goroutine at a time.
type session struct {
	invitation invitation // static, like all down to creator
	random     io.Reader
	creator    bool

	private    kem.PrivateKey         // the creator's, until it is paired
	key        []byte                 // the message with the creator's key and commitment
	reveal     [revealOctets]byte     // the creator's; told to nobody but the device that it has paired with
	commitment [commitmentOctets]byte // to the reveal; the joiner has it once it has the key
	enc        []byte                 // the joiner's: the creator has it once paired, the joiner once it has the key
	keys       *keys                  // nil until the same time
	paired     bool
	short      string // the short string; empty until paired
	peer       int    // the member with the other side; 0 if the wire does not tell

	sent     uint64 // the seq of the last message that the channel has taken
	received uint64 // the seq of the last message from the other side
}

// newCreator begins the session of a creator, whose invitation lacks its secrets. It takes 96 random octets.
func newCreator(page, id string, random io.Reader) (*session, error) {
	s := &session{invitation: invitation{page: page, id: id}, random: random, creator: true}
	if _, err := io.ReadFull(random, s.invitation.psk[:]); err != nil {
		return nil, err
	}
	private, public, err := newPrivateKey(random)
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(random, s.reveal[:]); err != nil {
		return nil, err
	}
	commitment := sha256.Sum256(s.reveal[:])
	s.key = slices.Concat([]byte{typeKey}, public, commitment[:])
	s.private, s.invitation.keyHash = private, hashKey(s.key[1:])
	return s, nil
}

// newJoiner begins the session of a joiner.
func newJoiner(v *invitation, random io.Reader) *session {
	return &session{invitation: *v, random: random}
}

// greeting returns what the joiner says first where nothing is kept, and what the creator says first
// where it is.
func (s *session) greeting() string {
	if s.creator {
		return encodeMessage(s.key)
	}
	return encodeMessage([]byte{typeAsk})
}

// receive takes in a message of the channel. It returns what to answer (empty: nothing) and what to tell the
// program (nil: nothing). An error ends the session. What is not for this side is ignored, whatever it is.
func (s *session) receive(from client.Message) (answer string, event Event, err error) {
	message, ok := decodeMessage(from.Text)
	if !ok || !s.mayBe(from.From) {
		return "", nil, nil
	}
	kind, body := message[0], message[1:]
	switch {
	case kind == typeSealed && s.paired:
		event, err = s.receiveSealed(from.From, message)
		return "", event, err
	case kind == typeAsk && s.creator:
		return s.greeting(), nil, nil
	case kind == typeOpen && s.creator:
		return s.receiveOpen(from, message)
	case kind == typeKey && !s.creator && s.keys == nil:
		answer, err = s.receiveKey(body)
		return answer, nil, err
	case kind == typeRefused && !s.creator && s.keys != nil && !s.paired:
		return "", nil, s.receiveRefused(body)
	case kind == typeReady && !s.creator && s.keys != nil && !s.paired:
		event, err = s.receiveReady(from, message)
		return "", event, err
	}
	return "", nil, nil
}

// mayBe tells whether a member may have something to say to this side. The creator of a channel is member 1.
func (s *session) mayBe(member int) bool { return s.creator || member == 0 || member == 1 }

// receiveOpen has the creator pair with the first device that knows the secret.
func (s *session) receiveOpen(from client.Message, message []byte) (string, Event, error) {
	enc := message[1 : 1+encOctets]
	if s.paired {
		if bytes.Equal(enc, s.enc) {
			answer, err := s.ready()
			return answer, nil, err
		}
		return encodeMessage(refusal(whyAlreadyPaired, enc)), Refused{ReasonAlreadyPaired}, nil
	}
	keys, err := decapsulate(&s.invitation, s.private, enc)
	if err == nil {
		_, err = open(keys.joinerToCreator, message, 1+encOctets)
	}
	if err != nil {
		return encodeMessage(refusal(whyWrongSecret, enc)), Refused{ReasonWrongSecret}, nil
	}
	s.enc, s.keys = bytes.Clone(enc), keys
	answer, err := s.ready()
	if err != nil {
		return "", nil, err
	}
	s.private = nil // what was recorded cannot be read again
	return answer, s.pair(from, s.reveal[:]), nil
}

// ready returns the creator's answer to the device that it has paired with. It is the first message that depends on
// the reveal, but for the commitment.
func (s *session) ready() (string, error) {
	hash := hashEnc(s.enc)
	message, err := seal(s.keys.creatorToJoiner, s.random, append([]byte{typeReady}, hash[:]...), s.reveal[:])
	return encodeMessage(message), err
}

// receiveKey has the joiner answer the creator's key, if it is the one that the link means.
func (s *session) receiveKey(body []byte) (string, error) {
	if hashKey(body) != s.invitation.keyHash {
		return "", ErrWrongSecret
	}
	enc, keys, err := encapsulate(&s.invitation, body[:keyOctets], s.random)
	if errors.Is(err, kem.ErrPubKey) {
		return "", ErrWrongSecret // a link that names a key which is none
	}
	if err != nil {
		return "", err
	}
	message, err := seal(keys.joinerToCreator, s.random, append([]byte{typeOpen}, enc...), nil)
	if err != nil {
		return "", err
	}
	s.enc, s.keys, s.commitment = enc, keys, [commitmentOctets]byte(body[keyOctets:])
	return encodeMessage(message), nil
}

// receiveRefused ends a joiner's session, if it is the one that is meant.
func (s *session) receiveRefused(body []byte) error {
	if [hashOctets]byte(body[1:]) != hashEnc(s.enc) {
		return nil
	}
	switch body[0] {
	case whyWrongSecret:
		return ErrWrongSecret
	case whyAlreadyPaired:
		return ErrAlreadyPaired
	}
	return nil
}

// receiveReady has the joiner know that the creator has paired with it. A creator that reveals something else than it
// had committed to has chosen it when it knew enc, to have the short string that it wants.
func (s *session) receiveReady(from client.Message, message []byte) (Event, error) {
	if [hashOctets]byte(message[1:1+hashOctets]) != hashEnc(s.enc) {
		return nil, nil
	}
	reveal, err := open(s.keys.creatorToJoiner, message, 1+hashOctets)
	if err != nil {
		return nil, nil
	}
	if sha256.Sum256(reveal) != s.commitment {
		return nil, fmt.Errorf("%w: the creator has revealed something else than it had committed to", ErrWrongSecret)
	}
	return s.pair(from, reveal), nil
}

func (s *session) pair(with client.Message, reveal []byte) Event {
	s.paired, s.peer, s.short = true, with.From, s.keys.shortStringFor(reveal)
	return Paired{ShortString: s.short, Sender: with.Sender, Member: with.From}
}

// outgoing and incoming return the keys of this side.
func (s *session) outgoing() []byte {
	if s.creator {
		return s.keys.creatorToJoiner
	}
	return s.keys.joinerToCreator
}

func (s *session) incoming() []byte {
	if s.creator {
		return s.keys.joinerToCreator
	}
	return s.keys.creatorToJoiner
}

// receiveSealed opens a message of the other side. One that is not next is a replay, or tells that those
// before it were withheld.
func (s *session) receiveSealed(from int, message []byte) (Event, error) {
	if from != s.peer {
		return nil, nil
	}
	const head = 1 + seqOctets
	content, err := open(s.incoming(), message, head)
	if err != nil {
		return nil, nil
	}
	switch seq := binary.BigEndian.Uint64(message[1:head]); {
	case seq <= s.received:
		return nil, nil
	case seq > s.received+1:
		return nil, ErrMissing
	}
	s.received++
	switch {
	case len(content) > 0 && content[0] == kindText && utf8.Valid(content[1:]):
		return Message{Data: content[1:], Text: true}, nil
	case len(content) > 0 && content[0] == kindBinary:
		return Message{Data: content[1:]}, nil
	}
	return nil, nil // a later version may know what it is
}

// seal returns the next message to the other side. The caller adds to sent what the channel has taken; until
// then the same number is used again, with another nonce.
func (s *session) seal(kind byte, data []byte) (string, error) {
	if !s.paired {
		return "", ErrNotPaired
	}
	if s.sent >= maxSealed {
		return "", errors.New("encrypted: the key has sealed as many messages as it may; pair again")
	}
	message, err := seal(s.outgoing(), s.random, sealedHead(s.sent+1), append([]byte{kind}, data...))
	return encodeMessage(message), err
}
