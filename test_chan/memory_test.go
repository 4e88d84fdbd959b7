package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A network in memory, so that tests run in a synctest bubble, where waiting costs nothing. It has
// one listener.
type network struct {
	incoming chan net.Conn
	over     chan struct{}
	port     atomic.Int32
}

func newNetwork() *network {
	return &network{incoming: make(chan net.Conn), over: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.incoming:
		return conn, nil
	case <-n.over:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	close(n.over)
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects to the listener from an address, 127.0.0.1 if it is invalid.
func (n *network) dial(ctx context.Context, local netip.Addr, _, _ string) (net.Conn, error) {
	if !local.IsValid() {
		local = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	address := &net.TCPAddr{IP: local.AsSlice(), Port: int(1024 + n.port.Add(1))}
	there, back := newPipe(), newPipe()
	select {
	case n.incoming <- &memoryConn{in: there, out: back, remote: address}:
		return &memoryConn{in: back, out: there, local: address}, nil
	case <-n.over:
		return nil, os.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A pipe is one direction of a connection.
type pipe struct {
	mu      sync.Mutex
	changed *sync.Cond
	buffer  bytes.Buffer // guarded by mu, like all below
	ended   bool         // nothing more will be written
	broken  bool         // nothing more will be read
	late    [2]bool      // the deadlines for reading and for writing have passed
	timers  [2]*time.Timer
}

// pipeRoom is how many octets a pipe holds before writing waits for reading.
const pipeRoom = 256 << 10

func newPipe() *pipe {
	p := &pipe{}
	p.changed = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) setDeadline(which int, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timers[which] != nil {
		p.timers[which].Stop()
		p.timers[which] = nil
	}
	p.late[which] = !t.IsZero() && time.Until(t) <= 0
	p.changed.Broadcast()
	if t.IsZero() || p.late[which] {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(t), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.timers[which] == timer { // and no other deadline has been set meanwhile
			p.late[which] = true
			p.changed.Broadcast()
		}
	})
	p.timers[which] = timer
}

func (p *pipe) end(ended, broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = p.ended || ended
	p.broken = p.broken || broken
	p.changed.Broadcast()
}

// A memoryConn is one end of a connection.
type memoryConn struct {
	in, out       *pipe
	local, remote net.Addr
}

func (c *memoryConn) Read(b []byte) (int, error) {
	p := c.in
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.broken:
			return 0, net.ErrClosed
		case p.late[0]:
			return 0, os.ErrDeadlineExceeded
		case p.buffer.Len() > 0:
			p.changed.Broadcast()
			return p.buffer.Read(b)
		case p.ended:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (c *memoryConn) Write(b []byte) (int, error) {
	p := c.out
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.buffer.Len() > pipeRoom && !p.ended && !p.broken && !p.late[1] {
		p.changed.Wait()
	}
	switch {
	case p.ended, p.broken:
		return 0, net.ErrClosed
	case p.late[1]:
		return 0, os.ErrDeadlineExceeded
	}
	p.changed.Broadcast()
	return p.buffer.Write(b)
}

func (c *memoryConn) Close() error {
	c.in.end(false, true)
	c.out.end(true, false)
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(0, t)
	c.out.setDeadline(1, t)
	return nil
}
func (c *memoryConn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(0, t); return nil }
func (c *memoryConn) SetWriteDeadline(t time.Time) error { c.out.setDeadline(1, t); return nil }
func (c *memoryConn) LocalAddr() net.Addr                { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr               { return c.remote }
