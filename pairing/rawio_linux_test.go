package pairing

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"channelserver/relay"
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

				d, into := newDescriptor(conn, new(pool)), new(cup)
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

// A chopped connection sends every octet by itself.
type chopped struct{ net.Conn }

func (c chopped) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var one int
		one, err = c.Conn.Write(p[n : n+1])
		n += one
	}
	return n, err
}

// However the records of TLS come in, what is in them is read in order, and so is what comes behind a violation.
func TestTLSInPieces(t *testing.T) {
	url, counts := newTCP(t, true, relay.Limits{}, Options{MaxMessageSize: 65536})
	b := dialTCP(t, url+"/v1/ws/")
	var first struct{ Link string }
	if err := b.ReadJSON(&first); err != nil {
		t.Fatal(err)
	}
	dialer := websocket.Dialer{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		NetDial: func(network, address string) (net.Conn, error) {
			conn, err := net.Dial(network, address)
			return chopped{conn}, err
		},
	}
	a, _, err := dialer.Dial(url+first.Link, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for i := range 5 {
		text := strings.Repeat(string(rune('a'+i)), 1000*i)
		if err := a.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		var got envelope
		if err := b.ReadJSON(&got); err != nil || got.Message != text {
			t.Fatalf("message %d: %.10q, %v", i, got.Message, err)
		}
	}
	if _, err := a.NetConn().Write([]byte{finalBit | opText, 0}); err != nil { // no mask
		t.Fatal(err)
	}
	a.WriteMessage(websocket.TextMessage, make([]byte, 1000))
	a.ReadMessage()                                                                               // the link
	if _, _, err := a.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseProtocolError) { // answered by gorilla
		t.Errorf("closed with %v", err)
	}
	if why := counts.last(); why != relay.ProtocolError {
		t.Errorf("closed: %s", why)
	}
}
