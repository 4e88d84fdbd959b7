package encrypted

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"testing"

	"channelserver/client"
)

// vectorsFile is run by web/test/ as well.
const vectorsFile = "testdata/vectors.json"

var update = flag.Bool("update", false, "write "+vectorsFile+" anew")

// A vector is one pairing with all that is random in it. docs/encryption.md section 9 says what the
// fields are. Octets are hexadecimal, but messages are as they are in the channel.
type vector struct {
	Name        string          `json:"name"`
	Link        string          `json:"link"`
	ChannelID   string          `json:"channel_id"`
	SK          hexadec         `json:"sk"`
	PK          hexadec         `json:"pk"`
	PSK         hexadec         `json:"psk"`
	Reveal      hexadec         `json:"reveal"`
	Commitment  hexadec         `json:"commitment"`
	EKM         hexadec         `json:"ekm"`
	Enc         hexadec         `json:"enc"`
	KeyC2J      hexadec         `json:"key_c2j"`
	KeyJ2C      hexadec         `json:"key_j2c"`
	KeyShort    hexadec         `json:"key_short"`
	ShortString string          `json:"short_string"`
	Handshake   []vectorShake   `json:"handshake"`
	Messages    []vectorMessage `json:"messages"`
	Counted     []vectorMessage `json:"counted"`
	BadKeys     []vectorBad     `json:"bad_keys"`
	BadOpens    []vectorBad     `json:"bad_opens"`
	BadReadies  []vectorBad     `json:"bad_readies"`
	Bad         []vectorBad     `json:"bad"`
}

type vectorShake struct {
	Type   string  `json:"type"`
	Dir    string  `json:"dir"`
	Nonce  hexadec `json:"nonce,omitempty"`
	Octets string  `json:"octets"`
}

type vectorMessage struct {
	Dir    string  `json:"dir"`
	Seq    uint64  `json:"seq"`
	Nonce  hexadec `json:"nonce"`
	Kind   byte    `json:"kind"`
	Data   hexadec `json:"data"`
	Octets string  `json:"octets"`
}

type vectorBad struct {
	Why    string `json:"why"`
	Dir    string `json:"dir"`
	Octets string `json:"octets"`
	Answer string `json:"answer,omitempty"`
	Ends   string `json:"ends,omitempty"` // the reason
}

const (
	c2j = "creator to joiner"
	j2c = "joiner to creator"
)

type hexadec []byte

func (h hexadec) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexadec) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// A tape is a source of randomness that is known before.
type tape struct{ bytes.Buffer }

// play begins the two sessions of a vector, with all that is random for them on tapes.
func (v *vector) play(t testing.TB) (creator, joiner *session) {
	t.Helper()
	var forCreator, forJoiner tape
	forCreator.Write(v.PSK)
	forCreator.Write(v.SK)
	forCreator.Write(v.Reveal)
	forJoiner.Write(v.EKM)
	for _, m := range v.Handshake {
		v.tapeOf(m.Dir, &forCreator, &forJoiner).Write(m.Nonce)
	}
	for _, m := range v.Messages {
		v.tapeOf(m.Dir, &forCreator, &forJoiner).Write(m.Nonce)
	}
	for _, m := range v.Counted {
		v.tapeOf(m.Dir, &forCreator, &forJoiner).Write(m.Nonce)
	}
	page, _, _ := bytes.Cut([]byte(v.Link), []byte("#"))
	creator, err := newCreator(string(page), v.ChannelID, &forCreator)
	if err != nil {
		t.Fatal(err)
	}
	invitation, err := parseLink(v.Link)
	if err != nil {
		t.Fatal(err)
	}
	return creator, newJoiner(invitation, &forJoiner)
}

func (v *vector) tapeOf(dir string, creator, joiner *tape) io.Writer {
	if dir == c2j {
		return creator
	}
	return joiner
}

// hear has a session take in a text of its peer, and compares.
func hear(t testing.TB, what string, s *session, text, answer string, event Event, end error) {
	t.Helper()
	from := 2
	if !s.creator {
		from = 1
	}
	a, e, err := s.receive(client.Message{From: from, Text: text})
	if a != answer || !reflect.DeepEqual(e, event) || !errors.Is(err, end) {
		t.Errorf("%s: got %.40q, %#v, %v; want %.40q, %#v, %v", what, a, e, err, answer, event, end)
	}
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestVectors runs whole pairings whose randomness is known, octet for octet.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) { v.run(t) })
	}
}

func (v *vector) run(t *testing.T) {
	reasons := map[string]error{"": nil, ReasonWrongSecret: ErrWrongSecret, ReasonAlreadyPaired: ErrAlreadyPaired, ReasonMessagesMissing: ErrMissing}
	for _, b := range v.BadKeys {
		_, joiner := v.play(t)
		hear(t, b.Why, joiner, b.Octets, "", nil, reasons[b.Ends])
	}
	creator, joiner := v.play(t)
	same(t, "the link", creator.invitation.link(), v.Link)
	key, ask, open, ready := v.Handshake[0], v.Handshake[1], v.Handshake[2], v.Handshake[3]
	same(t, "the greeting of the creator", creator.greeting(), key.Octets)
	same(t, "the greeting of the joiner", joiner.greeting(), ask.Octets)
	hear(t, "ask", creator, ask.Octets, key.Octets, nil, nil)
	hear(t, "key", joiner, key.Octets, open.Octets, nil, nil)
	same(t, "the commitment", hex.EncodeToString(joiner.commitment[:]), hex.EncodeToString(v.Commitment))
	same(t, "enc", hex.EncodeToString(joiner.enc), hex.EncodeToString(v.Enc))
	for _, b := range v.BadOpens {
		var told Event
		if b.Answer != "" {
			told = Refused{ReasonWrongSecret}
		}
		hear(t, b.Why, creator, b.Octets, b.Answer, told, nil)
	}
	hear(t, "open", creator, open.Octets, ready.Octets, Paired{ShortString: v.ShortString, Member: 2}, nil)
	for _, b := range v.BadReadies {
		unready := *joiner
		hear(t, b.Why, &unready, b.Octets, "", nil, reasons[b.Ends])
	}
	hear(t, "ready", joiner, ready.Octets, "", Paired{ShortString: v.ShortString, Member: 1}, nil)
	same(t, "the key to the joiner", hex.EncodeToString(creator.keys.creatorToJoiner), hex.EncodeToString(v.KeyC2J))
	same(t, "the key to the creator", hex.EncodeToString(joiner.keys.joinerToCreator), hex.EncodeToString(v.KeyJ2C))
	same(t, "the key of the short string", hex.EncodeToString(joiner.keys.shortString), hex.EncodeToString(v.KeyShort))
	for _, b := range v.Bad {
		receiver := *joiner
		if b.Dir == j2c {
			receiver = *creator
		}
		hear(t, b.Why, &receiver, b.Octets, b.Answer, nil, reasons[b.Ends])
		same(t, "what was received after "+b.Why, receiver.received, 0)
	}
	for i, m := range append(v.Messages, v.Counted...) {
		sender, receiver := creator, joiner
		if m.Dir == j2c {
			sender, receiver = joiner, creator
		}
		text, err := sender.seal(m.Kind, m.Data)
		if text != m.Octets || err != nil || sender.sent+1 != m.Seq {
			t.Errorf("message %d is sealed as %d %.40q, %v; want %d %.40q", i, sender.sent+1, text, err, m.Seq, m.Octets)
		}
		sender.sent++
		var want Event
		if i < len(v.Messages) {
			want = Message{Data: m.Data, Text: m.Kind == kindText}
		}
		hear(t, "a message", receiver, m.Octets, "", want, nil)
		hear(t, "a replay", receiver, m.Octets, "", nil, nil)
		hear(t, "a reflection", sender, m.Octets, "", nil, nil)
	}
	const theirs = 2
	same(t, "how much the creator has of its peer", creator.received, joiner.sent)
	same(t, "how much the joiner has of its peer", joiner.received, creator.sent)
	same(t, "the creator's peer", creator.peer, theirs)
}
