package encrypted

import (
	"context"
	"strings"
	"testing"
)

const (
	testID     = "b7ZHsuZ9RIWVYKJDxqmAOg"
	testSecret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"
)

func TestParseLink(t *testing.T) {
	const fragment = testID + "." + testSecret
	for _, test := range []struct{ link, server string }{
		{"https://pair.example/#" + fragment, "https://pair.example/v2/ws/" + testID},
		{"https://pair.example#" + fragment, "https://pair.example/v2/ws/" + testID},
		{"http://localhost:8000/a/b/#" + fragment, "http://localhost:8000/a/b/v2/ws/" + testID},
		{"http://[::1]:8000/a?lang=de#" + fragment, "http://[::1]:8000/a/v2/ws/" + testID + "?lang=de"},
	} {
		v, err := parseLink(test.link)
		if err != nil {
			t.Error(err)
			continue
		}
		if server, err := v.server(); server != test.server || err != nil {
			t.Errorf("the server of %s is %s, %v; want %s", test.link, server, err, test.server)
		}
		if v.link() != test.link || v.id != testID || v.psk[31] != 31 || v.keyHash != [16]byte([]byte(" !\"#$%&'()*+,-./")) {
			t.Errorf("%s is read as %#v", test.link, v)
		}
	}
	for _, link := range []string{
		"", "#" + fragment, "https://pair.example/", "https://pair.example/#", fragment, "pair.example/#" + fragment,
		"https:///#" + fragment, "https://me@pair.example/#" + fragment, "wss://pair.example/#" + fragment,
		"https://pair.example/%zz#" + fragment, "https://pair.example/\n#" + fragment, "https:pair.example#" + fragment,
		"https://pair.example/#" + fragment + "A", "https://pair.example/#A" + fragment, "https://pair.example/##" + fragment,
		"https://pair.example/#" + fragment + "\n", "https://pair.example/# " + fragment, "https://pair.example/#" + fragment + "#",
		"https://pair.example/#" + testID + ":" + testSecret, "https://pair.example/#" + testID + "." + testSecret[1:],
		"https://pair.example/#" + testID[1:] + "." + testSecret, "https://pair.example/#" + testID + ".+" + testSecret[1:],
		"https://pair.example/#" + testID + "." + testSecret[2:] + "==", "https://pair.example/#" + testID + ".é" + testSecret[2:],
	} {
		_, err := parseLink(link)
		if err == nil {
			t.Errorf("%q was read", link)
			continue
		}
		if strings.Contains(err.Error(), testSecret[2:]) {
			t.Errorf("the error shows the secret: %v", err)
		}
		if _, err := Join(context.Background(), nil, link); err == nil {
			t.Errorf("%q was joined", link)
		}
	}
}

func TestPageOf(t *testing.T) {
	for server, want := range map[string]string{
		"https://pair.example": "https://pair.example/", "http://localhost:8000/": "http://localhost:8000/",
		"wss://pair.example/a": "https://pair.example/a", "ws://[::1]:80": "http://[::1]:80/",
		"pair.example": "", "ftp://pair.example": "", "https://": "", "https://pair.example/#a": "", "%": "", "https://a@b": "",
	} {
		got, err := pageOf(server)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s is shown as %s, %v; want %s", server, got, err, want)
		}
		if want == "" {
			if _, err := Create(context.Background(), nil, server); err == nil {
				t.Errorf("created at %q", server)
			}
		}
	}
	for _, page := range []string{"https://pair.example/", "%zz"} {
		_, err := pageOf(page + "#" + testID + "." + testSecret)
		if err == nil || strings.Contains(err.Error(), testSecret) {
			t.Errorf("a link instead of a server: got %v", err)
		}
	}
}

// FuzzParseLink holds that a link is read in one way only, and that errors do not show its secret.
func FuzzParseLink(f *testing.F) {
	f.Add("https://pair.example/#" + testID + "." + testSecret)
	f.Add("http://[::1]:8000/a%20b/?c=d&e#" + testID + "." + testSecret)
	f.Add("https://pair.example/#" + testID + "." + testSecret + "=")
	f.Fuzz(func(t *testing.T, link string) {
		v, err := parseLink(link)
		if err != nil {
			return
		}
		if got := v.link(); got != link {
			t.Errorf("%q was read as %q", link, got)
		}
		if len(v.id) != 22 || strings.Contains(v.page, "#") {
			t.Errorf("%q was read as %#v", link, v)
		}
		if _, err := v.server(); err != nil {
			t.Errorf("%q has no server: %v", link, err)
		}
	})
}
