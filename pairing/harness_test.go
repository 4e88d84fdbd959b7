package pairing

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/geo"
	"channelserver/relay"
)

// A world is a server and the network around it, in memory, so that a test in a synctest bubble
// has all of it.
type world struct {
	t      testing.TB
	hub    *relay.Hub
	server *Server
	counts *counts
	pipes  chan net.Conn
	http   *http.Server
}

// counts is an observer that remembers.
type counts struct {
	relay.Nobody
	mu     sync.Mutex
	closed []relay.Reason // of admitted and refused connections, in order
	ended  []relay.Reason
	panics int
	binary int
}

func (c *counts) Closed(why relay.Reason, _ time.Duration) { c.Refused(why) }
func (c *counts) Refused(why relay.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, why)
}

func (c *counts) Ended(why relay.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, why)
}
func (c *counts) Panicked() { c.mu.Lock(); defer c.mu.Unlock(); c.panics++ }
func (c *counts) Ignored()  { c.mu.Lock(); defer c.mu.Unlock(); c.binary++ }

// all returns why connections were closed or refused, in order.
func (c *counts) all() []relay.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.closed)
}

func (c *counts) last() relay.Reason {
	all := c.all()
	if len(all) == 0 {
		return relay.None
	}
	return all[len(all)-1]
}

// newWorld starts a server on pipes. All of it ends with the test.
func newWorld(t testing.TB, limits relay.Limits, options Options) *world {
	t.Helper()
	proxies, err := geo.ParseProxies("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	counts := new(counts)
	hub := relay.New(limits, counts)
	if options.MaxMessageSize == 0 {
		options.MaxMessageSize = 65536
	}
	log := slog.New(slog.DiscardHandler)
	w := &world{
		t: t, hub: hub, counts: counts, pipes: make(chan net.Conn),
		server: NewServer(hub, &geo.Locator{Proxies: proxies, DefaultLang: "en"}, counts, log, options),
	}
	httpServer := &http.Server{Handler: w.server}
	w.http = httpServer
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { httpServer.Serve(w) })
	tasks.Go(func() { w.server.Sweep(ctx) })
	t.Cleanup(func() {
		hub.EndAll(context.Background(), relay.Shutdown, 0)
		cancel()
		httpServer.Close()
		tasks.Wait()
		w.server.Wait(context.Background())
	})
	return w
}

// Accept, Close and Addr make a world a net.Listener.
func (w *world) Accept() (net.Conn, error) {
	conn, ok := <-w.pipes
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (w *world) Close() error   { close(w.pipes); return nil }
func (w *world) Addr() net.Addr { return &net.TCPAddr{} }

// A pipeEnd is a pipe with an address.
type pipeEnd struct {
	net.Conn
	remote net.Addr
}

func (p *pipeEnd) RemoteAddr() net.Addr { return p.remote }

// A client is a WebSocket to the server.
type client struct {
	t    testing.TB
	ws   *websocket.Conn
	raw  net.Conn
	link string
}

// dial opens a connection from an address, without reading anything.
func (w *world) dial(path, from string, header http.Header) (*client, *http.Response, error) {
	w.t.Helper()
	dialer := websocket.Dialer{NetDialContext: w.dialer(from)}
	ws, response, err := dialer.Dial("ws://relay.test"+path, header)
	if err != nil {
		return nil, response, err
	}
	w.t.Cleanup(func() { ws.Close() })
	return &client{t: w.t, ws: ws, raw: ws.NetConn()}, response, nil
}

// connect opens a connection that is expected to get a seat, and reads its first frame.
func (w *world) connect(path, from string, header ...string) *client {
	w.t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	c, _, err := w.dial(path, from, h)
	if err != nil {
		w.t.Fatal(err)
	}
	var first struct{ Link, ChannelID string }
	if err := json.Unmarshal([]byte(c.read()), &first); err != nil || first.Link != pathV1+"/"+first.ChannelID {
		w.t.Fatalf("first frame: %v, %+v", err, first)
	}
	c.link = first.Link
	return c
}

// pair opens a channel with two members.
func (w *world) pair() (a, b *client) {
	w.t.Helper()
	a = w.connect("/v1/ws/", "192.0.2.1", "User-Agent", "one")
	return a, w.connect(a.link, "192.0.2.2", "User-Agent", "two")
}

// read returns the next text frame.
func (c *client) read() string {
	c.t.Helper()
	kind, text, err := c.ws.ReadMessage()
	if err != nil || kind != websocket.TextMessage {
		c.t.Fatalf("read: kind %d, %v", kind, err)
	}
	return string(text)
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Errorf("send: %v", err)
	}
}

// message reads an envelope and returns the message in it.
func (c *client) message() string {
	c.t.Helper()
	var envelope struct {
		Message *string
		Sender  map[string]string
	}
	text := c.read()
	if err := json.Unmarshal([]byte(text), &envelope); err != nil || envelope.Message == nil || envelope.Sender == nil {
		c.t.Fatalf("not an envelope: %q, %v", text, err)
	}
	return *envelope.Message
}

// closed reads until the connection ends, which must be with this reason and nothing before it.
func (c *client) closed(want relay.Reason) {
	c.t.Helper()
	_, text, err := c.ws.ReadMessage()
	frame, ok := err.(*websocket.CloseError)
	if !ok || frame.Code != want.Code() || frame.Text != want.String() {
		c.t.Errorf("got %q, %v; want the close %d %s", text, err, want.Code(), want)
	}
}

// frame makes a masked frame by hand. The key is not zero, so that unmasking is tested.
func frame(first byte, payload string) []byte {
	key := [4]byte{1, 2, 3, 4}
	var b []byte
	switch n := len(payload); {
	case n < 126:
		b = []byte{first, 0x80 | byte(n)}
	case n < 1<<16:
		b = []byte{first, 0x80 | 126, byte(n >> 8), byte(n)}
	default:
		b = []byte{first, 0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// dialer returns what opens pipes to the server, as if from an address.
func (w *world) dialer(from string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		w.pipes <- &pipeEnd{there, &net.TCPAddr{IP: netip.MustParseAddr(from).AsSlice(), Port: 1}}
		return here, nil
	}
}
