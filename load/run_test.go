package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// All scenarios run against the project's server, in both versions, without an error.
func TestScenarios(t *testing.T) {
	t.Parallel()
	d, server := startServer(t, "--max_exchanges=0")
	for _, c := range []struct {
		scenario Scenario
		door     Door
	}{
		{Idle, V1{}},
		{Relay, V1{}},
		{Rate, V1{}},
		{Pairs, V1{}},
		{Churn, V1{}},
		{Idle, V2{}},
		{Relay, V2{}},
		{Rate, V2{}},
		{Pairs, V2{}},
		{Churn, V2{}},
		{Resume, V2{}},
	} {
		t.Run(fmt.Sprintf("%s %T", c.scenario, c.door), func(t *testing.T) {
			r, err := Run(t.Context(), Options{
				Scenario: c.scenario, Door: c.door, Dialer: d, For: 100 * time.Millisecond,
				Idle: 4, Channels: 2, Workers: 2, Size: 300, Messages: 10, Rate: 1000, Server: server,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed() {
				t.Errorf("errors: %v", r.Errors)
			}
			standing, passing := c.scenario.standing(), c.scenario.passing()
			relays := c.scenario != Idle && c.scenario != Churn
			for name, wrong := range map[string]bool{
				"messages":  (r.Messages > 0) != relays,
				"sent":      c.scenario == Rate && (r.Sent != 100 || r.Messages != 100),
				"pairings":  (r.Pairings > 0) != passing,
				"10 each":   c.scenario == Pairs && r.Messages != 10*r.Pairings,
				"6 each":    c.scenario == Resume && r.Messages != 6*r.Resumes,
				"resumes":   (r.Resumes > 0) != (c.scenario == Resume),
				"channels":  (r.Channels == 2) != standing,
				"workers":   (r.Workers == 2) != passing,
				"latencies": relays && c.scenario != Resume && r.Message.Count != r.Messages,
				"resuming":  r.Resume.Count != r.Resumes,
				"pairing":   r.Pairing.Count != r.Pairings,
				"opening":   r.Opening.Count != int64(r.Channels+r.Idle/2)+r.Pairings,
				"quantiles": relays && c.scenario != Resume && !(0 < r.Message.P50 && r.Message.P50 <= r.Message.P99 && r.Message.P99 <= r.Message.Max),
				"seconds":   r.Seconds <= 0,
				"CPU":       c.scenario != Idle && r.Server.CPU <= 0 || r.Generator.CPU <= 0,
				"memory":    r.Server.ResidentBefore < 1<<20 || r.Server.ResidentOpened < 1<<20 || r.Server.ResidentAfter < 1<<20,
				"shares":    (r.Server.PerMessage > 0) != relays || (r.Server.PerPairing > 0) != passing || (r.Server.PerResume > 0) != (c.scenario == Resume),
				"opened":    r.Server.OpeningCPU <= 0 || r.Server.PerOpening <= 0,
			} {
				if wrong {
					t.Errorf("%s: %+v, server %+v", name, r, r.Server)
				}
			}
		})
	}
}

// A server that ends channels, changes messages, says them twice or is not there is found out.
func TestRunTellsFaults(t *testing.T) {
	t.Parallel()
	limited, _ := startServer(t)
	nobody := dialerFor(t, "ws://127.0.0.1:1")
	relay := func(door Door, d *Dialer, scenario Scenario) (*Report, error) {
		return Run(t.Context(), Options{Scenario: scenario, Door: door, Dialer: d, For: 10 * time.Second, Channels: 1, Workers: 1, Messages: 11, Size: 64, Rate: 100})
	}
	for _, c := range []struct {
		name     string
		scenario Scenario
		door     Door
		d        *Dialer
		want     string
	}{
		{"limit", Relay, V1{}, limited, "closed with 4013 too-many-messages"},
		{"limit of version 2", Relay, V2{}, limited, "closed with 4013 too-many-messages"},
		{"limit at a rate", Rate, V1{}, limited, "closed with 4013 too-many-messages"},
		{"changed", Relay, V1{}, serve(t, (&room{say: upper}).handle), "wrong message"},
		{"changed at a rate", Rate, V1{}, serve(t, (&room{say: upper}).handle), "wrong message"},
		{"twice", Relay, V1{}, serve(t, (&room{say: func(text string) []string { return []string{text, text} }}).handle), "wrong message"},
		{"no resuming", Resume, V1{}, limited, "this protocol has no resuming"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := relay(c.door, c.d, c.scenario)
			if err != nil || r.Errors[c.want] == 0 || len(r.Errors) > 1 {
				t.Errorf("%v, %+v, want %q", err, r, c.want)
			}
		})
	}
	for _, scenario := range []Scenario{Relay, Idle} {
		_, err := Run(t.Context(), Options{Scenario: scenario, Door: V1{}, Dialer: nobody, For: time.Second, Channels: 1, Idle: 2, Size: 64})
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s, nobody there: %v", scenario, err)
		}
	}
	if _, err := Run(t.Context(), Options{Scenario: Idle, Door: V1{}, Dialer: limited, For: time.Second, Idle: 2, Size: 64, Server: 1 << 30}); err == nil {
		t.Error("a process that is not there can be read")
	}
}

// What fails in channels that are opened one after the other is counted, and tried again.
func TestPairCountsFailures(t *testing.T) {
	t.Parallel()
	d, _ := startServer(t)
	r, err := Run(t.Context(), Options{Scenario: Pairs, Door: V1{}, Dialer: d, For: 250 * time.Millisecond, Workers: 1, Messages: 11, Size: 64})
	if err != nil || r.Pairings != 0 || r.Errors["closed with 4013 too-many-messages"] == 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// An idle connection that is lost is counted once.
func TestIdleCountsLosses(t *testing.T) {
	t.Parallel()
	const idle = 4
	var open sync.WaitGroup
	open.Add(idle)
	d := serve(t, func(_ string, ws *websocket.Conn) {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"link":"/x","channelid":"x"}`))
		open.Done()
		open.Wait() // until all are there
		_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4008, "channel-expired"))
		_, _, _ = ws.ReadMessage()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := Run(ctx, Options{Scenario: Idle, Door: V1{}, Dialer: d, For: time.Hour, Idle: idle, Size: 64, Progress: func(p Progress) {
		if p.Errors >= idle {
			cancel()
		}
	}})
	if err != nil || r.Errors["closed with 4008 channel-expired"] != idle || len(r.Errors) > 1 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	d, _ := startServer(t)
	var last Progress
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Run(ctx, Options{
		Scenario: Pairs, Door: V1{}, Dialer: d, For: time.Hour, Workers: 1, Messages: 2, Size: 64, Idle: 2,
		Progress: func(p Progress) {
			if last = p; p.Pairings > 0 {
				cancel()
			}
		},
	})
	if err != nil || last.Opened != 1 || last.Messages == 0 || last.Elapsed < time.Second {
		t.Errorf("%v, told at last %+v", err, last)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := Options{Scenario: Rate, For: time.Second, Channels: 1, Workers: 1, Size: MinSize, Messages: 1, Rate: 1, Idle: 2}
	for _, c := range []struct {
		change func(o *Options)
		want   string
	}{
		{func(*Options) {}, ""},
		{func(o *Options) { o.Scenario = "rates" }, `no scenario "rates"`},
		{func(o *Options) { o.For = 0 }, "0s"},
		{func(o *Options) { o.For = MaxTime + 1 }, "not a time"},
		{func(o *Options) { o.Idle = 3 }, "3 idle"},
		{func(o *Options) { o.Idle = -2 }, "-2 idle"},
		{func(o *Options) { o.Idle = MaxConnections + 2 }, "idle"},
		{func(o *Options) { o.Scenario, o.Idle = Idle, 0 }, "needs idle"},
		{func(o *Options) { o.Channels = 0 }, "0 channels"},
		{func(o *Options) { o.Channels = MaxChannels + 1 }, "channels"},
		{func(o *Options) { o.Scenario, o.Channels = Pairs, 0 }, ""},
		{func(o *Options) { o.Scenario, o.Workers = Pairs, 0 }, "0 workers"},
		{func(o *Options) { o.Scenario, o.Workers = Churn, MaxWorkers+1 }, "workers"},
		{func(o *Options) { o.Size = MinSize - 1 }, "15 octets"},
		{func(o *Options) { o.Size = MaxSize + 1 }, "octets"},
		{func(o *Options) { o.Scenario, o.Messages = Pairs, 0 }, "0 messages"},
		{func(o *Options) { o.Scenario, o.Messages = Pairs, MaxMessages+1 }, "messages"},
		{func(o *Options) { o.Scenario, o.Messages = Churn, 0 }, ""},
		{func(o *Options) { o.Rate = 0.9 }, "0.9 messages"},
		{func(o *Options) { o.Rate = MaxRate + 1 }, "messages a second"},
		{func(o *Options) { o.Idle = descriptors() / 2 * 2 }, "ulimit"},
	} {
		o := good
		c.change(&o)
		err := o.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			if c.want == "ulimit" && descriptors() > MaxConnections {
				continue // which the bound on connections comes before
			}
			t.Errorf("%+v: %v, want %q", o, err, c.want)
		}
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	own := Process(os.Getpid())
	before, err := own.CPU()
	resident, err2 := own.Resident()
	if err := errors.Join(err, err2); err != nil || resident < 1<<20 {
		t.Fatalf("%v, %d octets", err, resident)
	}
	after := before
	for sum := 0; after == before; sum++ { // until the clock has moved
		if after, err = own.CPU(); err != nil {
			t.Fatal(err)
		}
	}
	if after < before {
		t.Errorf("from %v to %v", before, after)
	}
	for _, nobody := range []Process{1<<28 - 1, 1 << 28, 1<<32 - 1, 1 << 40, 0, -1} {
		_, err := nobody.CPU()
		_, err2 := nobody.Resident()
		if name := fmt.Sprint(int(nobody)); err == nil || err2 == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err2.Error(), name) {
			t.Errorf("process %s: %v, %v", name, err, err2)
		}
	}
}
