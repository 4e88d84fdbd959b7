package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/client"
	"channelserver/geo"
	"channelserver/pairing"
	"channelserver/relay"
)

// kept are the limits that tests of version 2 begin with.
var kept = relay.Limits{ResumeTimeout: 5 * time.Minute}

func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// A network leads to a handler in memory, so that a test in a synctest bubble has all of it.
type network struct {
	pipes chan net.Conn
	dials atomic.Int64
	down  atomic.Bool                  // refuses connections
	wrap  func(conn net.Conn) net.Conn // the client's end of the next connections; nil is as it is

	mu   sync.Mutex
	last net.Conn // the client's end of the last connection; guarded by mu
}

// place is where a network's server seems to be. Proxies of the environment are not used for it.
const place = "ws://localhost"

// newNetwork serves the handler until the test ends.
func newNetwork(t testing.TB, handler http.Handler) *network {
	n := &network{pipes: make(chan net.Conn)}
	server := &http.Server{Handler: handler}
	var task sync.WaitGroup
	task.Go(func() { server.Serve(n) })
	t.Cleanup(func() {
		server.Close()
		task.Wait()
	})
	return n
}

// Accept, Close and Addr make a network a net.Listener.
func (n *network) Accept() (net.Conn, error) {
	conn, ok := <-n.pipes
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (n *network) Close() error   { close(n.pipes); return nil }
func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	n.dials.Add(1)
	if n.down.Load() {
		return nil, errors.New("the network is down")
	}
	here, there := net.Pipe()
	n.pipes <- there
	conn := here
	if n.wrap != nil {
		conn = n.wrap(here)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = conn
	return conn, nil
}

// cut ends the last connection without a word.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last.Close()
}

func (n *network) dialer() *client.Dialer { return &client.Dialer{NetDial: n.dial} }

// newDoor returns the server's handler, with all that belongs to it until the test ends.
func newDoor(t testing.TB, limits relay.Limits, options pairing.Options) (*pairing.Server, *relay.Hub) {
	hub := relay.New(limits, relay.Nobody{})
	if options.MaxMessageSize == 0 {
		options.MaxMessageSize = 65536
	}
	limits.MaxMessageSize = options.MaxMessageSize
	door := pairing.NewServer(hub, new(geo.Locator), relay.Nobody{}, slog.New(slog.DiscardHandler), options)
	ctx, cancel := context.WithCancel(context.Background())
	var task sync.WaitGroup
	task.Go(func() { door.Sweep(ctx) })
	t.Cleanup(func() {
		hub.EndAll(context.Background(), relay.Shutdown, 0)
		cancel()
		task.Wait()
		door.Wait(context.Background())
	})
	return door, hub
}

// newWorld starts a server in memory.
func newWorld(t testing.TB, limits relay.Limits, options pairing.Options) (*network, *relay.Hub) {
	door, hub := newDoor(t, limits, options)
	return newNetwork(t, door), hub
}

// startServer starts a server on a loopback port, for the example.
func startServer() (url string, stop func()) {
	hub := relay.New(kept, relay.Nobody{})
	door := pairing.NewServer(hub, new(geo.Locator), relay.Nobody{}, slog.New(slog.DiscardHandler), pairing.Options{})
	server := httptest.NewServer(door)
	return server.URL, func() {
		hub.EndAll(context.Background(), relay.Shutdown, 0)
		server.Close()
		door.Wait(context.Background())
	}
}

// newFake starts a server in memory whose WebSockets are served by a script.
func newFake(t testing.TB, script func(path string, ws *websocket.Conn)) *network {
	upgrader := websocket.Upgrader{}
	var scripts sync.WaitGroup
	n := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer ws.Close()
		scripts.Add(1)
		defer scripts.Done()
		script(r.URL.Path, ws)
	}))
	t.Cleanup(scripts.Wait)
	return n
}

const (
	fakeID  = "b7ZHsuZ9RIWVYKJDxqmAOg"
	welcome = `{"type":"welcome","channelid":"b7ZHsuZ9RIWVYKJDxqmAOg","member":1,"resume":"1QIfY8OAA8TSmsSLBgcZ0w","members":[],"self":{},"n":0}`
)

// say sends frames from a script. A client that is gone does no harm.
func say(ws *websocket.Conn, frames ...string) {
	for _, frame := range frames {
		ws.WriteMessage(websocket.TextMessage, []byte(frame))
	}
}

// hear returns the next frame in a script, empty when the client is gone.
func hear(ws *websocket.Conn) string {
	_, text, _ := ws.ReadMessage()
	return string(text)
}

// hang closes a WebSocket from a script.
func hang(ws *websocket.Conn, code int, reason string) {
	closeWith(ws, code, reason)
	hear(ws)
}

// closeWith closes a WebSocket that somebody else reads.
func closeWith(ws *websocket.Conn, code int, reason string) {
	ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason))
}

// create mints a channel.
func create(t testing.TB, d *client.Dialer, url string) *client.Channel {
	t.Helper()
	c, err := d.Create(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func join(t testing.TB, d *client.Dialer, link string) *client.Channel {
	t.Helper()
	c, err := d.Join(context.Background(), link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// send sends a message, which must become the one with this number.
func send(t testing.TB, c *client.Channel, text string, want uint64) {
	t.Helper()
	if seq, err := c.Send(context.Background(), text); err != nil || seq != want {
		t.Errorf("sent %.20q as %d, %v; want %d", text, seq, err, want)
	}
}

// expect receives events, which must be these.
func expect(t testing.TB, c *client.Channel, want ...client.Event) {
	t.Helper()
	for _, w := range want {
		e, err := c.Receive(context.Background())
		if err != nil || !reflect.DeepEqual(e, w) {
			t.Fatalf("got %#v, %v; want %#v", e, err, w)
		}
	}
}

// lost receives what the loss of a connection brings.
func lost(t testing.TB, c *client.Channel) {
	t.Helper()
	e, err := c.Receive(context.Background())
	if _, ok := e.(client.Reconnecting); !ok || err != nil {
		t.Fatalf("got %#v, %v; want Reconnecting", e, err)
	}
	expect(t, c, client.Resumed{})
}

// ended receives the end of the channel, which must come next.
func ended(t testing.TB, c *client.Channel, code int, reason string) {
	t.Helper()
	e, err := c.Receive(context.Background())
	closed, ok := errors.AsType[*client.CloseError](err)
	if e != nil || !ok || *closed != (client.CloseError{Code: code, Reason: reason}) {
		t.Errorf("got %#v, %v; want the close %d %q", e, err, code, reason)
	}
}

// number returns the text of a test's message.
func number(who string, i int) string { return fmt.Sprintf("%s %d", who, i) }
