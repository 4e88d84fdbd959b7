package pairing

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
)

// A cup is a sink that keeps what arrives.
type cup struct{ octets []byte }

func (c *cup) arrive(octets []byte) bool {
	c.octets = append(c.octets, octets...)
	return true
}

// The end of a connection that comes together with octets is found out, whether or not the octets fill the buffer.
func TestEndWithOctets(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	abort := func(conn *net.TCPConn) { conn.SetLinger(0) }
	for _, c := range []struct {
		name   string
		octets int
		before func(*net.TCPConn)
		want   error // nil for any
	}{
		{"closed", 100, func(*net.TCPConn) {}, io.EOF},
		{"closed, a whole buffer", 4096, func(*net.TCPConn) {}, io.EOF},
		{"closed, without octets", 0, func(*net.TCPConn) {}, io.EOF},
		{"aborted", 100, abort, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tasks sync.WaitGroup
			for range 50 {
				dialed, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				conn, err := listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				c.before(dialed.(*net.TCPConn))
				if _, err := dialed.Write(make([]byte, c.octets)); err != nil {
					t.Fatal(err)
				}
				dialed.Close() // over the loopback interface, that has arrived when it returns
				runtime.Gosched()

				d, into := newDescriptor(conn, new(pool), new(stacks)), new(cup)
				done := make(chan struct{})
				tasks.Go(func() {
					defer conn.Close()
					defer close(done)
					err := d.receive(into)
					if err == nil || c.want != nil && err != c.want {
						t.Errorf("ended by %v", err)
					}
					if c.want != nil && len(into.octets) != c.octets {
						t.Errorf("%d octets of %d", len(into.octets), c.octets)
					}
				})
				tasks.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
							d.probe()
							runtime.Gosched()
						}
					}
				})
			}
			tasks.Wait()
		})
	}
}
