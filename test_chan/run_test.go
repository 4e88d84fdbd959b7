package main

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// conductFake runs the checks that match against a fake, as main does.
func conductFake(t *testing.T, fault string, o *options) (results []result) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		if results, err = conduct(context.Background(), o, launchFake(fault, nil), o.choose(allChecks()), silent{}); err != nil {
			t.Error(err)
		}
	})
	return results
}

func TestLevelsThatAreOffered(t *testing.T) {
	names := regexp.MustCompile("^(join|channel-id|sender|v2-message)$")
	somebody := &options{base: new(url.URL), matching: names, patience: time.Second, parallel: 2}
	for _, c := range []struct {
		fault string
		o     *options
		want  []verdict
	}{
		{"", somebody, []verdict{held, held, held, held}},
		{"is of version 1, with the close codes of RFC 6455 only", somebody, []verdict{held, notDone, held, notDone}},
		// The project's own server is held to its own promises whatever it does.
		{"is of version 1, with the close codes of RFC 6455 only", &options{matching: names, patience: time.Second, parallel: 2}, []verdict{held, held, held, notDone}},
		// So is whatever is asked for by name.
		{"is of version 1, with the close codes of RFC 6455 only", &options{base: new(url.URL), levels: []level{v2}, matching: names, patience: time.Second, parallel: 2}, []verdict{failed}},
	} {
		var got []verdict
		for _, r := range conductFake(t, c.fault, c.o) {
			got = append(got, r.verdict)
			if r.verdict == notDone && !strings.HasPrefix(r.reason, "not offered: ") {
				t.Errorf("%s was not run, and says: %s", r.check.name, r.reason)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("a server that %q: got %q, want %q", c.fault, got, c.want)
		}
	}
}

func TestServerThatCannotBeReached(t *testing.T) {
	none := func(context.Context, setup) (*target, error) { return nil, errors.New("nobody there") }
	o := &options{matching: regexp.MustCompile(""), patience: time.Second, parallel: 1}
	if _, err := conduct(context.Background(), o, none, allChecks(), silent{}); err == nil {
		t.Error("no error, though there is no server")
	}
	o.levels = []level{core}
	results, err := conduct(context.Background(), o, none, o.choose(allChecks()), silent{})
	if err != nil || status(results) != 1 {
		t.Errorf("got %v and the exit status %d, want 1", err, status(results))
	}
}

func TestFaultOfACheck(t *testing.T) {
	r := &runner{launch: running(new(url.URL), defaultKnobs()), servers: 1, checks: 1, report: silent{}}
	broken := check{name: "broken", run: func(context.Context, *T) error { panic("oh") }, setup: plain}
	stuck := check{name: "stuck", run: func(context.Context, *T) error { return notRun("no way") }, setup: plain}
	results := r.run(context.Background(), []check{broken, stuck})
	if got := results[0]; got.verdict != failed || !strings.HasPrefix(got.reason, "the check itself is at fault: oh\n") {
		t.Errorf("a check that panics: %s, %s", got.verdict, got.reason)
	}
	if got := results[1]; got.verdict != notDone || got.reason != "no way" {
		t.Errorf("a check that cannot be run: %s, %s", got.verdict, got.reason)
	}
}

func TestSetups(t *testing.T) {
	remote := defaultKnobs()
	remote.MaxData = 100
	for _, c := range allChecks() {
		own := c.setup.apply(defaultKnobs())
		if why := c.obstacle(own); why != "" {
			t.Errorf("%s cannot be run on a server that is started for it: %s", c.name, why)
		}
		why := c.obstacle(remote)
		if own := c.setup != plain && c.setup != data; (own || c.octets > 100) != (why != "") {
			t.Errorf("%s, of the setup %s, which sends %d octets, on a server with max_data of 100: %q", c.name, c.setup, c.octets, why)
		}
	}
	if why := setup("other").missing(remote); why == "" {
		t.Error("an unknown setup misses nothing")
	}
}

func TestRemoteKnobs(t *testing.T) {
	for _, c := range []struct {
		setup  setup
		change func(*knobs)
	}{
		{endless, func(k *knobs) { k.MaxExchanges = 0 }},
		{data, func(k *knobs) { k.MaxData = 100 }},
		{lifespan, func(k *knobs) { k.Lifespan = time.Minute }},
		{silence, func(k *knobs) { k.Heartbeat, k.ClientTimeout = time.Second, 3*time.Second }},
		{base64url, func(k *knobs) { k.RequireBase64 = true }},
		{origins, func(k *knobs) { k.Origin = "https://example.com" }},
	} {
		k := defaultKnobs()
		if c.setup.missing(k) == "" {
			t.Errorf("the setup %s misses nothing in %+v", c.setup, k)
		}
		if c.change(&k); c.setup.missing(k) != "" {
			t.Errorf("the setup %s misses something in %+v: %s", c.setup, k, c.setup.missing(k))
		}
	}
}

// Limits that a running server may have make no check fail.
func TestOtherLimits(t *testing.T) {
	for what, change := range map[string]func(*knobs){
		"two seats":        func(k *knobs) { k.MaxConnections = 2 },
		"any number":       func(k *knobs) { k.MaxConnections, k.MaxExchanges = 0, 0 },
		"three messages":   func(k *knobs) { k.MaxExchanges = min(k.MaxExchanges, 3) },
		"small messages":   func(k *knobs) { k.MaxMessageSize = 3000 },
		"an odd max_data":  func(k *knobs) { k.MaxData = min(k.MaxData, 333) },
		"a large max_data": func(k *knobs) { k.MaxData *= 1000 },
	} {
		for _, r := range runFake(t, "", change, allChecks()) {
			if r.verdict == failed {
				t.Errorf("on a server with %s, %s failed: %s", what, r.check.name, r.reason)
			}
		}
	}
}
