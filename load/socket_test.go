package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Frames of all lengths go to a server of another make and come back.
func TestFrames(t *testing.T) {
	t.Parallel()
	d := serve(t, func(_ string, ws *websocket.Conn) {
		for {
			kind, text, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, text) != nil {
				return
			}
		}
	})
	s, err := dialWebSocket(t.Context(), d, "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 7, 125, 126, 127, 600, bufferSize - 4, bufferSize, 65535, 65536, 200_000} {
		want := newMessage(size)
		for range 3 {
			s.out = appendFrame(s.out, opText, want)
		}
		if err := s.write(); err != nil {
			t.Fatal(err)
		}
		s.out = s.out[:0]
		for range 3 {
			if got, err := s.readText(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d octets: %v, got %d octets", size, err, len(got))
			}
		}
	}
	if err := s.close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// Pings are answered with what they carry, by Receive, and by a Keeper for connections that are idle.
func TestPings(t *testing.T) {
	t.Parallel()
	pongs := make(chan string, 8)
	d := serve(t, func(path string, ws *websocket.Conn) {
		ws.SetPongHandler(func(text string) error {
			pongs <- text
			return ws.WriteMessage(websocket.TextMessage, []byte(`{"message":"thanks"}`))
		})
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"link":"/x","channelid":"x"}`))
		_ = ws.WriteControl(websocket.PingMessage, []byte("one"), time.Time{})
		_ = ws.WriteControl(websocket.PingMessage, []byte(strings.Repeat("2", 125)), time.Time{})
		_, _, _ = ws.ReadMessage()
	})
	p := openPair(t, V1{}, d)
	for range 2 {
		if got, err := p.A.Receive(); err != nil || string(got) != "thanks" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	for _, want := range []string{"one", strings.Repeat("2", 125)} {
		if got := <-pongs; got != want {
			t.Errorf("pong %q", got)
		}
	}
	lost := make(chan error, 1)
	k, err := Keep([]Conn{p.B}, func(err error) { lost <- err })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		<-pongs
	}
	// Its messages are not what an idle connection expects.
	if err := <-lost; !errors.Is(err, errWrongMessage) {
		t.Errorf("lost with %v", err)
	}
	k.Stop()
}

// A Keeper tells with what a connection was closed, and goes on with the others.
func TestKeeper(t *testing.T) {
	t.Parallel()
	server, _ := startServer(t, "--conn_lifespan=6", "--heartbeat_interval=1", "--client_timeout=5")
	for _, door := range []Door{V1{}, V2{}} {
		t.Run(fmt.Sprintf("%T", door), func(t *testing.T) {
			t.Parallel()
			pairs, err := OpenPairs(t.Context(), door, server, 3, nil)
			if err != nil {
				t.Fatal(err)
			}
			var conns []Conn
			for _, p := range pairs {
				conns = append(conns, p.A, p.B)
			}
			lost := make(chan error, 10)
			k, err := Keep(conns, func(err error) { lost <- err })
			if err != nil {
				t.Fatal(err)
			}
			for range conns {
				if got := Kind(<-lost); got != "closed with 4008 channel-expired" {
					t.Errorf("lost: %s", got)
				}
			}
			k.Stop()
			if err := ClosePairs(pairs); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closing what was lost: %v", err)
			}
		})
	}
}

// When one connection is lost, a Keeper goes on with the right ones.
func TestKeeperParts(t *testing.T) {
	t.Parallel()
	pongs := make(chan string, 4)
	pingOthers := make(chan struct{})
	d := serve(t, func(path string, ws *websocket.Conn) {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"link":"/second","channelid":"x"}`))
		ws.SetPongHandler(func(text string) error {
			pongs <- text
			return nil
		})
		if path == "/second" {
			return
		}
		<-pingOthers
		_ = ws.WriteControl(websocket.PingMessage, []byte(path), time.Time{})
		_, _, _ = ws.ReadMessage()
	})
	first, second := openPair(t, V1{}, d), openPair(t, V1{}, d)
	lost := make(chan error, 4)
	k, err := Keep([]Conn{first.B, first.A, second.B, second.A}, func(err error) { lost <- err })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := Kind(<-lost); got != "ended without a close frame" {
			t.Errorf("lost: %s", got)
		}
	}
	close(pingOthers)
	for range 2 {
		<-pongs
	}
	k.Stop()
	if len(lost) > 0 {
		t.Errorf("lost: %v", <-lost)
	}
}

// A server may answer a close frame by ending the connection.
func TestUnansweredClose(t *testing.T) {
	t.Parallel()
	d := serve(t, func(_ string, ws *websocket.Conn) {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"link":"/second","channelid":"x"}`))
		ws.SetCloseHandler(func(int, string) error { return nil })
		_, _, _ = ws.ReadMessage()
	})
	p := openPair(t, V1{}, d)
	if err := p.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// What a server answers instead of an upgrade is told.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer, want string
	}{
		"status":    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n", "refused with 503 Service Unavailable"},
		"not HTTP":  {"220 mail.example ESMTP\r\n\r\n", "the answer is not HTTP"},
		"no accept": {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "Sec-WebSocket-Accept"},
		"endless":   {strings.Repeat("x", maxAnswer+1), "the answer is not HTTP"},
		"cut":       {"HTTP/1.1 101", "ended without a close frame"},
		"nothing":   {"", "ended without a close frame"},
		"no link":   {"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: " + handshakeAccept + "\r\n\r\n\x81\x02{}", `"link" in the frame "{}"`},
		"masked":    {"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: " + handshakeAccept + "\r\n\r\n\x81\x82{}", "masked"},
		"closed":    {"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: " + handshakeAccept + "\r\n\r\n\x88\x06\x0f\xa3full", "closed with 4003 full"},
		"no code":   {"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: " + handshakeAccept + "\r\n\r\n\x88\x00", "closed with 1005"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, c.answer)
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}))
			defer server.Close()
			_, _, err := V1{}.Open(t.Context(), dialerFor(t, server.URL))
			if got := Kind(err); !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// An opening that the server does not answer ends with its context.
func TestOpenGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	d := serve(t, func(_ string, ws *websocket.Conn) {
		cancel()
		_, _, _ = ws.ReadMessage()
	})
	if _, err := OpenPairs(ctx, V1{}, d, 3, nil); !errors.Is(err, context.Canceled) || Kind(err) != "interrupted" {
		t.Errorf("%v, %s", err, Kind(err))
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	d := serveTLS(t, (&room{say: once}).handle)
	p := openPair(t, V1{}, d)
	if err := NewLane(p.A, p.B, 512, 0).Burst(5); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.A.NetConn().(*net.TCPConn); !ok {
		t.Errorf("under TLS there is a %T", p.A.NetConn())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	d.TLS.RootCAs = nil
	if _, _, err := (V1{}).Open(t.Context(), d); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody known: %v", err)
	}
}

func TestNewDialer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, address, host, prefix string
		secure                     bool
	}{
		{"ws://127.0.0.1:8000", "127.0.0.1:8000", "127.0.0.1:8000", "", false},
		{"http://127.0.0.1/base/", "127.0.0.1:80", "127.0.0.1", "/base", false},
		{"wss://[::1]", "[::1]:443", "[::1]", "", true},
		{"https://192.0.2.1:1/", "192.0.2.1:1", "192.0.2.1:1", "", true},
	} {
		d, err := NewDialer(t.Context(), c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if d.Address != c.address || d.Host != c.host || d.Prefix != c.prefix || (d.TLS != nil) != c.secure {
			t.Errorf("%s: %+v", c.url, d)
		}
		if loopback := !strings.Contains(c.url, "192"); d.Loopback() != loopback {
			t.Errorf("%s: loopback is %t", c.url, d.Loopback())
		}
	}
	for _, bad := range []string{"", "127.0.0.1:8000", "ftp://127.0.0.1", "ws://", "ws://u:p@127.0.0.1", "ws://127.0.0.1/?x", "ws://127.0.0.1/#x", "ws://%", "ws://no.such.host.invalid"} {
		if _, err := NewDialer(t.Context(), bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// Connections to loopback come from several addresses.
func TestSources(t *testing.T) {
	t.Parallel()
	if !manyLoopbacks {
		t.Log("there is one loopback address here")
		return
	}
	from := make(chan string, 2)
	p := openPair(t, V1{}, serve(t, func(_ string, ws *websocket.Conn) {
		host, _, _ := net.SplitHostPort(ws.RemoteAddr().String())
		from <- host
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"link":"/x","channelid":"x"}`))
		_, _, _ = ws.ReadMessage()
	}))
	if a, b := <-from, <-from; a == b || !strings.HasPrefix(a, "127.0.1.") || p.A == nil {
		t.Errorf("from %s and %s", a, b)
	}
}

// FuzzReadText reads whatever a server may send. Texts that come out must be in what went in, and little memory is taken.
func FuzzReadText(f *testing.F) {
	for _, seed := range []string{
		"\x81\x02hi", "\x81\x7e\x00\x02hi", "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02hi", "\x89\x01x\x8a\x00\x81\x00", "\x88\x02\x03\xe8", "\x88\x00",
		"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\x7f\x00\x00\x00\x00\x02\x00\x00\x01", "\x01\x02hi", "\x81\x82hi", "\xc1\x00", "\x83\x00", "\x81", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := &scriptConn{Reader: bytes.NewReader(sent)}
		s := &socket{conn: conn, raw: conn}
		texts := 0
		for {
			text, err := s.readText()
			if err != nil {
				break
			}
			texts++
			if !bytes.Contains(sent, text) {
				t.Fatalf("%q came out of %q", text, sent)
			}
		}
		if 2*texts > len(sent) || len(s.in) > bufferSize+2*len(sent) || conn.written > 140*(len(sent)/2+1) {
			t.Errorf("%d texts, a buffer of %d and %d octets written for %d", texts, len(s.in), conn.written, len(sent))
		}
		s.cut()
	})
}

// A scriptConn reads what was written before.
type scriptConn struct {
	net.Conn
	io.Reader
	written int
}

func (c *scriptConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
func (c *scriptConn) Close() error               { return nil }

func (c *scriptConn) Write(p []byte) (int, error) {
	c.written += len(p)
	return len(p), nil
}

// A seat is acknowledged after so many messages, or octets, and not more often.
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	for size, every := range map[int]int{16: ackMessages, ackOctets / 4: 4} {
		conn := &scriptConn{}
		c := &connV2{ws: &socket{conn: conn}}
		for n := 1; n <= 3*every; n++ {
			before := conn.written
			frame := fmt.Appendf(nil, `{"type":"message","seq":%d,"from":1,"message":"%s"}`, n, newMessage(size))
			if got, err := c.receive(frame); err != nil || len(got) != size {
				t.Fatalf("%d octets, %v", len(got), err)
			}
			if acknowledged := conn.written > before; acknowledged != (n%every == 0) {
				t.Errorf("%d octets: message %d is acknowledged: %t", size, n, acknowledged)
			}
		}
	}
}

// FuzzMessageOf takes messages out of frames of any make, without a panic; those without escapes as they stand there.
func FuzzMessageOf(f *testing.F) {
	for _, seed := range []string{
		`{"message":"abc","sender":{}}`, `{"sender":{},"message":"abc"}`, `{ "message" : "a\"b" }`, `{"message":`, `{"message":"abc`, `{"message":1}`, `{}`, ``,
		`{"type":"message","seq":1,"from":2,"message":"abc"}`, `{"type":"message","seq":99999999999999999999,"from":2,"message":"abc"}`, `{"type":"message"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if got, err := messageOf(frame, `{"message":"`); err == nil && bytes.HasPrefix(frame, []byte(`{"message":"`)) && !bytes.Contains(frame, got) {
			t.Errorf("%q out of %q", got, frame)
		}
		if hasType(frame, "message") {
			c := &connV2{ws: &socket{conn: &scriptConn{}}}
			if got, err := c.receive(frame); err == nil && !bytes.Contains(frame, got) {
				t.Errorf("%q out of %q", got, frame)
			}
		}
	})
}
