package settings

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
)

// plain returns a field's value as fmt writes it.
func plain(f field) string { return fmt.Sprint(f.value.Interface()) }

// dump writes settings one a line, for comparison.
func dump(s *Settings) string {
	var b strings.Builder
	for _, f := range fieldsOf(s) {
		fmt.Fprintf(&b, "%s=%s\n", f.name, plain(f))
	}
	return b.String()
}

// TestValues decodes by the name of a setting, so that the type of its field is tested too.
func TestValues(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, c := range []struct {
		name      string
		good, bad []string
	}{
		{"hostname", []string{"", "0.0.0.0", "::", "[::]", "fe80::1%eth0", "localhost", "my_host.example", "1.example", " a ", label}, []string{"0.0.0.0:8000", "[::", "[a]", "300.1.1.1", "a b", "-a", "a-", "a..b", "a.", "http://a", "[::]:80", label + "a", label + "." + label + "." + label + "." + label}},
		{"port", []string{"0", "65535", " 8000 "}, []string{"", "65536", "-1", "http", "0x50", "8000.0", "8 0", "1e3", "99999999999999999999"}},
		{"admin_addr", []string{"", ":8001", "[::1]:0", "localhost:9000", "0.0.0.0:1"}, []string{"8001", "localhost", "::1:8001x", "127.0.0.1:65536", "127.0.0.1:+80", "127.0.0.1:", "a b:1", "127.0.0.1:http", "127.0.0.1:080"}},
		{"max_channel_connections", []string{"1", "2", "10000"}, []string{"0", "-1", "10001", "3.5"}},
		{"max_exchanges", []string{"0", "1000000000"}, []string{"-1", "1000000001", "ten"}},
		{"max_data", []string{"0", "1099511627776"}, []string{"-1", "1099511627777", "1MB"}},
		{"max_message_size", []string{"1", "16777216"}, []string{"0", "16777217", "-5"}},
		{"conn_lifespan", []string{"0", "0s", "1", "300", "5m", "1h30m", "1ms", "8760h", "31536000", "2.5s"}, []string{"", "-1", "-1s", "5 m", "1h5", "2.5", "999us", "1ns", "8760h1s", "31536001", "5000000000", "9999999999h", "inf"}},
		{"write_timeout", []string{"1", "100ms"}, []string{"0", "0s", "-1", "", "1us"}},
		{"debug", []string{"true", "FALSE", "1", "0", "yes", "No", "on", "off"}, []string{"", "2", "t", "truee"}},
		{"trusted_proxy_list", []string{"", " ", "10.0.0.0/8", "10.1.2.3/8, ::1\t192.0.2.1,,2001:db8::/32", "::ffff:10.0.0.1"}, []string{"10.0.0.0/33", "10.0.0", "localhost", "fe80::1%eth0", "192.0.2.1:80", "10.0.0.0/8;192.0.2.1"}},
		{"default_lang", []string{"en", "pt-BR", "zh-Hans"}, []string{"", "english language", "e", "en;q=1", "*"}},
		{"statsd_host", []string{"", "localhost", "::1", "[::1]", "[::1]:9", "statsd:8125"}, []string{"udp://localhost", "localhost:", "localhost:0", ":8125", "[::1]x", "localhost:99999"}},
		{"metric_name", []string{"", "channelserver", "a.b-c_D9"}, []string{"a:b", "a|c", "a b", "é", strings.Repeat("a", 101), "a\nb"}},
		{"allowed_origins", []string{"", "null", "https://example.com", "https://*.example.com:8443,http://localhost:3000", "http://[::1]:80", "moz-extension://6b5d-77"}, []string{"*", "example.com", "https://", "https://a/", "https://a/b", "https://a?b", "https://a#", "https://u@a", "https://*", "https://*.", "https://a.*.b", "https://*a.b", "https://a:", "https://a:0443", "https://a:99999", "https://a:x", "https://é.example", "https:a", "://a", "https://1.2.3", "https://a%41"}},
	} {
		find := func() field {
			for _, f := range fieldsOf(new(Settings)) {
				if f.name == c.name {
					return f
				}
			}
			t.Fatalf("no setting %s", c.name)
			return field{}
		}
		for _, text := range c.good {
			if err := find().decode(text); err != nil {
				t.Errorf("%s=%q: %v", c.name, text, err)
			}
		}
		for _, text := range c.bad {
			f := find()
			if err := f.decode(text); err == nil {
				t.Errorf("%s=%q was accepted as %s", c.name, text, plain(f))
			}
		}
	}
}

func TestNormalForms(t *testing.T) {
	environment(t)
	s := load(t, "--allowed_origins=HTTPS://*.Example.com:443 http://a:80,https://b:80,http://c:443,null,http://[::1]:8080", "--statsd_host=[::1]", "--default_lang=zh_hant_tw")
	want := "[https://*.example.com http://a https://b:80 http://c:443 null http://[::1]:8080]"
	if got := fmt.Sprint(s.AllowedOrigins); got != want {
		t.Errorf("origins %s, want %s", got, want)
	}
	if s.StatsdHost != "[::1]:8125" || s.DefaultLang != "zh-Hant-TW" {
		t.Errorf("statsd_host %q, default_lang %q", s.StatsdHost, s.DefaultLang)
	}
}

func TestListErrorsNameEveryBadElement(t *testing.T) {
	environment(t)
	_, _, err := Load([]string{"--allowed_origins=a.example,null,https://b/", "--trusted_proxy_list=10.0.0.0/8 x y/3"})
	want := `--allowed_origins="a.example,null,https://b/" is not accepted: give origins without a path (https://example.com, https://*.example.com, http://localhost:8080, null), or nothing to allow any; not so: "a.example", "https://b/"
--trusted_proxy_list="10.0.0.0/8 x y/3" is not accepted: give addresses (192.0.2.1, 2001:db8::1) and CIDR blocks (10.0.0.0/8); not so: "x", "y/3"`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

// FuzzValues holds every type of value to this: what it accepts can be written down and is then
// accepted again as the same.
func FuzzValues(f *testing.F) {
	for _, text := range []string{
		"", "0", "65535", "300", "5m", "1h5", "-1", "true", "OFF", "0.0.0.0", "[::1]", "[::1]:8125", "localhost:80", ":8001",
		"10.0.0.0/8, 2001:db8::/32", "https://*.example.com:443,null", "http://[::1]:80", "en-GB", "zh_Hant", "a.b-c", "\xff", "https://a\x00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, f := range fieldsOf(new(Settings)) {
			if f.decode(text) != nil {
				continue
			}
			var again string
			switch v := f.value.Interface().(type) {
			case Seconds:
				again = time.Duration(v).String()
			case PositiveSeconds:
				again = time.Duration(v).String()
			case Origins:
				again = strings.Join(v, ",")
				for _, origin := range v {
					if u, err := url.Parse(origin); err != nil || origin != "null" && (u.Host == "" || u.Path != "" || u.User != nil) {
						t.Errorf("%q: accepted the origin %q", text, origin)
					}
				}
			case Address:
				again = string(v)
				if _, port, err := net.SplitHostPort(again); again != "" && (err != nil || !isPort(port)) {
					t.Errorf("%q: accepted the address %q", text, again)
				}
			default:
				again = plain(f)
			}
			before := plain(f)
			if err := f.decode(again); err != nil || plain(f) != before {
				t.Errorf("%s: %q was accepted as %s, but %q gives %s, %v", f.name, text, before, again, plain(f), err)
			}
		}
	})
}
