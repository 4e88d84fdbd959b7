package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flood sends frames until the server has closed, or so many times, then leaves, and returns how it
// ends. The answers are read if they are to be.
func (s *rawSocket) flood(frames []byte, times int, reads bool) (last string) {
	s.t.Helper()
	var sending sync.WaitGroup
	sending.Go(func() {
		for range times {
			if _, err := s.Write(frames); err != nil {
				return // closed
			}
		}
		_, _ = s.Write(leaving())
	})
	if !reads {
		sending.Wait()
	}
	answers, err := s.answers()
	sending.Wait()
	if err != nil || len(answers) == 0 {
		s.t.Errorf("after %d answers: %v", len(answers), err)
		return ""
	}
	return answers[len(answers)-1]
}

// Whoever sends more frames than any client would is closed, and alone in it. The bounds are exact,
// and tested so, in package pairing; here is a hundred times what they allow.
func TestFloodsOfFrames(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0")
	const flood = "close 1008 flood"
	flooded := 0.0
	for _, c := range []struct {
		name         string
		first, frame []byte
		reads        bool
	}{
		{"pings", nil, masked(fin|ping, "ping"), true},
		{"pings that are not answered to anyone", nil, masked(fin|ping, ""), false},
		{"pongs", nil, masked(fin|pong, "pong"), true},
		{"binary messages", nil, masked(fin|binaryData, "ignored"), true},
		{"empty fragments", masked(text, ""), masked(continuation, ""), true},
		{"fragments of one octet", masked(text, "x"), masked(continuation, "x"), true},
		{"binary fragments", masked(binaryData, ""), masked(continuation, "x"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.in(t)
			beside := p.healthyPair()
			b, other := p.pair()
			for range 10 {
				a := p.rawJoin(b.link)
				if _, err := a.Write(c.first); err != nil {
					t.Fatal(err)
				}
				if last := a.flood(bytes.Repeat(c.frame, 1000), 500, c.reads); last != flood {
					t.Errorf("ends with %q, want %q", last, flood)
				}
				flooded++
				talk(b, other)
			}
			p.becomes(`channelserver_conn_closed_total{reason="flood"}`, flooded)
			beside.calm()
		})
	}
}

// Frames of version 2 that carry no message are answered, or not, as long as they come no faster
// than anyone could mind.
func TestFloodsOfVersion2(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0")
	for name, frame := range map[string]string{
		"acknowledgements": `{"type":"ack","seq":1}`,
		"unknown types":    `{"type":"unknown"}`,
		"no JSON":          `{`,
		"a second hello":   `{"type":"hello"}`,
		"an odd number":    `{"type":"send","n":9,"message":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			beside := p.healthyPair()
			a := p.rawUpgrade("/v2/ws/")
			if _, err := a.Write(masked(fin|text, `{"type":"hello"}`)); err != nil {
				t.Fatal(err)
			}
			if welcome, err := a.next(); err != nil || !strings.HasPrefix(welcome, `text {"type":"welcome"`) {
				t.Fatalf("%q, %v", welcome, err)
			}
			if last := a.flood(bytes.Repeat(masked(fin|text, frame), 100), 200, true); last != takesLeave {
				t.Errorf("ends with %q, want %q", last, takesLeave)
			}
			beside.calm()
		})
	}
}

// A channel that is full takes what it may, to the message, and then ends for all in it.
func TestFloodOfMessages(t *testing.T) {
	t.Parallel()
	const most, sent = 20_000, 30_000 // the healthy pair stays under it
	p := start(t, fmt.Sprint("--max_exchanges=", most), "--max_kept=100000000")
	beside := p.healthyPair()
	b := p.join("/v1/ws/")
	a := p.rawJoin(b.link)
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for n := range most {
			var envelope struct{ Message string }
			b.ws.SetReadDeadline(time.Now().Add(patience))
			if err := b.ws.ReadJSON(&envelope); err != nil || envelope.Message != fmt.Sprint(n) {
				t.Errorf("message %d: %q, %v", n, envelope.Message, err)
				return
			}
		}
		b.closed(4013, "too-many-messages")
	})
	var messages []byte
	for n := range sent {
		messages = append(messages, masked(fin|text, fmt.Sprint(n))...)
	}
	if last := a.flood(messages, 1, true); last != "close 4013 too-many-messages" {
		t.Errorf("ends with %q", last)
	}
	hearing.Wait()
	beside.calm()
}

// crowd does something often, from a few clients at once.
func crowd(times int, do func()) {
	const clients = 4
	var tasks sync.WaitGroup
	for range clients {
		tasks.Go(func() {
			for range times / clients {
				do()
			}
		})
	}
	tasks.Wait()
}

// dialRaw connects without saying anything.
func (p *process) dialRaw() (net.Conn, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(p.t.Context(), "tcp", p.address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// request sends octets over a connection of their own and returns the status of the answer. It may
// be called from any goroutine.
func (p *process) request(octets string) (status int, err error) {
	conn, err := p.dialRaw()
	if err != nil {
		return 0, err
	}
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = io.WriteString(conn, octets) }) // the server may not read it all
	defer func() {
		conn.Close()
		sending.Wait()
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, nil
}

// Floods of requests cost their senders only, whatever is wrong with them.
func TestFloodsOfRequests(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0")
	full, _ := p.pair()
	p.join(full.link)
	const unknown = "/v1/ws/AAAAAAAAAAAAAAAAAAAAAA"
	for _, c := range []struct {
		name, octets string
		times        int
		status       int
	}{
		{"handshakes", handshake + "\r\n", 1000, 101},
		{"handshakes for a full channel", strings.Replace(handshake, "/v1/ws/", full.link, 1) + "\r\n", 500, 101},
		{"handshakes for no channel", strings.Replace(handshake, "/v1/ws/", unknown, 1) + "\r\n", 500, 101},
		{"headers that are too large", "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 200, 431},
		{"too many headers", "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 8<<10) + "\r\n", 200, 431},
		{"a handshake with a body", handshake + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1e6), 100, 400},
		{"a handshake with chunks", handshake + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 1000), 100, 400},
		{"bodies", "POST /v1/ws/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + strings.Repeat("x", 1e6), 100, 426},
		{"bodies for nobody", "POST /v2/channels/AAAAAAAAAAAAAAAAAAAAAA/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + strings.Repeat("x", 1e6), 100, 404},
		{"no HTTP", strings.Repeat("\x00\xff", 1000) + "\r\n\r\n", 500, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.in(t)
			beside := p.healthyPair()
			crowd(c.times, func() {
				if status, err := p.request(c.octets); err != nil || status != c.status {
					t.Errorf("status %d, %v; want %d", status, err, c.status)
				}
			})
			beside.calm()
		})
	}
}

// Handshakes that are begun and not ended keep nobody else out.
func TestHalfOpenHandshakes(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0")
	beside := p.healthyPair()
	var open []net.Conn
	for n := range 600 {
		conn, err := p.dialRaw()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		open = append(open, conn)
		if _, err := io.WriteString(conn, (handshake + "X: ")[:n%len(handshake)]); err != nil {
			t.Fatal(err)
		}
	}
	for n, conn := range open { // they go on, slowly
		_, _ = io.WriteString(conn, "x")
		if n%100 == 0 {
			talk(p.pair())
		}
	}
	beside.calm()
}

// pipes is a listener for connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error { close(p); return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that sends its request octet by octet is shut within 5 s, whether or not it was good
// before; so is one that says nothing. A body may take 10 s from the start.
func TestSlowRequests(t *testing.T) {
	const patient, head, all = 100 * time.Millisecond, 5 * time.Second, 10 * time.Second
	for name, c := range map[string]struct {
		before, drip string
		most         time.Duration
	}{
		"nothing":                   {"", "", head},
		"a request line":            {"", "GET /" + strings.Repeat("x", 1000), head},
		"a header":                  {"GET / HTTP/1.1\r\nHost: x\r\nX: ", strings.Repeat("x", 1000), head},
		"a header after a request":  {"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n", "X: " + strings.Repeat("x", 1000), head},
		"a body":                    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", strings.Repeat("x", 1000), all},
		"a body in pieces":          {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 1000), all},
		"a handshake with a header": {handshake + "X: ", strings.Repeat("x", 1000), head},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := make(pipes)
				server := newPublicServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
				}), slog.New(slog.DiscardHandler))
				var tasks sync.WaitGroup
				tasks.Go(func() { _ = server.Serve(listener) })
				here, there := net.Pipe()
				listener <- there
				start := time.Now()
				tasks.Go(func() {
					_, _ = io.WriteString(here, c.before)
					for octet := range len(c.drip) {
						time.Sleep(patient)
						if _, err := io.WriteString(here, c.drip[octet:octet+1]); err != nil {
							return
						}
					}
				})
				_, _ = io.Copy(io.Discard, here)
				if took := time.Since(start); took > c.most {
					t.Errorf("shut after %v, want at most %v", took, c.most)
				}
				here.Close()
				_ = server.Close()
				tasks.Wait()
			})
		})
	}
}

// Clients that read nothing are closed as slow when the write timeout is over; the others in their
// channel miss nothing.
func TestZeroWindows(t *testing.T) {
	t.Parallel()
	const peers, messages = 8, 200
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0", "--write_timeout=5s", "--max_kept=100000000", "--max_channel_connections=10")
	beside := p.healthyPair()
	a, b := p.pair()
	for range peers {
		if err := p.rawJoin(a.link).Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		message := fmt.Sprint(n, strings.Repeat(" .", 30_000))
		a.send(message)
		b.hears(message)
	}
	p.becomes(`channelserver_conn_closed_total{reason="slow"}`, peers)
	talk(a, b)
	p.becomes("channelserver_connections", 4)
	beside.calm()
}
