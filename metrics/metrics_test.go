package metrics

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"channelserver/admission"
	"channelserver/relay"
)

// newTest returns a Metrics that the test closes.
func newTest(t testing.TB, opts Options) *Metrics {
	t.Helper()
	m, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// series returns the value of every series of ours, by name and label; of a histogram, count and sum.
func series(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), namespace)
		if !ours {
			continue
		}
		for _, metric := range family.GetMetric() {
			var key strings.Builder
			key.WriteString(name)
			for _, label := range metric.GetLabel() {
				fmt.Fprintf(&key, " %s=%s", label.GetName(), label.GetValue())
			}
			switch {
			case metric.GetCounter() != nil:
				all[key.String()] = metric.GetCounter().GetValue()
			case metric.GetGauge() != nil:
				all[key.String()] = metric.GetGauge().GetValue()
			default:
				all[key.String()+" count"] = float64(metric.GetHistogram().GetSampleCount())
				all[key.String()+" sum"] = metric.GetHistogram().GetSampleSum()
			}
		}
	}
	return all
}

func TestEverySeriesExistsAtZero(t *testing.T) {
	want := map[string]float64{
		fmt.Sprintf("build_info commit=abc goversion=%s version=1.2", runtime.Version()): 1,
		"conn_create_total":                0,
		"conn_request_total kind=new":      0,
		"conn_request_total kind=existing": 0,
		"conn_request_total kind=bad-id":   0,
		"conn_expired_total":               0, "conn_timeout_total": 0, "conn_max_data_total": 0,
		"conn_max_msg_total": 0, "conn_max_conn_total": 0,
		"message_accepted_total": 0, "message_ignored_total": 0, "panic_total": 0,
		"conn_length_seconds count": 0, "conn_length_seconds sum": 0,
		"message_size_bytes count": 0, "message_size_bytes sum": 0,
		"relay_time_seconds count": 0, "relay_time_seconds sum": 0,
		"connections": 0, "channels": 0, "buffered_bytes": 0,
		"geo_reload_total result=ok": 0, "geo_reload_total result=failed": 0,
		"geo_database_build_timestamp_seconds": 0,
	}
	for _, why := range admission.Whys() {
		want["turned_away_total bound="+why.String()] = 0
	}
	for _, reason := range relay.Reasons() {
		want["conn_closed_total reason="+reason.String()] = 0
		want["channel_ended_total reason="+reason.String()] = 0
	}
	got := series(t, newTest(t, Options{Version: "1.2", Commit: "abc"}))
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// An event is one call of an observer's method, and what it must change.
type event struct {
	call   func(relay.Observer)
	series map[string]float64
	statsd []string
}

// events has every kind of event at least once.
func events() []event {
	all := []event{
		{
			func(o relay.Observer) { o.Requested(relay.RequestNew) },
			map[string]float64{"conn_request_total kind=new": 1},
			[]string{"conn.request.new:1|c"},
		},
		{
			func(o relay.Observer) { o.Requested(relay.RequestExisting) },
			map[string]float64{"conn_request_total kind=existing": 1},
			[]string{"conn.request.existing:1|c"},
		},
		{
			func(o relay.Observer) { o.Requested(relay.RequestBadID) },
			map[string]float64{"conn_request_total kind=bad-id": 1},
			[]string{"conn.request.bad-id:1|c"},
		},
		{relay.Observer.Admitted, map[string]float64{"conn_create_total": 1}, []string{"conn.create:1|c"}},
		{
			func(o relay.Observer) { o.Accepted(512) },
			map[string]float64{"message_accepted_total": 1, "message_size_bytes count": 1, "message_size_bytes sum": 512},
			[]string{"message.accepted:1|c", "message.size:512|ms"},
		},
		{
			func(o relay.Observer) { o.Relayed(250 * time.Microsecond) },
			map[string]float64{"relay_time_seconds count": 1, "relay_time_seconds sum": 250e-6},
			[]string{"relay.time:0.25|ms"},
		},
		{relay.Observer.Ignored, map[string]float64{"message_ignored_total": 1}, []string{"message.ignored:1|c"}},
		{relay.Observer.Panicked, map[string]float64{"panic_total": 1}, []string{"panic:1|c"}},
	}
	for _, why := range relay.Reasons() {
		closedSeries, closedLine := "conn_closed_total reason="+why.String(), "conn.closed."+why.String()+":1|c"
		refused := event{
			func(o relay.Observer) { o.Refused(why) },
			map[string]float64{closedSeries: 1},
			[]string{closedLine},
		}
		closed := event{
			func(o relay.Observer) { o.Closed(why, 90*time.Second) },
			map[string]float64{closedSeries: 1, "conn_length_seconds count": 1, "conn_length_seconds sum": 90},
			[]string{closedLine, "conn.length:90000|ms"},
		}
		ended := event{
			func(o relay.Observer) { o.Ended(why) },
			map[string]float64{"channel_ended_total reason=" + why.String(): 1},
			[]string{"channel.ended." + why.String() + ":1|c"},
		}
		also := func(e *event, name string) {
			e.series[strings.ReplaceAll(name, ".", "_")+"_total"] = 1
			e.statsd = append(e.statsd, name+":1|c")
		}
		switch why {
		case relay.ChannelFull:
			also(&refused, "conn.max.conn")
		case relay.ClientTimeout:
			also(&closed, "conn.timeout")
		case relay.ChannelExpired:
			also(&ended, "conn.expired")
		case relay.TooMuchData:
			also(&ended, "conn.max.data")
		case relay.TooManyMessages:
			also(&ended, "conn.max.msg")
		}
		all = append(all, refused, closed, ended)
	}
	return all
}

func TestEachEventMovesItsSeries(t *testing.T) {
	for i, event := range events() {
		m := newTest(t, Options{})
		event.call(m)
		got := series(t, m)
		maps.DeleteFunc(got, func(name string, value float64) bool {
			return value == 0 || strings.HasPrefix(name, "build_info")
		})
		if !maps.Equal(got, event.series) {
			t.Errorf("event %d: got %v, want %v", i, got, event.series)
		}
	}
}

func TestNoReasonCountsAsOurFault(t *testing.T) {
	m := newTest(t, Options{})
	m.Refused(relay.None)
	m.Closed(relay.None, 0)
	m.Ended(relay.None)
	got := series(t, m)
	if got["conn_closed_total reason=internal-error"] != 2 || got["channel_ended_total reason=internal-error"] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestSourcesAreReadAtEachScrape(t *testing.T) {
	m := newTest(t, Options{})
	var scrapes int
	m.Watch(Sources{
		Stats: func() relay.Stats {
			scrapes++
			return relay.Stats{Connections: 2 * scrapes, Channels: scrapes, Octets: 1000}
		},
		Reloads:       func() (ok, failed uint64) { return 3, 4 },
		DatabaseBuilt: func() time.Time { return time.Unix(1700000000, 0) },
		TurnedAway:    func() []uint64 { return []uint64{5, 6, 7} },
	})
	series(t, m)
	got := series(t, m)
	for name, want := range map[string]float64{
		"connections": 4, "channels": 2, "buffered_bytes": 1000,
		"geo_reload_total result=ok": 3, "geo_reload_total result=failed": 4,
		"geo_database_build_timestamp_seconds": 1700000000,
		"turned_away_total bound=openings":     5, "turned_away_total bound=wrong-ids": 7, "turned_away_total bound=memory": 0,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	m.Watch(Sources{DatabaseBuilt: func() time.Time { return time.Time{} }})
	if got := series(t, m)["geo_database_build_timestamp_seconds"]; got != 0 {
		t.Errorf("no database: got %v, want 0", got)
	}
}

func TestHandlerServesCleanMetrics(t *testing.T) {
	m := newTest(t, Options{})
	for _, event := range events() {
		event.call(m)
	}
	response := httptest.NewRecorder()
	m.Handler().ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	if response.Code != 200 || !strings.HasPrefix(response.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("got %d, %s", response.Code, response.Header().Get("Content-Type"))
	}
	for _, want := range []string{
		"\nchannelserver_conn_create_total 1\n", "\ngo_goroutines ", "\nprocess_start_time_seconds ",
		`channelserver_relay_time_seconds_bucket{le="1e-05"} 0`, `channelserver_conn_length_seconds_bucket{le="330"}`,
		`channelserver_message_size_bytes_bucket{le="1.048576e+06"}`,
	} {
		if !strings.Contains(response.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, response.Body)
		}
	}
	problems, err := promlint.New(response.Body).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	if problems, err := testutil.GatherAndLint(m.registry); err != nil || len(problems) > 0 {
		t.Errorf("GatherAndLint: %v, %v", problems, err)
	}
}

func TestTwoInOneProcess(t *testing.T) {
	one, two := newTest(t, Options{}), newTest(t, Options{})
	one.Admitted()
	if got := series(t, two)["conn_create_total"]; got != 0 {
		t.Errorf("the second counted what the first was told: %v", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	m := newTest(t, Options{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				m.Accepted(1)
				m.Watch(Sources{Stats: func() relay.Stats { return relay.Stats{} }})
			}
		})
	}
	for range 10 {
		series(t, m)
	}
	group.Wait()
	if got := series(t, m)["message_accepted_total"]; got != 1600 {
		t.Errorf("got %v messages, want 1600", got)
	}
}
