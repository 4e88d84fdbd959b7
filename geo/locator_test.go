package geo

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"
)

// request has headers written as "Name: value" lines.
func request(remoteAddr string, headers ...string) *http.Request {
	r := &http.Request{RemoteAddr: remoteAddr, Header: http.Header{}}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestSender(t *testing.T) {
	locator := Locator{Proxies: mustProxies(t, testProxies), Database: newTestFile(t).open(nil), DefaultLang: "en"}
	type want struct {
		userAgent, addr string
		place           Place
	}
	for name, test := range map[string]struct {
		request *http.Request
		want    want
	}{
		"direct": {
			request("192.0.2.1:4711", "User-Agent: Firefox", "Accept-Language: de", "X-Forwarded-For: 203.0.113.1"),
			want{"Firefox", "192.0.2.1", Place{"München", "Bayern", "Deutschland"}},
		},
		"IPv6": {
			request("[2001:db8:1::5%eth0]:4711", "Accept-Language: fr", "Accept-Language: de"),
			want{"", "2001:db8:1::5", Place{"Munich", "Bavière", "Allemagne"}},
		},
		"no headers": {
			request("[::ffff:192.0.2.1]:4711"),
			want{"", "192.0.2.1", Place{"Munich", "Bavaria", "Germany"}},
		},
		"through a proxy": {
			request("10.0.0.1:80", "X-Forwarded-For: 198.51.100.1", "X-Client-Geo-Location: Elsewhere,Faraway"),
			want{"", "198.51.100.1", Place{"Linköping", "Östergötland County", "Sweden"}},
		},
		"a proxy that names nobody": {
			request("10.0.0.1:80"),
			want{},
		},
		"a socket without an address": {
			request("pipe", "User-Agent: x", "X-Forwarded-For: 192.0.2.1", "X-Client-Geo-Location: R,C"),
			want{"x", "", Place{}},
		},
		"place from the proxy, region and city": {
			request("10.0.0.1:80", "X-Forwarded-For: 203.0.113.1", "X-Client-Geo-Location: Zürich, Dübendorf "),
			want{"", "203.0.113.1", Place{"Dübendorf", "Zürich", "Switzerland"}},
		},
		"place from the proxy, nothing else known": {
			request("10.0.0.1:80", "X-Client-Geo-Location: US,Washington, D.C."),
			want{"", "", Place{"Washington, D.C.", "US", ""}},
		},
		"place from the proxy, city only": {
			request("10.0.0.1:80", "X-Forwarded-For: 198.51.100.129", "X-Client-Geo-Location: JP,Nara-shi"),
			want{"", "198.51.100.129", Place{"Nara-shi", "Nara", "Japan"}},
		},
		"place from the proxy, empty": {
			request("10.0.0.1:80", "X-Forwarded-For: 203.0.113.1", "X-Client-Geo-Location: ,"),
			want{"", "203.0.113.1", Place{"", "", "Switzerland"}},
		},
		"place from two proxies": {
			request("10.0.0.1:80", "X-Client-Geo-Location: A,B", "X-Client-Geo-Location: C,D"),
			want{"", "", Place{"D", "C", ""}},
		},
		"place from a stranger": {
			request("203.0.113.1:80", "X-Client-Geo-Location: A,B"),
			want{"", "203.0.113.1", Place{"", "", "Switzerland"}},
		},
	} {
		got := locator.Sender(test.request)
		if got.UserAgent != test.want.userAgent || got.Addr != address(test.want.addr) || got.Place != test.want.place {
			t.Errorf("%s: %q %v %q, want %q", name, got.UserAgent, got.Addr, got.Place, test.want)
		}
	}

	wishes := locator.Sender(request("192.0.2.1:1", "Accept-Language: de")).Wishes
	if got := locator.Database.Place(munich(), wishes, "en").City; got != "München" {
		t.Errorf("city by the wishes of the sender: %s", got)
	}
	var zero Locator
	if got := zero.Sender(request("10.0.0.1:1", "X-Forwarded-For: 192.0.2.1")); got.Addr != address("10.0.0.1") || got.Place != (Place{}) {
		t.Errorf("the zero Locator finds %+v", got)
	}
}

func TestNamelessClientsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		locator := Locator{Proxies: mustProxies(t, testProxies), Log: slog.New(slog.NewTextHandler(&log, nil))}
		logged := func() string {
			defer log.Reset()
			return log.String()
		}
		missing := request("10.20.30.40:80")
		bad := request("[2001:db8:ffff:1::5]:80", "X-Forwarded-For: 192.0.2.1, secret")

		locator.Sender(request("10.20.30.40:80", "X-Forwarded-For: 192.0.2.1"))
		locator.Sender(request("198.51.100.1:80"))
		locator.Sender(request("pipe"))
		if got := logged(); got != "" {
			t.Errorf("logged without cause: %s", got)
		}

		locator.Sender(missing)
		got := logged()
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, `problem="no X-Forwarded-For" proxy=10.20.30.0/24 suppressed=0`) {
			t.Errorf("log: %s", got)
		}
		for range 59 {
			time.Sleep(time.Second)
			locator.Sender(missing)
		}
		if got := logged(); got != "" {
			t.Errorf("logged again within a minute: %s", got)
		}
		time.Sleep(time.Second)
		locator.Sender(bad)
		got = logged()
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, `problem="no usable client address in X-Forwarded-For" proxy=2001:db8:ffff::/48 suppressed=59`) {
			t.Errorf("log: %s", got)
		}
		if strings.Contains(got, "secret") || strings.Contains(got, "192.0.2.1") || strings.Contains(got, "ffff:1:") {
			t.Errorf("log holds what it must not: %s", got)
		}
		time.Sleep(time.Minute)
		locator.Sender(bad)
		if got := logged(); !strings.Contains(got, "suppressed=0") {
			t.Errorf("log: %s", got)
		}
	})
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                                "",
		"Mozilla/5.0 (X11; rv:1.0)":       "Mozilla/5.0 (X11; rv:1.0)",
		"  a\tb\x00\x1b[1m\x7f ":          "ab[1m",
		"a\u202eb\u200bc\u0085d\u2028":    "abcd",
		"a\xffb\xc3":                      "a\ufffdb\ufffd",
		"Ünïcødé 東京 😀":                    "Ünïcødé 東京 😀",
		strings.Repeat("a", 600):          strings.Repeat("a", 512),
		strings.Repeat("é", 300):          strings.Repeat("é", 256),
		"a" + strings.Repeat("é", 300):    "a" + strings.Repeat("é", 255),
		strings.Repeat("\xff", 600):       strings.Repeat("\ufffd", 170),
		strings.Repeat("\x01", 600) + "x": "",
	} {
		if got := printable(s, maxUserAgentBytes); got != want {
			t.Errorf("printable(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestParseGeoLocation(t *testing.T) {
	long, longest := strings.Repeat("x", maxPlaceBytes+1), strings.Repeat("x", maxPlaceBytes)
	for line, want := range map[string][2]string{
		"":                       {"", ""},
		"US":                     {"US", ""},
		"US,":                    {"US", ""},
		",Bern":                  {"", "Bern"},
		" US , New York ":        {"US", "New York"},
		"US,Washington, D.C.":    {"US", "Washington, D.C."},
		"US,\xff":                {"US", ""},
		"\x01,Bern":              {"", "Bern"},
		"CH,Be\x1brn":            {"CH", ""},
		"CH,Be\u202ern":          {"CH", ""},
		long + ",Bern":           {"", "Bern"},
		longest + "," + longest:  {longest, longest},
		"CH," + long:             {"CH", ""},
		" " + longest + " ,Bern": {longest, "Bern"},
	} {
		if region, city := parseGeoLocation([]string{"not,this", line}); region != want[0] || city != want[1] {
			t.Errorf("parseGeoLocation(%q) = %q, %q, want %q", line, region, city, want)
		}
	}
	if region, city := parseGeoLocation(nil); region != "" || city != "" {
		t.Errorf("without a header: %q, %q", region, city)
	}
}

func FuzzClientGeoLocation(f *testing.F) {
	for _, seed := range []string{
		"", ",", "US,New York", "US,Washington, D.C.", " a , b ", "\xff,\x00", "Zürich,Zürich", "\u202e,\u00a0",
		strings.Repeat("a", 200) + "," + strings.Repeat("é", 64),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		region, city := parseGeoLocation([]string{line})
		for _, name := range []string{region, city} {
			if len(name) > maxPlaceBytes || !utf8.ValidString(name) || strings.TrimSpace(name) != name || !strings.Contains(line, name) {
				t.Errorf("name %q from %q", name, line)
			}
			if strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }) {
				t.Errorf("name %q has characters that cannot be seen", name)
			}
			if again := placeName(name); again != name {
				t.Errorf("name %q turned into %q", name, again)
			}
		}
		if strings.Contains(region, ",") {
			t.Errorf("region %q", region)
		}
		if first, second := parseGeoLocation([]string{region + "," + city}); first != region || second != city {
			t.Errorf("%q, %q turned into %q, %q", region, city, first, second)
		}

		agent := printable(line, maxUserAgentBytes)
		if len(agent) > maxUserAgentBytes || !utf8.ValidString(agent) || printable(agent, maxUserAgentBytes) != agent {
			t.Errorf("%q made printable is %q", line, agent)
		}
	})
}

func BenchmarkSender(b *testing.B) {
	locator := Locator{
		Proxies:  mustProxies(b, "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"),
		Database: newTestFile(b).open(nil), DefaultLang: "en", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	const (
		agent    = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
		language = "Accept-Language: de-AT,de;q=0.8,en-US;q=0.5,en;q=0.3"
	)
	for _, test := range []struct {
		name    string
		request *http.Request
	}{
		{"direct", request("192.0.2.1:4711", agent, language)},
		{"proxied", request("10.0.0.1:4711", agent, language, "X-Forwarded-For: 192.0.2.1, 10.0.0.2")},
		{"noWishes", request("192.0.2.1:4711", agent)},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				locator.Sender(test.request)
			}
		})
	}
}

func BenchmarkHostileAcceptLanguage(b *testing.B) {
	d := newTestFile(b).open(nil)
	for name, header := range map[string]string{
		"distinct": "sr-Latn-RS-a-b,gsw-AT,be-BY,eu-ES,gl-ES,br-FR,hy-AM,az-Cyrl-AZ,kk-Arab,mn-Mong,oc-ES,co-IT,zh-Hant-MO,pt-AO,es-AQ,fr-AQ",
		"hyphens":  strings.Repeat("a-", 1<<19),
		"commas":   strings.Repeat(",", 1<<20),
		"excluded": strings.Repeat("de;q=0,", 1<<17),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Place(munich(), ParseWishes([]string{header}), "xx")
			}
		})
	}
}

func BenchmarkHostileForwardedFor(b *testing.B) {
	proxies := mustProxies(b, "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16")
	for name, header := range map[string]string{
		"commas":  strings.Repeat(",", 1<<20),
		"trusted": strings.Repeat("10.0.0.1,", 1<<17),
		"junk":    strings.Repeat("[::%,", 1<<18),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				proxies.ClientAddr(address("10.0.0.1"), http.Header{forwardedFor: {header}})
			}
		})
	}
}
