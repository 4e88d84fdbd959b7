package metrics

import (
	"bytes"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/relay"
)

// listen returns a loopback socket in the place of a statsd server.
func listen(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// received returns the lines that arrived so far. It sends itself a mark and reads up to it:
// loopback delivers in order, so nothing is waited for.
func received(t *testing.T, conn *net.UDPConn) []string {
	t.Helper()
	const mark = "mark"
	if _, err := conn.WriteTo([]byte(mark), conn.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	packet := make([]byte, 65536)
	for {
		n, err := conn.Read(packet)
		if err != nil {
			t.Fatal(err)
		}
		if string(packet[:n]) == mark {
			return lines
		}
		lines = append(lines, strings.Split(string(packet[:n]), "\n")...)
	}
}

// newConnected returns a Metrics whose client has reached the server: a Close before that would
// drop what was counted. The first packet was read.
func newConnected(t *testing.T, server *net.UDPConn, name string) *Metrics {
	t.Helper()
	m := newTest(t, Options{StatsdHost: server.LocalAddr().String(), StatsdName: name})
	m.Admitted()
	packet := make([]byte, 65536)
	n, err := server.Read(packet)
	if err != nil {
		t.Fatal(err)
	}
	prefix := ""
	if name != "" {
		prefix = name + "."
	}
	if got, want := string(packet[:n]), prefix+"conn.create:1|c"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	return m
}

func TestStatsdLines(t *testing.T) {
	server := listen(t)
	m := newConnected(t, server, "pair")
	var want []string
	for _, event := range events() {
		event.call(m)
		for _, line := range event.statsd {
			want = append(want, "pair."+line)
		}
	}
	m.Close()
	// One event may send its lines in any order.
	got := received(t, server)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestStatsdWithoutName(t *testing.T) {
	server := listen(t)
	m := newConnected(t, server, "")
	m.Panicked()
	m.Close()
	if got := received(t, server); !slices.Equal(got, []string{"panic:1|c"}) {
		t.Errorf("got %q", got)
	}
}

func TestStatsdGaugesEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := listen(t)
		m, err := New(Options{StatsdHost: server.LocalAddr().String(), StatsdName: "pair"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		m.Watch(Sources{Stats: func() relay.Stats { return relay.Stats{Connections: 2, Channels: 1, Octets: 512} }})
		time.Sleep(19 * time.Second)
		m.Close() // and nothing is left running, or the bubble would not end
		want := []string{
			"pair.connections:0|g", "pair.channels:0|g", "pair.buffered.bytes:0|g",
			"pair.connections:2|g", "pair.channels:1|g", "pair.buffered.bytes:512|g",
		}
		if got := received(t, server); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// tooLong is a host name that no resolver looks up (RFC 1035 section 2.3.4).
var tooLong = strings.Repeat("x", 64) + ".invalid"

// Each of these would hang, were a caller to wait for the network.
func TestNoStatsdHostBlocks(t *testing.T) {
	closed := listen(t)
	closed.Close()
	for name, host := range map[string]string{
		"no such host":  tooLong,
		"nobody there":  closed.LocalAddr().String(),
		"never reading": listen(t).LocalAddr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer // written by the client's one goroutine, read after Close
			m := newTest(t, Options{StatsdHost: host, Log: slog.New(slog.NewTextHandler(&out, nil))})
			const messages = 100_000
			for range messages {
				m.Accepted(512)
			}
			m.Close()
			if got := series(t, m)["message_accepted_total"]; got != messages {
				t.Errorf("Prometheus has %v messages, want %d", got, messages)
			}
			if host != tooLong {
				return // the kernel may take everything
			}
			if m.statsd.client.GetLostPackets() == 0 {
				t.Error("no packet was dropped, so the queue was never full and this shows nothing")
			}
			if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), tooLong+":8125") {
				t.Errorf("got %d lines, want one that names the host:\n%s", lines, out.String())
			}
		})
	}
}

func TestComplaintsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := newComplaints(slog.New(slog.NewTextHandler(&out, nil)), "host:8125")
		for range 720 { // the client tries again every 5 s; for an hour
			c.Printf("[STATSD] Error connecting to server: %s", "no such host")
			time.Sleep(5 * time.Second)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 60 {
			t.Errorf("got %d lines in an hour, want 60:\n%s", lines, out.String())
		}
		want := `level=WARN msg="statsd: statistics are being lost" statsd_host=host:8125 problem="Error connecting to server: no such host"`
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s", out.String())
		}
	})
}

func TestObserverOutlivesClose(t *testing.T) {
	m := newTest(t, Options{StatsdHost: listen(t).LocalAddr().String()})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5000 {
				m.Accepted(512)
				m.Relayed(time.Millisecond)
			}
		})
	}
	m.Close()
	m.Close()
	group.Wait()
	if got := series(t, m)["message_accepted_total"]; got != 20000 {
		t.Errorf("got %v messages, want 20000", got)
	}
}

func TestStatsdAddress(t *testing.T) {
	for host, want := range map[string]string{
		"localhost":         "localhost:8125",
		"localhost:9125":    "localhost:9125",
		"10.0.0.1":          "10.0.0.1:8125",
		"10.0.0.1:1":        "10.0.0.1:1",
		"::1":               "[::1]:8125",
		"[::1]":             "[::1]:8125",
		"[::1]:65535":       "[::1]:65535",
		"":                  "",
		":8125":             "",
		"host:":             "",
		"host:0":            "",
		"host:65536":        "",
		"host:x":            "",
		"a:b:c":             "",
		"http://host:8125/": "",
		"two words":         "",
	} {
		got, err := statsdAddress(host)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", host, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "statsd_host \""+host+"\"") {
			t.Errorf("error does not name setting and value: %v", err)
		}
	}
}

func TestStatsdPrefix(t *testing.T) {
	for name, want := range map[string]string{"": "", "pair": "pair.", "a.b": "a.b.", "a.b.": "a.b."} {
		if got, err := statsdPrefix(name); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"a:b", "a|b", "a b", "a\nb", "é", strings.Repeat("x", 201)} {
		if got, err := statsdPrefix(name); err == nil || !strings.Contains(err.Error(), "metric_name") {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}

func TestNewRefusesBadStatsdSettings(t *testing.T) {
	for _, opts := range []Options{{StatsdHost: "host:0"}, {StatsdHost: "localhost", StatsdName: "a b"}} {
		if m, err := New(opts); err == nil {
			m.Close()
			t.Errorf("%+v was taken", opts)
		}
	}
}
