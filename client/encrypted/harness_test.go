package encrypted_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/client"
	"channelserver/client/encrypted"
	"channelserver/geo"
	"channelserver/pairing"
	"channelserver/relay"
)

// A network leads to a handler in memory, so that a test in a synctest bubble has all of it.
type network struct {
	pipes chan net.Conn
	down  atomic.Bool             // refuses connections
	wrap  func(net.Conn) net.Conn // the client's end of the next connections; nil is as it is

	mu   sync.Mutex
	last net.Conn // the client's end of the last connection; guarded by mu
}

// place is where a network's server seems to be. Proxies of the environment are not used for it.
const place = "http://localhost"

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
	if n.down.Load() {
		return nil, errors.New("the network is down")
	}
	here, there := net.Pipe()
	n.pipes <- placed{there}
	if n.wrap != nil {
		here = n.wrap(here)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = here
	return here, nil
}

// A placed connection comes from an address: a channel's third has to come from one that is known.
type placed struct{ net.Conn }

func (placed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1024} }

// cut ends the last connection without a word.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last.Close()
}

func (n *network) dialer(version int) *client.Dialer {
	return &client.Dialer{NetDial: n.dial, Version: version}
}

// roomy are limits for long talks.
var roomy = relay.Limits{ResumeTimeout: 5 * time.Minute, Lifespan: 5 * time.Minute}

// newDoor returns the server's handler, with all that belongs to it until the test ends.
func newDoor(t testing.TB, limits relay.Limits, maxMessageSize int) http.Handler {
	limits.MaxMessageSize = maxMessageSize
	hub := relay.New(limits, relay.Nobody{})
	options := pairing.Options{MaxMessageSize: maxMessageSize, RequireBase64: true}
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
	return door
}

// startServer starts a server on a loopback port, for the example.
func startServer() (url string, stop func()) {
	hub := relay.New(roomy, relay.Nobody{})
	door := pairing.NewServer(hub, new(geo.Locator), relay.Nobody{}, slog.New(slog.DiscardHandler), pairing.Options{})
	server := httptest.NewServer(door)
	return server.URL, func() {
		hub.EndAll(context.Background(), relay.Shutdown, 0)
		server.Close()
		door.Wait(context.Background())
	}
}

// inBothVersions runs a test with a server in memory, over each version of the protocol.
func inBothVersions(t *testing.T, test func(*testing.T, *network, *client.Dialer)) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, newDoor(t, roomy, 65536))
				test(t, n, n.dialer(version))
			})
		})
	}
}

func create(t testing.TB, d *client.Dialer) *encrypted.Channel {
	t.Helper()
	c, err := encrypted.Create(context.Background(), d, place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func join(t testing.TB, d *client.Dialer, link string) *encrypted.Channel {
	t.Helper()
	c, err := encrypted.Join(context.Background(), d, link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// seat joins the channel of a link as a member that encrypts nothing.
func seat(t testing.TB, d *client.Dialer, link string) *client.Channel {
	t.Helper()
	page, fragment, _ := strings.Cut(link, "#")
	id, _, _ := strings.Cut(fragment, ".")
	c, err := d.Join(context.Background(), page+"v2/ws/"+id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// next returns the next event that is not about presence.
func next(c *encrypted.Channel) (encrypted.Event, error) {
	for {
		e, err := c.Receive(context.Background())
		switch e.(type) {
		case client.Joined, client.Left, client.Away, client.Back, client.Delivered, client.Reconnecting, client.Resumed:
			continue
		}
		return e, err
	}
}

// expect receives events, which must be these.
func expect(t testing.TB, c *encrypted.Channel, want ...encrypted.Event) {
	t.Helper()
	for _, w := range want {
		if e, err := next(c); err != nil || !reflect.DeepEqual(e, w) {
			t.Errorf("got %#v, %v; want %#v", e, err, w)
			return
		}
	}
}

// ended receives the end, which must come next.
func ended(t testing.TB, c *encrypted.Channel, want error) {
	t.Helper()
	for range 2 { // it stays so
		if e, err := next(c); e != nil || !errors.Is(err, want) {
			t.Errorf("got %#v, %v; want %v", e, err, want)
			return
		}
	}
}

// paired receives Paired on both sides. The joiner has to be told last.
func paired(t testing.TB, creator, joiner *encrypted.Channel) {
	t.Helper()
	var tasks sync.WaitGroup
	var told [2]encrypted.Paired
	for i, c := range []*encrypted.Channel{creator, joiner} {
		tasks.Go(func() {
			e, err := next(c)
			p, ok := e.(encrypted.Paired)
			if !ok {
				t.Errorf("got %#v, %v; want Paired", e, err)
			}
			told[i] = p
		})
	}
	tasks.Wait()
	for i, c := range []*encrypted.Channel{creator, joiner} {
		if s := c.ShortString(); len(s) != 7 || s != told[0].ShortString || s != told[i].ShortString {
			t.Errorf("the short strings are %q and %q, told as %v", creator.ShortString(), joiner.ShortString(), told)
		}
	}
}

// text and octets are messages.
func text(s string) encrypted.Message   { return encrypted.Message{Data: []byte(s), Text: true} }
func octets(b []byte) encrypted.Message { return encrypted.Message{Data: b} }

// talk has one side say something that the other hears next.
func talk(t testing.TB, from, to *encrypted.Channel, what string) {
	t.Helper()
	if _, err := from.SendText(context.Background(), what); err != nil {
		t.Error(err)
	}
	expect(t, to, text(what))
}
