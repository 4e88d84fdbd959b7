// Command floor is the least that a relay in Go has to do, for servers to be compared with: messages over
// TCP, each behind its length, from one connection to the other of its pair. It has no HTTP, no limits but
// one and no defences: it is for the loopback interface, where it listens.
//
// A message is its length, 4 octets in big-endian order, and so many octets. The first of a connection is
// the name of a pair, or empty for a new pair; the server answers with the name. All others go to the
// other connection of the pair. When one of the two ends, the other is closed.
//
// It prints where it listens. At SIGUSR2 it collects garbage, and prints that it has.
package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	header     = 4       // octets of a length
	small      = 64      // octets of a buffer that has seen no message yet
	maxMessage = 1 << 16 // octets of a message
)

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	go collect()
	fmt.Printf("listening on %s\n", listener.Addr())
	pairs := &lobby{waiting: make(map[string]*end)}
	for {
		conn, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go pairs.serve(&end{conn: conn})
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "floor:", err)
	os.Exit(1)
}

func collect() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	for range asked {
		runtime.GC()
		runtime.GC()
		fmt.Println("collected")
	}
}

// An end is one connection of a pair.
type end struct {
	conn  net.Conn
	other atomic.Pointer[end] // nil until it has come
}

// A lobby has the pairs that only one connection has come to.
type lobby struct {
	mu      sync.Mutex
	waiting map[string]*end // guarded by mu
}

// serve pairs a connection, and hands on what it sends until it ends.
func (l *lobby) serve(e *end) {
	defer e.conn.Close()
	in := input{conn: e.conn, buffer: make([]byte, small)}
	first, err := in.next()
	if err != nil {
		return
	}
	name := string(first[header:])
	if name == "" {
		name = rand.Text()
		defer l.forget(name)
	}
	if !l.pair(name, e) {
		return
	}
	if _, err := e.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(name))), name...)); err != nil {
		return
	}
	for {
		message, err := in.next()
		other := e.other.Load()
		if err == nil && other != nil {
			_, err = other.conn.Write(message)
		}
		if err != nil {
			if other != nil {
				other.conn.Close()
			}
			return
		}
	}
}

// pair seats the first two who name a pair, and tells whether e is one of them.
func (l *lobby) pair(name string, e *end) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	other, second := l.waiting[name]
	switch {
	case !second:
		l.waiting[name] = e
	case other == nil:
		return false // there are two
	default:
		l.waiting[name] = nil
		e.other.Store(other)
		other.other.Store(e)
	}
	return true
}

func (l *lobby) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, name)
}

// An input reads messages into a buffer that grows to the largest that came.
type input struct {
	conn   net.Conn
	buffer []byte
	from   int // buffer[from:to] has been read and not been handed on
	to     int
}

// next returns the next message with its length before it, valid until the next call.
func (in *input) next() ([]byte, error) {
	need := header
	for {
		if have := in.buffer[in.from:in.to]; len(have) >= need {
			size := binary.BigEndian.Uint32(have)
			if size > maxMessage {
				return nil, fmt.Errorf("a message of %d octets; at most %d are taken", size, maxMessage)
			}
			if need = header + int(size); len(have) >= need {
				in.from += need
				return have[:need], nil
			}
		}
		if in.from > 0 {
			in.to = copy(in.buffer, in.buffer[in.from:in.to])
			in.from = 0
		}
		if need > len(in.buffer) {
			// As in a slice that is appended to: twice as much, so that messages of about one size make it grow once.
			in.buffer = append(in.buffer, make([]byte, 2*need-len(in.buffer))...)
		}
		n, err := in.conn.Read(in.buffer[in.to:])
		if in.to += n; n == 0 && err != nil {
			return nil, err
		}
	}
}
