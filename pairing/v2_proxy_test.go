package pairing

import (
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A proxy passes TCP connections on to a server, octet by octet, and cuts them.
type proxy struct {
	server   string // host:port; static
	listener *net.TCPListener
	dialing  sync.Mutex // held from a dial to its accept, so that both are of one connection
}

// newProxy starts a proxy on a loopback port. It ends with the test.
func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return &proxy{server: server, listener: listener}
}

// A manner is how a line is cut.
type manner int

const (
	closing   manner = iota // both ends are closed
	resetting               // both ends are reset
	halving                 // each end hears that nothing more will come
	silent                  // the client's end is closed, and the server hears nothing of it
	manners
)

// The directions of a line.
const (
	up = iota
	down
)

// never is so many octets that they do not pass.
const never = math.MaxInt64

// A line is a connection through the proxy.
type line struct {
	client, server *net.TCPConn    // the proxy's ends
	manner         manner          // static
	left           [2]atomic.Int64 // how many octets may still pass, by direction
	cut            atomic.Bool
	carriers       sync.WaitGroup
}

// dial opens a line that is cut as soon as one of the numbers of octets has passed, and returns its
// client's side.
func (p *proxy) dial(manner manner, upwards, downwards int64) (net.Conn, *line, error) {
	p.dialing.Lock()
	side, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		p.dialing.Unlock()
		return nil, nil, err
	}
	client, err := p.listener.AcceptTCP()
	p.dialing.Unlock()
	if err != nil {
		return nil, nil, err
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return nil, nil, err
	}
	l := &line{client: client, server: server.(*net.TCPConn), manner: manner}
	l.left[up].Store(upwards)
	l.left[down].Store(downwards)
	l.carriers.Go(func() { l.carry(l.server, l.client, up) })
	l.carriers.Go(func() { l.carry(l.client, l.server, down) })
	return side, l, nil
}

// cutAfter changes how many octets may still pass in a direction.
func (l *line) cutAfter(direction int, octets int64) { l.left[direction].Store(octets) }

// hangUp closes what is left of a line.
func (l *line) hangUp() {
	l.client.Close()
	l.server.Close()
	l.carriers.Wait()
}

// carry passes octets on until there are no more, or the cut has come.
func (l *line) carry(to, from *net.TCPConn, direction int) {
	octets := make([]byte, 2048)
	for {
		n, err := from.Read(octets)
		if l.cut.Load() {
			return
		}
		rest := l.left[direction].Add(-int64(n))
		if rest <= 0 {
			_, _ = to.Write(octets[:max(0, int64(n)+rest)])
			l.cutNow()
			return
		}
		_, _ = to.Write(octets[:n]) // what fails here is read in the other direction
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			l.client.SetLinger(0)
			l.server.SetLinger(0)
			l.client.Close()
			l.server.Close()
			return
		}
	}
}

func (l *line) cutNow() {
	if l.cut.Swap(true) {
		return
	}
	switch l.manner {
	case resetting:
		l.client.SetLinger(0)
		l.server.SetLinger(0)
		fallthrough
	case closing:
		l.client.Close()
		l.server.Close()
	case halving:
		l.client.CloseWrite()
		l.server.CloseWrite()
	case silent:
		l.client.Close()
	}
}
