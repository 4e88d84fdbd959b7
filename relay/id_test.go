package relay_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"channelserver/relay"
)

// vectors are ids in octets and in text, by RFC 4648 section 5.
var vectors = []struct {
	id   relay.ID
	text string
}{
	{relay.ID{}, "AAAAAAAAAAAAAAAAAAAAAA"},
	{relay.ID{15: 1}, "AAAAAAAAAAAAAAAAAAAAAQ"},
	{relay.ID{0: 0xfb, 1: 0xff}, "-_8AAAAAAAAAAAAAAAAAAA"},
	{relay.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, "AAECAwQFBgcICQoLDA0ODw"},
	{
		relay.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"_____________________w",
	},
}

// wrongIDs are not ids, though some decoders think so.
var wrongIDs = []string{
	"",
	"AAAAAAAAAAAAAAAAAAAAA",           // 21 characters
	"AAAAAAAAAAAAAAAAAAAAAAA",         // 23
	"AAAAAAAAAAAAAAAAAAAAAA==",        // padded
	"AAAAAAAAAAAAAAAAAAAAAB",          // the last 4 bits are not zero
	"AAAAAAAAAAAAAAAAAAAAA=",          // padded to 22
	"+/8AAAAAAAAAAAAAAAAAAA",          // the other alphabet
	"AAAAAAAAAAAAAAAAAAAA\r\n",        // decoders skip line ends
	"\nAAAAAAAAAAAAAAAAAAAAA",         //
	"AAAAAAAAAA AAAAAAAAAAA",          //
	"AAAAAAAAAAAAAAAAAAAAA\x00",       //
	"ÄAAAAAAAAAAAAAAAAAAAA",           // 22 octets, 21 characters
	"00000000-0000-0000-0000-0000000", //
}

func TestIDs(t *testing.T) {
	for _, v := range vectors {
		if got := v.id.String(); got != v.text {
			t.Errorf("%v in text is %q, want %q", [16]byte(v.id), got, v.text)
		}
		if got, err := relay.ParseID(v.text); err != nil || got != v.id {
			t.Errorf("ParseID(%q) = %v, %v", v.text, [16]byte(got), err)
		}
	}
	for _, text := range wrongIDs {
		if got, err := relay.ParseID(text); err == nil || got != (relay.ID{}) {
			t.Errorf("ParseID(%q) = %v, %v, want an error and the zero ID", text, got, err)
		}
	}
}

func TestNewIDsDiffer(t *testing.T) {
	seen := make(map[relay.ID]bool)
	var ones [16]byte // bits that were ever set
	for range 10_000 {
		id := relay.NewID()
		if seen[id] {
			t.Fatalf("minted %v twice", id)
		}
		seen[id] = true
		for i, b := range id {
			ones[i] |= b
		}
	}
	for i, b := range ones {
		if b != 0xff {
			t.Errorf("octet %d of an id never has the bits %08b", i, ^b)
		}
	}
}

// FuzzParseID checks that ParseID accepts exactly what String returns.
func FuzzParseID(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.text)
	}
	for _, text := range wrongIDs {
		f.Add(text)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	f.Fuzz(func(t *testing.T, text string) {
		id, err := relay.ParseID(text)
		if err == nil && id.String() != text {
			t.Errorf("ParseID accepts %q, whose canonical form is %q", text, id)
		}
		canonical := len(text) == 22 && strings.Trim(text, alphabet) == "" && strings.ContainsAny(text[21:], "AQgw")
		if canonical != (err == nil) {
			t.Errorf("ParseID(%q): %v; canonical is %v", text, err, canonical)
		}
		if err != nil {
			return
		}
		if octets, err := base64.URLEncoding.DecodeString(text + "=="); err != nil || relay.ID(octets) != id {
			t.Errorf("ParseID(%q) = %v, but a padded decoder says %v, %v", text, id, octets, err)
		}
	})
}
