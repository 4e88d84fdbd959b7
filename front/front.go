// Package front takes the connections of a public listener in. It reads the first request of each, hands
// WebSocket handshakes to a handler of their own, and gives all else, just as it came, to net/http.
//
// A handshake needs little of what net/http does for a request: it has no body, is the only request of its
// connection, and the connection is taken over. Without net/http's goroutine that watches for the client to
// go, its deadlines, and its buffers for life, opening a channel takes about a third less of the CPU.
// Whatever is not plainly a well-formed handshake goes to net/http, so that there is only one judge of bad requests.
package front

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// maxHead is how many octets the head of a handshake may have; longer ones go to net/http, which has a limit of
// its own.
const maxHead = 4 << 10

// A Front says what is done with handshakes. Its fields must not change once it is in use. Its methods may
// be called at the same time.
type Front struct {
	// Handler answers handshakes, as a rule by taking the connection over with http.Hijacker. The
	// request has no context of its own and no body. It and the buffers of Hijack are for use until ServeHTTP returns.
	Handler http.Handler
	// Prefixes are what the targets of handshakes begin with, such as "/v1/ws".
	Prefixes []string
	// Timeout is how long the head of a request may take to arrive. Then the connection is closed.
	Timeout time.Duration
	// ConnState is told of connections as http.Server.ConnState is; those that go to net/http are closed as
	// far as the Front is concerned. It may be nil.
	ConnState func(net.Conn, http.ConnState)
	// ErrorLog is told of panics of the Handler; nil is the standard logger.
	ErrorLog *log.Logger
}

// Listen accepts connections from a listener until that fails for good, and returns a listener of those that
// are for net/http; http.Server.Serve takes it. Errors of accepting are passed on.
func (f *Front) Listen(inner net.Listener) net.Listener {
	l := &listener{
		Listener: inner, front: f, work: make(chan net.Conn), idle: make(chan struct{}, maxIdle),
		others: make(chan accepted), closed: make(chan struct{}),
	}
	go l.accept()
	return l
}

type accepted struct {
	conn net.Conn
	err  error
}

type listener struct {
	net.Listener
	front     *Front
	work      chan net.Conn // to workers that wait for some
	idle      chan struct{} // holds as many as there are of those
	others    chan accepted
	closed    chan struct{}
	closeOnce sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.others:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// accept takes connections in. After an error it waits for Accept to be called once more: net/http does that after
// a pause that grows.
func (l *listener) accept() {
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			l.front.state(conn, http.StateNew) // here, so that each is told of before the next is served
			select {
			case l.work <- conn:
			default:
				go l.toil(conn)
			}
			continue
		}
		l.pass(accepted{err: err})
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// maxIdle is how many workers wait for connections at most.
const maxIdle = 64

// toil serves a connection, and others after it: the stack of a goroutine that has served one is large enough for
// the next, and to make it so is a good part of the cost.
func (l *listener) toil(conn net.Conn) {
	for {
		l.serve(conn)
		select {
		case l.idle <- struct{}{}:
		default:
			return
		}
		select {
		case conn = <-l.work:
			<-l.idle
		case <-l.closed:
			return
		}
	}
}

// pass gives a connection to net/http, or an error.
func (l *listener) pass(a accepted) {
	select {
	case l.others <- a:
	case <-l.closed:
		if a.conn != nil {
			a.conn.Close()
		}
	}
}

// A desk is what it takes to read a head.
type desk struct {
	head    [maxHead]byte
	request http.Request
	header  http.Header // of request
	values  []string    // of header
	answer  http.Header // of the response
	source  resumed     // what came behind the head, and the connection behind that
	reader  *bufio.Reader
	writer  *bufio.Writer
}

var desks = sync.Pool{New: func() any {
	return &desk{
		header: make(http.Header), answer: make(http.Header),
		reader: bufio.NewReader(nil), writer: bufio.NewWriterSize(nil, 256),
	}
}}

// serve reads what a connection begins with, and gives it to whom that is for.
func (l *listener) serve(conn net.Conn) {
	f := l.front
	d := desks.Get().(*desk)
	until := time.Now().Add(f.Timeout)
	_ = conn.SetReadDeadline(until)
	n, whole, err := f.read(conn, d.head[:])
	if err != nil {
		desks.Put(d)
		conn.Close()
		f.state(conn, http.StateClosed)
		return
	}
	if whole > 0 {
		if request := d.parse(whole); request != nil {
			request.RemoteAddr = conn.RemoteAddr().String()
			clear(d.answer)
			f.answer(&response{conn: conn, desk: d, early: d.head[whole:n]}, request)
			d.source = resumed{}
			desks.Put(d)
			return
		}
	}
	read := bytes.Clone(d.head[:n])
	desks.Put(d)
	f.state(conn, http.StateClosed)
	l.pass(accepted{conn: &resumed{Conn: conn, read: read, until: until}})
}

// read reads until it knows whom the connection is for: whole is the length of the head of what may be a handshake,
// 0 for what is none.
func (f *Front) read(conn net.Conn, head []byte) (n, whole int, err error) {
	for {
		more, err := conn.Read(head[n:])
		if n += more; more == 0 && err != nil {
			if n > 0 && err == io.EOF {
				return n, 0, nil // net/http says what is wrong
			}
			return n, 0, err
		}
		if !f.mayBegin(head[:n]) {
			return n, 0, nil
		}
		if end := bytes.Index(head[:n], []byte("\r\n\r\n")); end >= 0 {
			return n, end + len("\r\n\r\n"), nil
		}
		if n == len(head) {
			return n, 0, nil
		}
	}
}

// mayBegin tells whether a handshake may begin so.
func (f *Front) mayBegin(head []byte) bool {
	for _, prefix := range f.Prefixes {
		begin := "GET " + prefix
		shorter := min(len(begin), len(head))
		if string(head[:shorter]) == begin[:shorter] {
			return true
		}
	}
	return false
}

func (f *Front) state(conn net.Conn, state http.ConnState) {
	if f.ConnState != nil {
		f.ConnState(conn, state)
	}
}

// answer lets the handler answer, and closes the connection if it did not take that over.
func (f *Front) answer(w *response, request *http.Request) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			logger := f.ErrorLog
			if logger == nil {
				logger = log.Default()
			}
			logger.Printf("http: panic serving %s: %v\n%s", request.RemoteAddr, p, debug.Stack())
		}
		if w.hijacked {
			f.state(w.conn, http.StateHijacked)
			return
		}
		w.conn.Close()
		f.state(w.conn, http.StateClosed)
	}()
	f.Handler.ServeHTTP(w, request)
	if !w.hijacked {
		w.finish()
	}
}

// resumed is a connection of which a part has been read already.
type resumed struct {
	net.Conn
	read  []byte
	until time.Time // the latest that the first deadline may be; zero for any
}

// SetReadDeadline lets net/http wait for the head of the first request no longer than the Front would have.
func (r *resumed) SetReadDeadline(t time.Time) error {
	if !r.until.IsZero() && t.After(r.until) {
		t = r.until
	}
	r.until = time.Time{}
	return r.Conn.SetReadDeadline(t)
}

// TCPConn returns the TCP connection below, once what had been read has been read again.
func (r *resumed) TCPConn() (*net.TCPConn, bool) {
	if len(r.read) > 0 {
		return nil, false
	}
	if proxied, ok := r.Conn.(interface{ TCPConn() (*net.TCPConn, bool) }); ok {
		return proxied.TCPConn()
	}
	tcp, ok := r.Conn.(*net.TCPConn)
	return tcp, ok
}

// CloseWrite lets net/http close without a reset, which could lose its answer.
func (r *resumed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Read implements net.Conn.
func (r *resumed) Read(p []byte) (int, error) {
	switch {
	case len(r.read) > 0:
		n := copy(p, r.read)
		r.read = r.read[n:]
		return n, nil
	case r.Conn == nil:
		return 0, io.EOF
	}
	return r.Conn.Read(p)
}
