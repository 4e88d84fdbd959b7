package load

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// serverBinary is the project's server, which TestMain builds once for all.
var serverBinary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "load-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	serverBinary = filepath.Join(folder, "channelserver")
	status := 1
	if output, err := exec.Command("go", "build", "-o", serverBinary, "../cmd/channelserver").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, output)
	} else {
		status = m.Run()
	}
	os.RemoveAll(folder)
	os.Exit(status)
}

// startServer runs the project's server until the test ends, and returns a dialer for it and its process.
func startServer(t *testing.T, args ...string) (*Dialer, Process) {
	t.Helper()
	server := exec.Command(serverBinary, append([]string{"--hostname=127.0.0.1", "--port=0", "--admin_addr="}, args...)...)
	server.Env = []string{}
	server.Dir = t.TempDir()
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	listening := regexp.MustCompile(`listening on (http://[^;"\s]+)`)
	var address string
	for address == "" && lines.Scan() {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines.Scan() { // so that it can go on writing
		}
	})
	t.Cleanup(func() {
		_ = server.Process.Kill()
		reading.Wait()
		_ = server.Wait()
	})
	if address == "" {
		t.Fatal("the server does not say where it listens")
	}
	return dialerFor(t, address), Process(server.Process.Pid)
}

func dialerFor(t *testing.T, address string) *Dialer {
	t.Helper()
	d, err := NewDialer(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// serve runs a server of another make until the test ends: handle gets each WebSocket.
func serve(t *testing.T, handle func(path string, ws *websocket.Conn)) *Dialer {
	t.Helper()
	server := httptest.NewServer(upgrading(handle))
	t.Cleanup(server.Close)
	return dialerFor(t, server.URL)
}

// serveTLS is serve with TLS.
func serveTLS(t *testing.T, handle func(path string, ws *websocket.Conn)) *Dialer {
	t.Helper()
	server := httptest.NewTLSServer(upgrading(handle))
	t.Cleanup(server.Close)
	d := dialerFor(t, server.URL)
	d.TLS.RootCAs = x509.NewCertPool()
	d.TLS.RootCAs.AddCert(server.Certificate())
	return d
}

func upgrading(handle func(path string, ws *websocket.Conn)) http.Handler {
	upgrader := websocket.Upgrader{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		handle(r.URL.Path, ws)
	})
}

// A room is a server of version 1 with a single channel, which does to each message what say does.
type room struct {
	say func(text string) []string // what the other hears

	mu    sync.Mutex
	seats []*websocket.Conn // guarded by mu, as is writing to them
}

func (r *room) handle(_ string, ws *websocket.Conn) {
	r.mu.Lock()
	r.seats = append(r.seats, ws)
	_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"link": "/v1/ws/x", "channelid": "x"}`))
	r.mu.Unlock()
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		r.mu.Lock()
		for _, other := range r.seats {
			for _, heard := range r.say(string(text)) {
				if other != ws {
					_ = other.WriteMessage(websocket.TextMessage, []byte(`{ "sender": {}, "message": "`+heard+`" }`))
				}
			}
		}
		r.mu.Unlock()
	}
}

// openPair opens a pair that is cut when the test ends.
func openPair(t *testing.T, door Door, d *Dialer) Pair {
	t.Helper()
	a, b, err := door.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	p := Pair{a, b}
	t.Cleanup(p.Cut)
	return p
}

// upper returns what a server makes of a text that changes it.
func upper(text string) []string { return []string{strings.ToUpper(text)} }

func once(text string) []string { return []string{text} }
