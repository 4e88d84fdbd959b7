package pairing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"channelserver/geo"
)

// shapes are the keys that the frames of a server have (docs/protocol.md section 5), by type; those with a
// question mark may be missing.
var shapes = map[string][]string{
	"welcome":   {"channelid", "expires_in_ms?", "limits", "link", "member", "members", "n", "resume", "self"},
	"joined":    {"member", "sender"},
	"left":      {"member", "reason"},
	"away":      {"member", "reason"},
	"back":      {"member"},
	"message":   {"from", "message", "seq"},
	"accepted":  {"n", "seq?"},
	"delivered": {"member", "seq"},
	"ending":    {"in_ms", "reason"},
	"error":     {"detail", "reason"},
}

// wellFormed tells what is wrong with a frame that was sent to a client of version 2.
func wellFormed(frame []byte) error {
	var keys map[string]any
	if err := json.Unmarshal(frame, &keys); err != nil {
		return fmt.Errorf("the frame %q is no JSON object: %w", frame, err)
	}
	kind, _ := keys["type"].(string)
	shape, known := shapes[kind]
	if !known {
		return fmt.Errorf("the frame %q has no known type", frame)
	}
	delete(keys, "type")
	for _, key := range shape {
		name, optional := strings.CutSuffix(key, "?")
		if _, has := keys[name]; !has && !optional {
			return fmt.Errorf("the frame %q has no %s", frame, name)
		}
		delete(keys, name)
	}
	if len(keys) > 0 {
		return fmt.Errorf("the frame %q also has %v", frame, slices.Sorted(maps.Keys(keys)))
	}
	return nil
}

// wellFormedV1 tells what is wrong with a message that was sent to a client of version 1.
func wellFormedV1(frame []byte) error {
	var keys struct {
		Message *string         `json:"message"`
		Sender  json.RawMessage `json:"sender"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(frame)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&keys); err != nil || decoder.More() || keys.Message == nil {
		return fmt.Errorf("the frame %q is no message of version 1: %v", frame, err)
	}
	var sender senderJSON
	if err := json.Unmarshal(keys.Sender, &sender); err != nil {
		return fmt.Errorf("the frame %q names no sender: %w", frame, err)
	}
	return nil
}

// senderJSON has the keys of sender metadata (docs/protocol.md section 1); unknown ones are left out.
type senderJSON struct {
	UserAgent string `json:"ua,omitempty"`
	Remote    string `json:"remote,omitempty"`
	City      string `json:"city,omitempty"`
	Region    string `json:"region,omitempty"`
	Country   string `json:"country,omitempty"`
}

// A sender object is what encoding/json makes of the same, but for escapes.
func FuzzSender(f *testing.F) {
	f.Add("Mozilla/5.0 (X11)", "203.0.113.1", "Köln", "NRW", "Germany")
	f.Add("<\"\\>", "", "", "", "\u2028")
	f.Fuzz(func(t *testing.T, agent, addr, city, region, country string) {
		for _, text := range []string{agent, city, region, country} {
			if !utf8.ValidString(text) {
				return // never told
			}
		}
		s := geo.Sender{UserAgent: agent, Place: geo.Place{City: city, Region: region, Country: country}}
		s.Addr, _ = netip.ParseAddr(addr)
		want := senderJSON{UserAgent: agent, City: city, Region: region, Country: country}
		if s.Addr.IsValid() {
			want.Remote = s.Addr.String()
		}
		var got senderJSON
		decoder := json.NewDecoder(bytes.NewReader(renderSender(s, s.Place)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", renderSender(s, s.Place), got, err, want)
		}
	})
}
