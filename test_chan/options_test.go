package main

import (
	"bytes"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"
)

// environment is a lookup in "NAME=value" strings.
func environment(variables ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, v := range variables {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args, env string // separated by spaces
		app, base string
		change    func(*knobs)
	}{
		{"", "", "", "", nil},
		{"", "TEST_APP_PATH=target/server", "target/server", "", nil},
		{"--app=other", "TEST_APP_PATH=target/server", "other", "", nil},
		{"", "TEST_APP_PATH=", "", "http://localhost:8000", nil},
		{"", "TEST_APP_PATH= TEST_PROTOCOL=wss TEST_HOST=relay.test TEST_PORT=443", "", "https://relay.test:443", nil},
		{"--url=wss://relay.test/", "TEST_APP_PATH=target/server", "target/server", "https://relay.test", nil},
		{"--url=ws://[::1]:8000", "", "", "http://[::1]:8000", nil},
		{"", "TEST_MAX_EXCHANGES=5 TEST_MAX_DATA=4096", "", "", func(k *knobs) { k.MaxExchanges, k.MaxData = 5, 4096 }},
		{"--max-exchanges=7", "TEST_MAX_EXCHANGES=5", "", "", func(k *knobs) { k.MaxExchanges = 7 }},
		{"--url=ws://h --conn-lifespan=5m --heartbeat-interval=10s --client-timeout=30s", "", "", "http://h", func(k *knobs) {
			k.Lifespan, k.Heartbeat, k.ClientTimeout = 5*time.Minute, 10*time.Second, 30*time.Second
		}},
	} {
		var stderr bytes.Buffer
		o, err := parse(strings.Fields(c.args), environment(strings.Fields(c.env)...), &stderr)
		if err != nil {
			t.Errorf("%q with %q: %v, %s", c.args, c.env, err, &stderr)
			continue
		}
		want := defaultKnobs()
		if c.change != nil {
			c.change(&want)
		}
		base := ""
		if o.base != nil {
			base = o.base.String()
		}
		if o.app != c.app || base != c.base || o.knobs != want {
			t.Errorf("%q with %q: got %q, %q and %+v, want %q, %q and %+v", c.args, c.env, o.app, base, o.knobs, c.app, c.base, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for args, says := range map[string]string{
		"one":                             `without a flag, such as "one"`,
		"--level=v3":                      `there is no level "v3"; the levels are [v1-core v1-strict ours v2]`,
		"--run=(":                         `--run="(" is not a regular expression`,
		"--app=a --url=ws://h":            "give --app or --url, not both",
		"--url=ftp://h":                   `expected ws, wss, http or https before ://, got "ftp"`,
		"--url=ws://":                     "expected a host, got none",
		"--url=ws://h/v1/ws/":             "expected a host and perhaps a port, and nothing more",
		"--url=:":                         "missing protocol scheme",
		"--conn-lifespan=5m":              "give its --url",
		"--parallel=0":                    "must be more than 0",
		"--max-exchanges=2":               "a channel must carry 3 messages at least",
		"--nonsense":                      "flag provided but not defined",
		"--max-data=x":                    "invalid value",
		"--max-channel-connections=-1":    "not less",
		"TEST_MAX_DATA=x":                 "whole numbers",
		"TEST_APP_PATH= TEST_PROTOCOL=qq": `got "qq"`,
	} {
		var env, flags []string
		for word := range strings.FieldsSeq(args) {
			if strings.HasPrefix(word, "TEST_") {
				env = append(env, word)
			} else {
				flags = append(flags, word)
			}
		}
		var stderr bytes.Buffer
		if _, err := parse(flags, environment(env...), &stderr); !errors.Is(err, errUsage) || !strings.Contains(stderr.String(), says) {
			t.Errorf("%q: got %v and %q, want words like %q", args, err, stderr.String(), says)
		}
	}
}

func TestHelp(t *testing.T) {
	var stderr bytes.Buffer
	if _, err := parse([]string{"--help"}, environment(), &stderr); !errors.Is(err, flag.ErrHelp) || !strings.Contains(stderr.String(), "Exit status") {
		t.Errorf("got %v and %q", err, stderr.String())
	}
}

func TestChoose(t *testing.T) {
	o, err := parse([]string{"--level=v1-core, ours", "--run=^max-"}, environment(), new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range o.choose(allChecks()) {
		got = append(got, c.name)
	}
	if want := []string{"max-exchange", "max-exchange-code", "max-data", "max-data-exact", "max-connections"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range allChecks() {
		if seen[c.name] || !strings.HasSuffix(c.sentence, ".") || !slices.Contains(levels(), c.level) || c.run == nil {
			t.Errorf("the check %+v has the name of another, or no sentence, level or code", c)
		}
		seen[c.name] = true
	}
}

func FuzzBaseURL(f *testing.F) {
	for _, text := range []string{"ws://localhost:8000", "wss://relay.test/", "http://[::1]:1", "https://user@h", "ws:///x", "ws://h?q", ":", "ws://%zz", "ws://::"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := baseURL(text)
		if err != nil {
			return
		}
		if again, err := baseURL(u.String()); err != nil || *again != *u || u.Path != "" {
			t.Errorf("baseURL(%q) is %q, which it reads as %v, %v", text, u, again, err)
		}
	})
}
