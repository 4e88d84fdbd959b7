package geo

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"github.com/realclientip/realclientip-go"
)

const testProxies = "10.0.0.0/8, 203.0.113.7 2001:db8:ffff::/48,::ffff:192.168.0.0/112"

func mustProxies(t testing.TB, list string) Proxies {
	t.Helper()
	proxies, err := ParseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return proxies
}

// address is like netip.MustParseAddr, with "" for an unknown address.
func address(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func TestProxiesTrust(t *testing.T) {
	proxies := mustProxies(t, testProxies)
	for addr, want := range map[string]bool{
		"10.0.0.0":             true,
		"10.255.255.255":       true,
		"11.0.0.0":             false,
		"203.0.113.7":          true,
		"203.0.113.8":          false,
		"::ffff:10.1.2.3":      true,
		"::ffff:11.1.2.3":      false,
		"192.168.255.1":        true,
		"192.169.0.1":          false,
		"2001:db8:ffff::1":     true,
		"2001:db8:ffff::1%lan": true,
		"2001:db8:fffe::1":     false,
		"::10.0.0.1":           false,
		"":                     false,
	} {
		if got := proxies.Trusts(address(addr)); got != want {
			t.Errorf("Trusts(%s) = %v, want %v", addr, got, want)
		}
	}
	if (Proxies{}).Trusts(address("127.0.0.1")) {
		t.Error("the zero Proxies trusts somebody")
	}
}

func TestParseProxiesAccepts(t *testing.T) {
	for list, trusted := range map[string]string{
		"":                     "",
		" ,\t, \n":             "",
		"192.0.2.1":            "192.0.2.1",
		"10.1.2.3/8":           "10.9.9.9", // bits beyond the prefix
		"0.0.0.0/0":            "198.51.100.1",
		"::/0":                 "2001:db8::1",
		"::ffff:192.0.2.1":     "192.0.2.1",
		"::ffff:192.0.2.0/120": "192.0.2.200",
	} {
		proxies := mustProxies(t, list)
		if trusted != "" && !proxies.Trusts(address(trusted)) {
			t.Errorf("ParseProxies(%q) does not trust %s", list, trusted)
		}
	}
	if mustProxies(t, "::/0").Trusts(address("192.0.2.1")) || mustProxies(t, "0.0.0.0/0").Trusts(address("::1")) {
		t.Error("a network of one IP version trusts the other")
	}
}

func TestParseProxiesNamesEveryBadElement(t *testing.T) {
	bad := []string{"proxy.example", "10.0.0.0/33", "300.1.1.1", "fe80::1%eth0", "fe80::%eth0/64", "10.0.0.0/", "/8", "2001:db8::/129", "::ffff:10.0.0.0/90", "10.0.0.1:80"}
	_, err := ParseProxies("192.0.2.1," + strings.Join(bad, ",") + " 10.0.0.0/8")
	if err == nil {
		t.Fatal("no error")
	}
	for _, element := range bad {
		if !strings.Contains(err.Error(), `"`+element+`" `) {
			t.Errorf("error does not name %s: %v", element, err)
		}
	}
	if strings.Contains(err.Error(), `"192.0.2.1"`) || strings.Contains(err.Error(), `"10.0.0.0/8"`) {
		t.Errorf("error names a good element: %v", err)
	}
}

func TestClientAddr(t *testing.T) {
	proxies := mustProxies(t, testProxies)
	const proxy = "10.0.0.1"
	for _, test := range []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"untrusted peer", "198.51.100.9", nil, "198.51.100.9"},
		{"untrusted peer with a header", "198.51.100.9", []string{"192.0.2.1"}, "198.51.100.9"},
		{"untrusted mapped peer with a zone", "::ffff:198.51.100.9%eth0", []string{"192.0.2.1"}, "198.51.100.9"},
		{"untrusted IPv6 peer with a zone", "fe80::1%eth0", nil, "fe80::1"},
		{"no peer", "", []string{"192.0.2.1"}, ""},
		{"one address", proxy, []string{"192.0.2.1"}, "192.0.2.1"},
		{"trusted mapped peer", "::ffff:10.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"trusted IPv6 peer", "2001:db8:ffff::1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"rightmost wins", proxy, []string{"192.0.2.66, 192.0.2.1"}, "192.0.2.1"},
		{"trusted ones are skipped", proxy, []string{"192.0.2.66, 192.0.2.1, 10.0.0.2,203.0.113.7"}, "192.0.2.1"},
		{"lines are one list", proxy, []string{"192.0.2.66", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"the last line counts most", proxy, []string{"192.0.2.66", "192.0.2.1"}, "192.0.2.1"},
		{"IPv6", proxy, []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv6 with a zone", proxy, []string{"fe80::5%eth0"}, "fe80::5"},
		{"IPv6 in brackets", proxy, []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"ports", proxy, []string{"192.0.2.1:4711, 10.0.0.2:80"}, "192.0.2.1"},
		{"IPv6 with a port", proxy, []string{"[2001:db8::5]:4711"}, "2001:db8::5"},
		{"mapped", proxy, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"mapped and trusted", proxy, []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"bad one left of the client", proxy, []string{"unknown, 192.0.2.1"}, "192.0.2.1"},

		{"no header", proxy, nil, ""},
		{"empty header", proxy, []string{""}, ""},
		{"only trusted addresses", proxy, []string{"10.0.0.3, 10.0.0.2"}, ""},
		{"bad one on the way", proxy, []string{"192.0.2.1, unknown, 10.0.0.2"}, ""},
		{"empty one on the way", proxy, []string{"192.0.2.1,, 10.0.0.2"}, ""},
		{"empty last line", proxy, []string{"192.0.2.1", ""}, ""},
		{"a name", proxy, []string{"client.example"}, ""},
		{"leading zeros", proxy, []string{"192.0.2.01"}, ""},
		{"unspecified", proxy, []string{"0.0.0.0"}, ""},
		{"IPv4 with a zone", proxy, []string{"192.0.2.1%eth0"}, ""},
		{"semicolons", proxy, []string{"192.0.2.1; 10.0.0.2"}, ""},

		{"far beyond the bound", proxy, []string{strings.Repeat("1.1.1.1,", 1<<17) + "192.0.2.1"}, "192.0.2.1"},
		{"one huge line, then another", proxy, []string{strings.Repeat("1", 1<<20), "192.0.2.1"}, "192.0.2.1"},
		{"a huge element", proxy, []string{"192.0.2.1," + strings.Repeat("1", 1<<20)}, ""},
		{"the client lies beyond the bound", proxy, []string{"192.0.2.1" + strings.Repeat(",10.0.0.2", 1000)}, ""},
		{"an element cut at the bound", proxy, []string{"192.0.2.1" + strings.Repeat(",10.0.0.2", (maxForwardedBytes-4)/9)}, ""},
	} {
		header := http.Header{}
		if test.lines != nil {
			header[forwardedFor] = test.lines
		}
		if got := proxies.ClientAddr(address(test.peer), header); got != address(test.want) {
			t.Errorf("%s: client is %v, want %q", test.name, got, test.want)
		}
	}
}

func TestRightEnd(t *testing.T) {
	for _, test := range []struct {
		lines    string // separated by "|"
		maxBytes int
		want     string
	}{
		{"", 8, ""},
		{"ab,cd|ef", 9, "ab,cd|ef"},
		{"ab,cd|ef", 8, "cd|ef"}, // a line needs one octet more than its length
		{"ab,cd|ef", 6, "cd|ef"},
		{"ab,cd|ef", 5, "ef"},
		{"ab,cd|ef", 2, ""},
		{"a,b", 4, "a,b"},
		{"a,b", 2, "b"},
		{"a,b", 1, ""},
		{"abc", 0, ""},
		{"abc|", 1, ""},
	} {
		got := strings.Join(rightEnd(strings.Split(test.lines, "|"), test.maxBytes), "|")
		if got != test.want {
			t.Errorf("rightEnd(%q, %d) = %q, want %q", test.lines, test.maxBytes, got, test.want)
		}
	}
}

func TestMask(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.77":              "192.0.2.0/24",
		"::ffff:192.0.2.77":       "192.0.2.0/24",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1::/48",
		"fe80::1:2:3:4%interface": "fe80::/48",
	} {
		if got := Mask(address(addr)).String(); got != want {
			t.Errorf("Mask(%s) = %s, want %s", addr, got, want)
		}
	}
	if got := Mask(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("Mask of no address is %v", got)
	}
}

func FuzzParseProxies(f *testing.F) {
	for _, seed := range []string{
		"", testProxies, "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16", "::1", "x y", "10.0.0.1/33",
		"::ffff:1.2.3.4/95", "fe80::1%a", "1.2.3.4/08", "1.2.3.4 ,\u00a0::/0", "1.2.3.4/8/9", "\xff,1.1.1.1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		proxies, err := ParseProxies(list)
		elements := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
		allGood := true
		for _, element := range elements {
			one, errOne := ParseProxies(element)
			if errOne != nil {
				allGood = false
				continue
			}
			if len(one.networks) != 1 || !one.Trusts(one.networks[0].Addr()) {
				t.Errorf("%q alone gives %v", element, one.networks)
			}
			if again := mustProxies(t, one.networks[0].String()); again.networks[0] != one.networks[0] {
				t.Errorf("%v, written out and parsed, is %v", one.networks[0], again.networks[0])
			}
			if addr, errAddr := netip.ParseAddr(element); errAddr == nil && (!one.Trusts(addr) || !one.networks[0].IsSingleIP()) {
				t.Errorf("%q alone gives %v", element, one.networks)
			}
			if err == nil && !proxies.Trusts(one.networks[0].Addr()) {
				t.Errorf("list does not trust its element %q", element)
			}
		}
		if allGood != (err == nil) {
			t.Errorf("all elements good: %v, but the list gives %v", allGood, err)
		}
		if err == nil && len(proxies.networks) != len(elements) {
			t.Errorf("%d elements gave %d networks", len(elements), len(proxies.networks))
		}
	})
}

func FuzzClientAddr(f *testing.F) {
	for _, seed := range []string{
		"", "192.0.2.1", "192.0.2.66, 192.0.2.1, 10.0.0.2", "192.0.2.1\n10.0.0.2", "unknown, 10.0.0.2",
		"[2001:db8::1]:80", "fe80::1%eth0", "::ffff:192.0.2.1", "1.2.3.4%a", "10.0.0.2%a", ",,", "1.2.3.4:x",
		strings.Repeat("1.1.1.1,", 80) + "192.0.2.1", strings.Repeat("10.1.1.1,", 80),
	} {
		f.Add("10.0.0.1", seed)
		f.Add("192.0.2.9", seed)
	}
	proxies := mustProxies(f, testProxies)
	f.Fuzz(func(t *testing.T, peerText, lines string) {
		peer, err := netip.ParseAddr(peerText)
		if err != nil {
			return
		}
		header := http.Header{forwardedFor: strings.Split(lines, "\n")}
		got := proxies.ClientAddr(peer, header)
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("client %v is not in plain form", got)
		}
		if !proxies.Trusts(peer) {
			if got != plain(peer) {
				t.Errorf("client of the untrusted peer %v is %v", peer, got)
			}
			return
		}
		if proxies.Trusts(got) {
			t.Errorf("client %v is a trusted proxy", got)
		}
		if len(lines) < maxForwardedBytes {
			if want := simpleClientAddr(proxies, lines); got != want {
				t.Errorf("client is %v, want %v", got, want)
			}
		}
		if got.IsValid() {
			// What strangers put to the left cannot matter.
			header[forwardedFor][0] = "203.0.113.99, " + header[forwardedFor][0]
			if again := proxies.ClientAddr(peer, header); again != got {
				t.Errorf("client %v turned into %v", got, again)
			}
		}
	})
}

// simpleClientAddr says what ClientAddr should for a trusted peer, without
// bounds and haste.
func simpleClientAddr(proxies Proxies, lines string) netip.Addr {
	elements := strings.Split(strings.ReplaceAll(lines, "\n", ","), ",")
	for i := len(elements) - 1; i >= 0; i-- {
		parsed, err := realclientip.ParseIPAddr(strings.TrimSpace(elements[i]))
		if err != nil || parsed.IP.IsUnspecified() {
			return netip.Addr{}
		}
		addr, _ := netip.AddrFromSlice(parsed.IP)
		if addr = addr.Unmap(); proxies.Trusts(addr) {
			continue
		}
		if addr.Is4() && parsed.Zone != "" {
			return netip.Addr{}
		}
		return addr
	}
	return netip.Addr{}
}
