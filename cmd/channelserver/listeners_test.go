package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wants are the security headers of every answer that is not a page.
func wants() map[string]string {
	return map[string]string{
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		"X-Content-Type-Options":    "nosniff",
		"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":           "no-referrer",
		"Cache-Control":             "no-store",
	}
}

func TestPublicListener(t *testing.T) {
	t.Parallel()
	p := start(t, "--allowed_origins=https://pair.example")
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/__heartbeat__", 200},
		{"HEAD", "/__heartbeat__", 200},
		{"GET", "/__lbheartbeat__", 200},
		{"GET", "/__version__", 200},
		{"POST", "/__heartbeat__", 405},
		{"POST", "/__lbheartbeat__", 405},
		{"DELETE", "/__version__", 405},
		{"GET", "/v1/ws", 426},
		{"GET", "/v1/ws/", 426},
		{"POST", "/v1/ws/", 426},
		{"GET", "/v1/ws/AAAAAAAAAAAAAAAAAAAAAA", 426},
		{"GET", "/v1/wss", 404},
		{"GET", "/metrics", 404},
		{"GET", "/debug/pprof/", 404},
		{"GET", "/debug/pprof/heap", 404},
		{"GET", "/__heartbeat__/", 404},
		{"GET", "/favicon.ico", 404},
	} {
		a := fetch(t, c.method, "http://"+p.address+c.path)
		if a.status != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, a.status, c.status)
		}
		for name, want := range wants() {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.path, name, got, want)
			}
		}
		if a.status == 426 && a.header.Get("Upgrade") != "websocket" {
			t.Errorf("%s: 426 without Upgrade", c.path)
		}
	}
	if made := p.metric("channelserver_channels"); made != 0 {
		t.Errorf("%v channels without an upgrade", made)
	}
	if _, response := p.dial("/v1/ws/", "Origin", "https://evil.example"); response.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin: %s", response.Status)
	}
	p.join("/v1/ws/", "Origin", "https://pair.example")
}

// The bodies are those of Dockerflow.
func TestDockerflow(t *testing.T) {
	t.Parallel()
	p := start(t)
	var version struct{ Source, Version, Commit, Build *string }
	a := p.get("/__version__")
	if err := json.Unmarshal([]byte(a.body), &version); err != nil || a.header.Get("Content-Type") != "application/json" ||
		version.Source == nil || version.Version == nil || version.Commit == nil || version.Build == nil || *version.Version == "" || *version.Build == "" {
		t.Errorf("/__version__: %v, %+v", err, a)
	}
	var heartbeat struct {
		Status, Version string
		Checks          map[string]string
	}
	if a := p.get("/__heartbeat__"); json.Unmarshal([]byte(a.body), &heartbeat) != nil ||
		heartbeat.Status != "ok" || heartbeat.Version != *version.Version || heartbeat.Checks["channels"] != "ok" {
		t.Errorf("/__heartbeat__: %+v", a)
	}
	if a := p.get("/__lbheartbeat__"); a.body != "ok\n" {
		t.Errorf("/__lbheartbeat__: %+v", a)
	}
}

func TestAdminListener(t *testing.T) {
	t.Parallel()
	p := start(t)
	hasAll(t, p.ask("/metrics"), "channelserver_conn_create_total 0", `channelserver_conn_closed_total{reason="slow"} 0`,
		"channelserver_build_info{", "go_goroutines ", "process_resident_memory_bytes ")
	hasAll(t, p.ask("/debug/pprof/"), "goroutine", "heap")
	hasAll(t, p.ask("/debug/pprof/goroutine?debug=1"), "goroutine profile")
	for _, path := range []string{"/debug/pprof/cmdline", "/__heartbeat__", "/v1/ws/"} {
		if a := fetch(t, http.MethodGet, "http://"+p.admin+path); a.status != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, a.status)
		}
	}
}

// raw sends octets over a connection of their own and returns the answers to them.
func (p *process) raw(octets string) *bufio.Reader {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, octets) // the server may stop reading halfway
	return bufio.NewReader(conn)
}

// expect reads one answer and checks its status.
func expect(t *testing.T, name string, from *bufio.Reader, status int) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if response.StatusCode != status {
		t.Errorf("%s: status %d, want %d", name, response.StatusCode, status)
	}
}

const (
	handshake = "GET /v1/ws/ HTTP/1.1\r\nHost: relay.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
	plainGet = "GET /__lbheartbeat__ HTTP/1.1\r\nHost: relay.test\r\n\r\n"
)

func TestOddRequests(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, c := range []struct {
		name, octets string
		statuses     []int
	}{
		{"a header of 15 KiB", "GET /__lbheartbeat__ HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 15<<10) + "\r\n\r\n", []int{200}},
		{"a header that is too big", "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", []int{431}},
		{"too many headers", "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 8<<10) + "\r\n", []int{431}},
		{"a path that is too long", "GET /v1/ws/" + strings.Repeat("x", 32<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{431}},
		{"a body", "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", []int{426}},
		{"a body in chunks", "POST /v1/ws/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", []int{426}},
		{"two requests at once", plainGet + plainGet, []int{200, 200}},
		{"an upgrade behind a request", plainGet + handshake + "\r\n", []int{200, 101}},
		{"a request behind one with a body", "POST /v1/ws/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + plainGet, []int{426, 200}},
		{"HTTP/1.0", "GET /v1/ws/ HTTP/1.0\r\n\r\n", []int{426}},
		{"an upgrade by POST", strings.Replace(handshake, "GET", "POST", 1) + "Content-Length: 0\r\n\r\n", []int{405}},
		{"an upgrade to version 8", strings.Replace(handshake, "13", "8", 1) + "\r\n", []int{426}},
		{"an upgrade without a key", strings.Replace(handshake, "Sec-WebSocket-Key", "X-Key", 1) + "\r\n", []int{400}},
		{"an upgrade elsewhere", strings.Replace(handshake, "/v1/ws/", "/__version__", 1) + "\r\n", []int{200}},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", []int{400}},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400}},
		{"no host", "GET /v1/ws/ HTTP/1.1\r\n\r\n", []int{400}},
		{"NUL in a header", "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x00b\r\n\r\n", []int{400}},
	} {
		answers := p.raw(c.octets)
		for _, status := range c.statuses {
			expect(t, c.name, answers, status)
		}
	}
}

// Whatever a listener waits for has a limit; only the answers of the admin listener may take their
// time.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	public, admin := newPublicServer(http.NotFoundHandler(), log), newServer(http.NotFoundHandler(), log)
	for name, limit := range map[string]time.Duration{
		"public header": public.ReadHeaderTimeout, "public request": public.ReadTimeout, "public answer": public.WriteTimeout,
		"public idle": public.IdleTimeout, "admin header": admin.ReadHeaderTimeout, "admin idle": admin.IdleTimeout,
	} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("%s: waits for %s", name, limit)
		}
	}
	if admin.WriteTimeout != 0 {
		t.Errorf("admin answer: %s would cut off a profile of 30 s", admin.WriteTimeout)
	}
}

func TestPage(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
		kind   string
	}{{nil, 200, "text/html; charset=utf-8"}, {[]string{"--page=false"}, 404, "text/plain; charset=utf-8"}} {
		p := start(t, test.args...)
		response, err := http.Get("http://" + p.address + "/")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if kind := response.Header.Get("Content-Type"); response.StatusCode != test.status || kind != test.kind {
			t.Errorf("%q: %s, %s", test.args, response.Status, kind)
		}
	}
}
