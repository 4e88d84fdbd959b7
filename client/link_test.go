package client

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string][2]string{ // where channels are minted, and the id
		"wss://a.example":                 {"wss://a.example/v2/ws/", ""},
		"https://a.example/":              {"wss://a.example/v2/ws/", ""},
		"http://[::1]:8000/base/":         {"ws://[::1]:8000/base/v2/ws/", ""},
		"ws://a.example/v1/ws":            {"ws://a.example/v2/ws/", ""},
		"ws://a.example/v2/ws/":           {"ws://a.example/v2/ws/", ""},
		"ws://a.example/v1/ws/a-_Z9":      {"ws://a.example/v2/ws/", "a-_Z9"},
		"ws://a.example/b/v2/ws/id?key=1": {"ws://a.example/b/v2/ws/?key=1", "id"},
		"ws://a.example/v1/wso":           {"ws://a.example/v1/wso/v2/ws/", ""},
	} {
		s, id, err := parseURL(text)
		if got := s.url(2, ""); err != nil || got != want[0] || id != want[1] {
			t.Errorf("%s: %s, %q, %v", text, got, id, err)
		}
	}
	for _, text := range []string{
		"", "a.example", "ftp://a.example", "ws:///v1/ws/", "ws://user@a.example", "ws://a.example/#id",
		"ws://a.example/v1/ws/a/b", "ws://a.example/v1/ws/%2e%2e", "ws://a.example/v1/ws/" + strings.Repeat("a", maxIDOctets+1), ":",
	} {
		if _, id, err := parseURL(text); err == nil {
			t.Errorf("%q was accepted, with the id %q", text, id)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"wss://a.example", "http://[::1]:8000/b/v1/ws/id?q=1", "ws://a.example/%2F/v2/ws", "ws://a/v2/ws/v1/ws/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, id, err := parseURL(text)
		if err != nil {
			return
		}
		link := s.url(2, id)
		again, id2, err := parseURL(link)
		if err != nil || id2 != id || again.url(2, id2) != link {
			t.Errorf("%q became %q, which is %q, %v", text, link, again.url(2, id2), err)
		}
	})
}
