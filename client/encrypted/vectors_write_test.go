package encrypted

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"channelserver/client"
)

// writeVectors makes the vectors anew. They are a matter of the seeds below.
func writeVectors(t *testing.T) {
	vectors := []vector{
		newVector(t, "a short talk", "https://pair.example.org/", "b7ZHsuZ9RIWVYKJDxqmAOg", []vectorMessage{
			{Dir: c2j, Kind: kindText, Data: []byte(`{"type":"confirm"}`)},
			{Dir: j2c, Kind: kindText, Data: []byte(`{"type":"confirm"}`)},
			{Dir: j2c, Kind: kindText, Data: []byte("Linköping 日本 🙂")},
			{Dir: c2j, Kind: kindBinary, Data: []byte{0, 1, 2, 0xff}},
			{Dir: j2c, Kind: kindBinary, Data: []byte{0xc3, 0x28}},
		}),
		newVector(t, "nothing at all, and much", "http://localhost:8000/below/", "-_-_-_-_-_-_-_-_-_-_-w", []vectorMessage{
			{Dir: j2c, Kind: kindText, Data: []byte{}},
			{Dir: j2c, Kind: kindBinary, Data: []byte{}},
			{Dir: c2j, Kind: kindText, Data: []byte{}},
			{Dir: c2j, Kind: kindBinary, Data: bytes.Repeat([]byte{0x5a}, 1000)},
			{Dir: c2j, Kind: kindText, Data: []byte(strings.Repeat("é", 300))},
			{Dir: j2c, Kind: kindText, Data: []byte("\ufeff\x00 \r\n")},
		}),
	}
	text, err := json.MarshalIndent(vectors, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newVector runs a pairing, and notes all of it.
func newVector(t *testing.T, name, page, id string, messages []vectorMessage) vector {
	random := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	octets := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	v := vector{
		Name: name, ChannelID: id, PSK: octets(pskOctets), SK: octets(32), Reveal: octets(revealOctets), EKM: octets(64),
		Handshake: []vectorShake{
			{Type: "key", Dir: c2j},
			{Type: "ask", Dir: j2c},
			{Type: "open", Dir: j2c, Nonce: octets(nonceOctets)},
			{Type: "ready", Dir: c2j, Nonce: octets(nonceOctets)},
		},
		Messages: messages,
		Counted: []vectorMessage{
			{Dir: c2j, Kind: 2, Data: []byte("a kind of later versions")},
			{Dir: j2c, Kind: kindText, Data: []byte{0xff}}, // not UTF-8
		},
	}
	for _, list := range [][]vectorMessage{v.Messages, v.Counted} {
		for i := range list {
			list[i].Nonce = octets(nonceOctets)
		}
	}
	v.Link = page + "#" + id + "." + strings.Repeat("A", 64) // for play; the joiner's is made below
	creator, joiner := v.play(t)
	v.Link = creator.invitation.link()
	joiner.invitation = creator.invitation
	v.PK, v.Commitment = creator.key[1:1+keyOctets], creator.key[1+keyOctets:]
	say := func(s *session, text string) string {
		from := map[bool]int{true: 2, false: 1}[s.creator]
		answer, _, err := s.receive(client.Message{From: from, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	v.Handshake[0].Octets = creator.greeting()
	v.Handshake[1].Octets = joiner.greeting()
	v.Handshake[2].Octets = say(joiner, v.Handshake[0].Octets)
	v.Handshake[3].Octets = say(creator, v.Handshake[2].Octets)
	say(joiner, v.Handshake[3].Octets)
	v.Enc, v.KeyC2J, v.KeyJ2C = joiner.enc, joiner.keys.creatorToJoiner, joiner.keys.joinerToCreator
	v.KeyShort, v.ShortString = joiner.keys.shortString, joiner.short
	for _, list := range [][]vectorMessage{v.Messages, v.Counted} {
		for i := range list {
			m := &list[i]
			sender := map[string]*session{c2j: creator, j2c: joiner}[m.Dir]
			m.Octets, _ = sender.seal(m.Kind, m.Data)
			sender.sent++
			m.Seq = sender.sent
		}
	}
	v.addBad(t, random, creator, joiner)
	return v
}

// changed returns a message of the channel after a change to its octets.
func changed(t *testing.T, text string, change func([]byte) []byte) string {
	octets, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return encodeMessage(change(octets))
}

// flip changes the octet i, which may count from the end.
func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[(i+len(b))%len(b)] ^= 1
		return b
	}
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
func longer(b []byte) []byte        { return append(b, 0) }

// spare returns another spelling of the same octets, whose last character has bits to spare.
func spare(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + string(alphabet[last|1])
}

func (v *vector) addBad(t *testing.T, random *rand.ChaCha8, creator, joiner *session) {
	key, open, ready := v.Handshake[0].Octets, v.Handshake[2].Octets, v.Handshake[3].Octets
	other, err := newCreator("", v.ChannelID, random)
	if err != nil {
		t.Fatal(err)
	}
	v.BadKeys = []vectorBad{
		{Why: "another key", Octets: other.greeting(), Ends: ReasonWrongSecret},
		{Why: "one bit of the key", Octets: changed(t, key, flip(600)), Ends: ReasonWrongSecret},
		{Why: "one bit of the commitment", Octets: changed(t, key, flip(-1)), Ends: ReasonWrongSecret},
		{Why: "a key without a commitment", Octets: changed(t, key, cut(commitmentOctets))},
		{Why: "a key cut short", Octets: changed(t, key, cut(1))},
		{Why: "a key with an octet more", Octets: changed(t, key, longer)},
		{Why: "a ready before the key", Octets: ready},
	}
	for i := range v.BadKeys {
		v.BadKeys[i].Dir = c2j
	}

	refused := func(why, text string) vectorBad {
		octets, _ := base64.RawURLEncoding.DecodeString(text)
		return vectorBad{Why: why, Octets: text, Answer: encodeMessage(refusal(whyWrongSecret, octets[1:1+encOctets]))}
	}
	wrong := creator.invitation
	wrong.psk[0] ^= 1
	stranger, _, err := newJoiner(&wrong, random).receive(client.Message{From: 1, Text: key})
	if err != nil {
		t.Fatal(err)
	}
	v.BadOpens = []vectorBad{
		refused("another psk", stranger),
		refused("one bit of the ML-KEM part of enc", changed(t, open, flip(1))),
		refused("one bit of the X25519 part of enc", changed(t, open, flip(1+1088))),
		refused("one bit of the nonce", changed(t, open, flip(1+encOctets))),
		refused("one bit of the tag", changed(t, open, flip(-1))),
		{Why: "an open cut short", Octets: changed(t, open, cut(1))},
		{Why: "an open with an octet more", Octets: changed(t, open, longer)},
		{Why: "a sealed message before any open", Octets: firstOf(v.Messages, j2c).Octets},
	}
	for i := range v.BadOpens {
		v.BadOpens[i].Dir = j2c
	}

	readyFor := func(hash [hashOctets]byte, reveal []byte) string {
		message, err := seal(v.KeyC2J, random, append([]byte{typeReady}, hash[:]...), reveal)
		if err != nil {
			t.Fatal(err)
		}
		return encodeMessage(message)
	}
	v.BadReadies = []vectorBad{
		{Why: "another hash, well sealed", Octets: readyFor([hashOctets]byte{}, v.Reveal)},
		{Why: "another reveal, well sealed", Octets: readyFor(hashEnc(v.Enc), flip(0)(bytes.Clone(v.Reveal))), Ends: ReasonWrongSecret},
		{Why: "no reveal, well sealed", Octets: readyFor(hashEnc(v.Enc), nil)},
		{Why: "a reveal cut short, well sealed", Octets: readyFor(hashEnc(v.Enc), v.Reveal[1:])},
		{Why: "a reveal with an octet more, well sealed", Octets: readyFor(hashEnc(v.Enc), append(bytes.Clone(v.Reveal), 0))},
		{Why: "one bit of the reveal's ciphertext", Octets: changed(t, ready, flip(1+hashOctets+nonceOctets))},
		{Why: "one bit of the hash", Octets: changed(t, ready, flip(1))},
		{Why: "one bit of the nonce", Octets: changed(t, ready, flip(1+hashOctets))},
		{Why: "one bit of the tag", Octets: changed(t, ready, flip(-1))},
		{Why: "a ready cut short", Octets: changed(t, ready, cut(1))},
		{Why: "a sealed message before ready", Octets: firstOf(v.Messages, c2j).Octets},
		{Why: "a refusal of another", Octets: encodeMessage(refusal(whyWrongSecret, v.PK))},
		{Why: "a refusal for no known reason", Octets: encodeMessage(refusal(3, v.Enc))},
		{Why: "another key after open", Octets: other.greeting()},
		{Why: "refused for the secret", Octets: encodeMessage(refusal(whyWrongSecret, v.Enc)), Ends: ReasonWrongSecret},
		{Why: "refused for another", Octets: encodeMessage(refusal(whyAlreadyPaired, v.Enc)), Ends: ReasonAlreadyPaired},
	}
	for i := range v.BadReadies {
		v.BadReadies[i].Dir = c2j
	}

	for _, dir := range []string{c2j, j2c} {
		sender, back := creator, j2c
		if dir == j2c {
			sender, back = joiner, c2j
		}
		add := func(why, octets string) { v.Bad = append(v.Bad, vectorBad{Why: why, Dir: dir, Octets: octets}) }
		first := firstOf(v.Messages, dir).Octets
		add("one bit of the tag", changed(t, first, flip(-1)))
		add("one bit of the ciphertext", changed(t, first, flip(1+seqOctets+nonceOctets)))
		add("one bit of the nonce", changed(t, first, flip(1+seqOctets)))
		add("another seq than was authenticated", changed(t, first, func(b []byte) []byte { b[8] ^= 3; return b }))
		add("another type than was authenticated", changed(t, first, func(b []byte) []byte { b[0] = typeReady; return b }))
		add("reflected", firstOf(v.Messages, back).Octets)
		add("truncated", changed(t, first, cut(1)))
		add("too short to be sealed", encodeMessage(append(sealedHead(1), make([]byte, nonceOctets+tagOctets-1)...)))
		add("a type and nothing more", encodeMessage([]byte{typeSealed}))
		add("a head and nothing more", encodeMessage(sealedHead(1)))
		add("unknown type 0", changed(t, first, func(b []byte) []byte { b[0] = 0; return b }))
		add("unknown type 7", changed(t, first, func(b []byte) []byte { b[0] = 7; return b }))
		add("empty", "")
		add("padded base64", first+strings.Repeat("=", 4-len(first)%4))
		add("line end in base64", first[:8]+"\n"+first[8:])
		add("space in base64", first[:8]+" "+first[8:])
		add("a character too many in base64", strings.Repeat("A", len(first)/4*4+1))
		add("standard base64", "+"+first[1:])
		add("not ASCII", "é"+first[1:])
		if len(first)%4 != 0 {
			add("spare bits in base64", spare(first))
		}
		add("an ask with an octet more", encodeMessage([]byte{typeAsk, 0}))
		zero, err := seal(sender.outgoing(), random, sealedHead(0), []byte{kindText})
		if err != nil {
			t.Fatal(err)
		}
		add("seq 0, well sealed", encodeMessage(zero))
		ahead, err := seal(sender.outgoing(), random, sealedHead(2), []byte{kindText})
		if err != nil {
			t.Fatal(err)
		}
		v.Bad = append(v.Bad, vectorBad{Why: "seq 2 before seq 1", Dir: dir, Octets: encodeMessage(ahead), Ends: ReasonMessagesMissing})
	}
	for _, b := range []vectorBad{
		{Why: "refused after ready", Octets: encodeMessage(refusal(whyWrongSecret, v.Enc))},
		{Why: "ready again", Octets: ready},
		{Why: "key again", Octets: key},
		{Why: "another key", Octets: other.greeting()},
	} {
		b.Dir = c2j
		v.Bad = append(v.Bad, b)
	}
}

func firstOf(messages []vectorMessage, dir string) vectorMessage {
	for _, m := range messages {
		if m.Dir == dir {
			return m
		}
	}
	return vectorMessage{}
}
