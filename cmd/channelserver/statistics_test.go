package main

import (
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// counted returns the series of this server that count and are not zero, and the gauges of what
// lives. Names are without what they all begin with.
func (p *process) counted() map[string]float64 {
	p.t.Helper()
	found := make(map[string]float64)
	for name, value := range p.series() {
		name, ours := strings.CutPrefix(name, "channelserver_")
		switch {
		case !ours, value == 0, strings.Contains(name, "_bucket{"), strings.HasPrefix(name, "build_info{"),
			name == "conn_length_seconds_sum", name == "relay_time_seconds_sum":
			continue
		}
		found[name] = value
	}
	return found
}

// counts waits until the server has counted exactly this.
func (p *process) counts(want map[string]float64) {
	p.t.Helper()
	var got map[string]float64
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if got = p.counted(); maps.Equal(got, want) {
			return
		}
	}
	for name := range want {
		if got[name] != want[name] {
			p.t.Errorf("%s is %v, want %v", name, got[name], want[name])
		}
	}
	for name := range got {
		if want[name] == 0 {
			p.t.Errorf("%s is %v, want 0", name, got[name])
		}
	}
}

// TestStatistics plays everything that can happen to a channel and wants each thing counted once.
func TestStatistics(t *testing.T) {
	t.Parallel()
	statsd, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { statsd.Close() })
	p := start(t, "--max_exchanges=3", "--max_data=1000", "--max_message_size=2000", "--statsd_host="+statsd.LocalAddr().String(), "--metric_name=test")
	p.counts(map[string]float64{})

	a, b := p.pair()
	p.counts(map[string]float64{
		"conn_create_total": 2, `conn_request_total{kind="new"}`: 1, `conn_request_total{kind="existing"}`: 1,
		"connections": 2, "channels": 1,
	})
	talk(a, b) // 8 octets
	if err := a.ws.WriteMessage(websocket.BinaryMessage, []byte("ignored")); err != nil {
		t.Fatal(err)
	}
	a.bye()
	b.bye()

	a, b = p.pair() // a message too many
	for range 3 {
		a.send("again")
		b.hears("again")
	}
	b.send("too many")
	a.closed(4013, "too-many-messages")
	b.closed(4013, "too-many-messages")

	a, b = p.pair() // an octet too much
	a.send(strings.Repeat("x", 1000))
	b.hears(strings.Repeat("x", 1000))
	b.send("x")
	a.closed(4014, "too-much-data")
	b.closed(4014, "too-much-data")

	a, b = p.pair() // a seat too many, a bad message, one too big
	c := p.join(a.link)
	p.refused(a.link, 4011, "channel-full")
	a.send("\xff")
	a.closed(1007, "bad-payload")
	b.send(strings.Repeat("x", 2001))
	b.closed(1009, "message-too-big")
	if err := c.ws.NetConn().(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.ws.NetConn().Close() // a reset

	p.refused("/v1/ws/no-id", 4001, "bad-channel-id")
	p.refused("/v1/ws/AAAAAAAAAAAAAAAAAAAAAA", 4004, "no-such-channel")

	p.counts(map[string]float64{
		"conn_create_total":                               9,
		`conn_request_total{kind="new"}`:                  4,
		`conn_request_total{kind="existing"}`:             7,
		`conn_request_total{kind="bad-id"}`:               1,
		`conn_closed_total{reason="bye"}`:                 2,
		`conn_closed_total{reason="too-many-messages"}`:   2,
		`conn_closed_total{reason="too-much-data"}`:       2,
		`conn_closed_total{reason="bad-payload"}`:         1,
		`conn_closed_total{reason="message-too-big"}`:     1,
		`conn_closed_total{reason="lost"}`:                1,
		`conn_closed_total{reason="channel-full"}`:        1,
		`conn_closed_total{reason="bad-channel-id"}`:      1,
		`conn_closed_total{reason="no-such-channel"}`:     1,
		"conn_max_conn_total":                             1,
		"conn_max_msg_total":                              1,
		"conn_max_data_total":                             1,
		"conn_length_seconds_count":                       9,
		`channel_ended_total{reason="bye"}`:               2,
		`channel_ended_total{reason="too-many-messages"}`: 1,
		`channel_ended_total{reason="too-much-data"}`:     1,
		"message_accepted_total":                          6,
		"message_ignored_total":                           1,
		"message_size_bytes_count":                        6,
		"message_size_bytes_sum":                          8 + 15 + 1000,
		"relay_time_seconds_count":                        6,
	})
	if held := p.metric("channelserver_buffered_bytes"); held != 0 {
		t.Errorf("%v octets are held for channels that are gone", held)
	}

	statsd.SetReadDeadline(time.Now().Add(patience))
	for packet, seen := make([]byte, 1<<16), ""; !strings.Contains(seen, "test.conn.closed.no-such-channel:1|c"); {
		n, err := statsd.Read(packet)
		if err != nil {
			t.Fatalf("%v; statsd has got:\n%s", err, seen)
		}
		seen += string(packet[:n]) + "\n"
	}
}

// refused opens a WebSocket that is to be refused with a close code.
func (p *process) refused(path string, code int, reason string) {
	p.t.Helper()
	c, response := p.dial(path)
	if c == nil {
		p.t.Fatalf("%s: %s", path, response.Status)
	}
	c.closed(code, reason)
}

// What time ends is counted too.
func TestStatisticsOfTime(t *testing.T) {
	t.Parallel()
	t.Run("lifespan", func(t *testing.T) {
		t.Parallel()
		p := start(t, "--conn_lifespan=500ms")
		lone := p.join("/v1/ws/")
		lone.closed(4008, "channel-expired")
		p.counts(map[string]float64{
			"conn_create_total": 1, `conn_request_total{kind="new"}`: 1, "conn_length_seconds_count": 1,
			`conn_closed_total{reason="channel-expired"}`: 1, `channel_ended_total{reason="channel-expired"}`: 1, "conn_expired_total": 1,
		})
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		p := start(t, "--client_timeout=500ms", "--heartbeat_interval=100ms")
		silent := p.join("/v1/ws/")
		silent.ws.SetPingHandler(func(string) error { return nil })
		silent.closed(4010, "client-timeout")
		p.counts(map[string]float64{
			"conn_create_total": 1, `conn_request_total{kind="new"}`: 1, "conn_length_seconds_count": 1,
			`conn_closed_total{reason="client-timeout"}`: 1, `channel_ended_total{reason="bye"}`: 1, "conn_timeout_total": 1,
		})
	})
}
