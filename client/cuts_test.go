package client_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"channelserver/client"
	"channelserver/pairing"
)

// A cutter decides where connections are cut.
type cutter struct {
	mu   sync.Mutex
	rand *rand.Rand // guarded by mu, like all below
	made int
	cuts int
}

// next returns how many octets the next connection carries in each direction. Some are cut in the
// handshake, most only after something new has been said, lest the pauses between them grow. The first
// two are not cut before they have taken a seat, which is tried once only.
func (c *cutter) next() (in, out int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in, out = c.rand.IntN(10000), c.rand.IntN(10000)
	if c.made++; c.made <= 2 || min(in, out) > 500 {
		in, out = in+3000, out+3000
	}
	return in, out
}

func (c *cutter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

// cut tells the cutter what it did.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
}

// A cutConn ends when it has carried so many octets in one of the directions.
type cutConn struct {
	net.Conn
	cutter *cutter
	in     int // owned by the reader
	out    int // owned by whoever may write
}

func (c *cutConn) end() error {
	c.cutter.cut()
	c.Conn.Close()
	return errors.New("cut")
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.in == 0 {
		return 0, c.end()
	}
	n, err := c.Conn.Read(p[:min(len(p), c.in)])
	c.in -= n
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), c.out)])
	c.out -= n
	if n < len(p) && err == nil {
		err = c.end()
	}
	return n, err
}

// pairUp has two members send each other so many messages, while their connections are cut. Each must
// arrive once and in order.
func pairUp(t *testing.T, a, b *client.Channel, messages int) {
	t.Helper()
	var tasks sync.WaitGroup
	var mu sync.Mutex
	stored := make(map[uint64]bool)
	for _, way := range []struct {
		from, to *client.Channel
		name     string
	}{{a, b, "a"}, {b, a, "b"}} {
		tasks.Go(func() {
			for i := range messages {
				seq, err := way.from.Send(context.Background(), number(way.name, i))
				if err != nil {
					t.Errorf("%s %d: %v", way.name, i, err)
					return
				}
				mu.Lock()
				if stored[seq] {
					t.Errorf("%s %d: number %d was given twice", way.name, i, seq)
				}
				stored[seq] = true
				mu.Unlock()
			}
		})
		tasks.Go(func() {
			var last uint64
			present := false // as told
			for i := 0; i < messages; {
				e, err := way.to.Receive(context.Background())
				if err != nil {
					t.Errorf("%s %d: %v", way.name, i, err)
					return
				}
				was := present
				switch e := e.(type) {
				case client.Message:
					if e.Text != number(way.name, i) || e.Seq <= last {
						t.Errorf("got %q as %d after %d, want %q", e.Text, e.Seq, last, number(way.name, i))
						return
					}
					last = e.Seq
					i++
					continue
				case client.Joined, client.Back:
					present = true
				case client.Away:
					present = false
				default:
					continue
				}
				if present == was {
					t.Errorf("%s: got %#v twice", way.name, e)
				}
			}
		})
	}
	tasks.Wait()
	for _, c := range []*client.Channel{a, b} {
		if err := c.Leave(context.Background()); err != nil {
			t.Errorf("leave: %v", err)
		}
	}
	for seq := range uint64(2 * messages) {
		if !stored[seq+1] {
			t.Errorf("no message has the number %d", seq+1)
		}
	}
}

// TestCuts cuts connections at random octets of either direction, in the handshake too, and checks
// that every message arrives once and in order.
func TestCuts(t *testing.T) {
	bubble(t, "in memory", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		cutter := &cutter{rand: rand.New(rand.NewPCG(1, 2))}
		w.wrap = func(conn net.Conn) net.Conn {
			in, out := cutter.next()
			return &cutConn{Conn: conn, cutter: cutter, in: in, out: out}
		}
		a := create(t, w.dialer(), place)
		pairUp(t, a, join(t, w.dialer(), a.Link()), 10000)
		if cuts := cutter.count(); cuts < 100 {
			t.Errorf("%d cuts", cuts)
		}
	})
	t.Run("over TCP", func(t *testing.T) {
		door, _ := newDoor(t, kept, pairing.Options{})
		server := httptest.NewServer(door)
		t.Cleanup(server.Close)
		cutter := &cutter{rand: rand.New(rand.NewPCG(3, 4))}
		url := "ws://" + newProxy(t, server.Listener.Addr().String(), cutter)
		a := create(t, new(client.Dialer), url)
		pairUp(t, a, join(t, new(client.Dialer), a.Link()), 400)
		if cuts := cutter.count(); cuts < 5 {
			t.Errorf("%d cuts", cuts)
		}
	})
}

// newProxy starts a proxy to an address that resets its connections, and returns where it is.
func newProxy(t *testing.T, to string, cutter *cutter) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		tasks.Wait()
	})
	tasks.Go(func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				here.Close()
				return
			}
			in, out := cutter.next()
			reset := sync.OnceFunc(func() {
				for _, conn := range []net.Conn{here, there} {
					conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
			})
			pass := func(dst, src net.Conn, octets int) {
				if n, _ := io.CopyN(dst, src, int64(octets)); n == int64(octets) {
					cutter.cut()
				}
				reset()
			}
			tasks.Go(func() { pass(here, there, in) })
			tasks.Go(func() { pass(there, here, out) })
		}
	})
	return listener.Addr().String()
}
