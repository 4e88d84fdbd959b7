package front

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const plain = "GET /v1/ws/ HTTP/1.1\r\nHost: a.example:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAccept: */*\r\n\r\n"

// A line is a listener whose connections are pipes.
type line struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *line) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		if conn == nil {
			return nil, io.ErrNoProgress
		}
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *line) Close() error   { close(l.closed); return nil }
func (l *line) Addr() net.Addr { return &net.TCPAddr{} }

func (l *line) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

// world runs a test with a front before an http.Server that says "other".
func world(t *testing.T, f *Front, test func(l *line, states map[http.ConnState]int)) {
	synctest.Test(t, func(t *testing.T) {
		states := make(map[http.ConnState]int)
		events := make(chan http.ConnState)
		counted := make(chan struct{})
		go func() {
			defer close(counted)
			for state := range events {
				states[state]++
			}
		}()
		f.Prefixes, f.Timeout = []string{"/v1/ws", "/v2/ws"}, 5*time.Second
		f.ConnState = func(_ net.Conn, state http.ConnState) { events <- state }
		l := &line{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "other") }), ReadHeaderTimeout: f.Timeout}
		served := make(chan error)
		go func() { served <- server.Serve(f.Listen(l)) }()
		test(l, states)
		server.Close()
		<-served
		synctest.Wait()
		close(events)
		<-counted
		if left := states[http.StateNew] - states[http.StateClosed] - states[http.StateHijacked]; left != 0 {
			t.Errorf("%d connections are not accounted for: %v", left, states)
		}
	})
}

func ask(t *testing.T, conn net.Conn, head string) (status int, body string) {
	t.Helper()
	go io.WriteString(conn, head)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	octets, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return response.StatusCode, string(octets)
}

func TestRequests(t *testing.T) {
	f := &Front{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "handshake "+r.Host, http.StatusTeapot)
	})}
	world(t, f, func(l *line, _ map[http.ConnState]int) {
		for head, want := range map[string]string{
			plain:                                 "418 handshake a.example:80\n",
			strings.Replace(plain, "v1", "v2", 1): "418 handshake a.example:80\n",
			strings.Replace(plain, "websocket", "WebSocket", 1):                       "418 handshake a.example:80\n",
			strings.Replace(plain, "v1", "v3", 1):                                     "200 other",
			strings.Replace(plain, "GET", "POST", 1):                                  "200 other",
			strings.Replace(plain, "Upgrade: websocket\r\n", "", 1):                   "200 other",
			strings.Replace(plain, "Accept: */*", "Content-Length: 0", 1):             "200 other",
			strings.Replace(plain, "Accept: */*", "Accept: \x01", 1):                  "400 400 Bad Request",
			strings.Replace(plain, "Accept: */*", "Host: b", 1):                       "400 400 Bad Request",
			strings.Replace(plain, "Accept: */*", strings.Repeat("a", 1<<21), 1):      "431 431 Request Header Fields Too Large",
			strings.Replace(plain, "HTTP/1.1", "HTTP/7.0", 1):                         "505 505 HTTP Version Not Supported: unsupported protocol version",
			strings.Replace(plain, "Accept: */*", "A: "+strings.Repeat("a", 5000), 1): "200 other",
		} {
			conn := l.dial()
			status, body := ask(t, conn, head)
			if got := fmt.Sprintf("%d %s", status, body); got != want {
				t.Errorf("%.60q: got %q, want %q", head, got, want)
			}
			conn.Close()
		}
	})
}

func TestHijack(t *testing.T) {
	f := &Front{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffers, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if n := buffers.Reader.Buffered(); n != len("early") {
			t.Errorf("%d octets are buffered", n)
		}
		text := make([]byte, len("early and late"))
		_, err = io.ReadFull(buffers, text)
		fmt.Fprintf(conn, "%s %v", text, err)
		conn.Close()
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("it was taken over twice")
		}
	})}
	world(t, f, func(l *line, _ map[http.ConnState]int) {
		conn := l.dial()
		go func() {
			for _, part := range []string{plain[:20], plain[20:30], plain[30:] + "early", " and late"} {
				io.WriteString(conn, part)
			}
		}()
		if got, err := io.ReadAll(conn); string(got) != "early and late <nil>" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestSlowHead(t *testing.T) {
	world(t, new(Front), func(l *line, _ map[http.ConnState]int) {
		for _, begin := range []string{"", plain[:4], plain[:40]} {
			start := time.Now()
			conn := l.dial()
			if begin != "" {
				io.WriteString(conn, begin)
			}
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%q: %v", begin, err)
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("%q: closed after %v", begin, took)
			}
		}
		// What turns out late to be no handshake has what is left of the time.
		start := time.Now()
		conn := l.dial()
		io.WriteString(conn, plain[:9])
		time.Sleep(4 * time.Second) // of synctest
		io.WriteString(conn, "x")
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("no handshake: closed after %v", took)
		}
	})
}

func TestPanic(t *testing.T) {
	var said strings.Builder
	f := &Front{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault") }), ErrorLog: log.New(&said, "", 0)}
	world(t, f, func(l *line, _ map[http.ConnState]int) {
		conn := l.dial()
		io.WriteString(conn, plain)
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	})
	if !strings.HasPrefix(said.String(), "http: panic serving ") || !strings.Contains(said.String(), "a fault") {
		t.Errorf("the log says %q", &said)
	}
}

func TestErrorsOfAccepting(t *testing.T) {
	l := &line{make(chan net.Conn), make(chan struct{})}
	others := new(Front).Listen(l)
	go func() { l.conns <- nil }()
	if _, err := others.Accept(); err != io.ErrNoProgress {
		t.Errorf("got %v", err)
	}
	others.Close()
	if _, err := others.Accept(); err != net.ErrClosed {
		t.Errorf("got %v", err)
	}
}

// FuzzHead holds that net/http would take all that the front takes.
func FuzzHead(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(strings.Replace(plain, "*/*", "\x80\xff", 1)))
	f.Add([]byte(strings.Replace(plain, " HTTP", "\t HTTP", 1)))
	f.Add([]byte(strings.Replace(plain, "a.example", "[::1]", 1)))
	f.Add([]byte(strings.Replace(plain, "Accept", "sec-WebSocket-key:a\r\nSec-WebSocket-Key:\t b \r\nX-Y: c\r\nx-y:d\r\nX-Y:\r\nSec-WebSocket-Version", 1)))
	f.Add([]byte(strings.Replace(plain, "Accept: */*", "Pragma: no-cache", 1)))
	f.Add([]byte(strings.Replace(plain, "ws/", "ws/%20a;b?c=%64#e", 1)))
	f.Fuzz(func(t *testing.T, head []byte) {
		d := desks.New().(*desk)
		if len(head) > len(d.head) || !strings.HasSuffix(string(head), "\r\n\r\n") || strings.Index(string(head), "\r\n\r\n") != len(head)-4 {
			return
		}
		copy(d.head[:], head)
		request := d.parse(len(head))
		if request == nil {
			return
		}
		ours, theirs := net.Pipe()
		l := &line{make(chan net.Conn, 1), make(chan struct{})}
		l.conns <- theirs
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if request.Header["Cache-Control"] == nil && r.Header.Get("Pragma") == "no-cache" {
				delete(r.Header, "Cache-Control") // which net/http makes up
			}
			same := r.Host == request.Host && r.RequestURI == request.RequestURI && reflect.DeepEqual(r.URL, request.URL) &&
				r.Method == request.Method && r.Proto == request.Proto && r.ProtoAtLeast(request.ProtoMajor, request.ProtoMinor) &&
				maps.EqualFunc(r.Header, request.Header, slices.Equal)
			if !same {
				t.Errorf("%q is read as %+v, by net/http as %+v", head, request, r)
			}
			w.WriteHeader(http.StatusTeapot)
		}), ErrorLog: log.New(io.Discard, "", 0)}
		done := make(chan error)
		go func() { done <- server.Serve(l) }()
		if status, body := ask(t, ours, string(head)); status != http.StatusTeapot {
			t.Errorf("%q: net/http answers %d %s", head, status, body)
		}
		ours.Close()
		server.Close()
		<-done
	})
}
