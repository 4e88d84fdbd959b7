package pairing

import (
	"cmp"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"channelserver/relay"
)

// A socket is a connection whose Write never waits for the peer. What the kernel does not take at
// once is kept, and a goroutine is started that waits until it has taken it or the time is up;
// until then the socket is busy, and ready says so.
//
// What is given to queue gathers until something is sent, and then leaves together with that; so does all that is
// written before the first release. Behind a close frame nothing is sent (RFC 6455 section 5.5.1).
//
// While the socket waits for the peer it holds no buffer, but for a message that has come in part.
type socket struct {
	net.Conn                 // static
	descriptor               // below it; static
	timeout    time.Duration // how long the peer may take to read what is kept; static
	buffers    *pool         // static
	owner      owner         // static
	start      time.Time     // static
	heard      atomic.Int64  // when the last frame was complete, in nanoseconds since start
	assembly   assembly      // owned by the reader, like all down to mu
	octets     []byte        // that have come and are to be taken; before the first read, those behind the handshake
	broken     error         // after which nothing is read: a violation, or what the owner returned; nil before

	mu      sync.Mutex
	out     *[]byte       // taken from Write and not yet by the kernel, nil when nothing is; guarded by mu, like all below
	held    bool          // until the first release
	closed  bool          // a close frame is sent, or is in out
	busy    bool          // the goroutine is waiting for the peer
	wanted  bool          // somebody found the socket busy
	backlog int           // octets of control frames taken while busy
	flushed chan struct{} // closed when busy ends; nil while nobody waits for that
	err     error         // what ended writing
}

// An owner is told what becomes of a socket.
type owner interface {
	Wake()                                  // a socket that was found busy is ready again
	end(why relay.Reason)                   // the goroutine could not write
	take(opcode byte, payload []byte) error // a message or a control frame has come; an error ends reading
	settle()                                // the reader is about to wait for the peer
}

// A descriptor is a way to read and write that takes as little as can be while it waits, and does not wait to write. One
// goroutine may read and one may write at the same time.
type descriptor interface {
	// tryWrite writes as much as is taken at once, 0 octets if need be.
	tryWrite(p []byte) (int, error)
	// receive waits for octets and gives them to the sink, which may change them; so on until that wants no more, or reading
	// fails.
	receive(into sink) error
	// probe lets receive find out that the connection has ended, where it may have missed that. It may be called at any time.
	probe()
	// run does a task. Where the stack of the goroutine that receives is kept small, it does so on another.
	run(t task)
}

// A sink takes octets, which are its own until it returns. It tells whether it wants more.
type sink interface {
	arrive(octets []byte) (more bool)
}

// maxBacklog is how many octets of control frames a socket takes while its peer reads nothing:
// enough for pings and a close frame, not for the answers to a flood of pings.
const maxBacklog = 4 << 10

var errBacklog = errors.New("the peer sends but does not read")

// A violation is the error of receive where the gate stops a client.
type violation relay.Reason

func (v violation) Error() string { return relay.Reason(v).String() }

// newSocket wraps a connection. It is held, so that the answer to the handshake leaves together
// with the first frame.
func newSocket(conn net.Conn, timeout time.Duration, maxMessage int64, buffers *pool) *socket {
	return &socket{
		Conn:       conn,
		descriptor: newDescriptor(conn, buffers),
		timeout:    timeout,
		buffers:    buffers,
		start:      time.Now(),
		assembly:   assembly{gate: gate{maxMessage: maxMessage}, buffers: buffers},
		held:       true,
	}
}

func (s *socket) busyEndsLocked() {
	s.busy = false
	if s.flushed != nil {
		close(s.flushed)
		s.flushed = nil
	}
}

// flush waits until the kernel has taken all that was written, or writing has failed; the time
// limit of writing bounds it. One call at a time may run.
func (s *socket) flush() {
	s.mu.Lock()
	var flushed chan struct{}
	if s.busy {
		flushed = make(chan struct{})
		s.flushed = flushed
	}
	s.mu.Unlock()
	if flushed != nil {
		<-flushed
	}
}

// receive waits for what the client sends and gives it to the owner, until the owner wants no more, the client breaks a
// rule, or the connection fails; it returns the error.
func (s *socket) receive() error {
	defer s.assembly.drop()
	if early := s.octets; len(early) > 0 && !s.arrive(early) {
		return s.broken
	}
	if err := s.descriptor.receive(s); err != nil {
		return err
	}
	return s.broken
}

// arrive implements sink.
func (s *socket) arrive(octets []byte) (more bool) {
	s.octets = octets
	s.run(s)
	s.octets = nil
	return s.broken == nil
}

// do implements task: it gives to the owner what has arrived.
func (s *socket) do() {
	now := time.Since(s.start)
	for p := s.octets; len(p) > 0 && s.broken == nil; {
		n, got, why := s.assembly.next(p, now)
		p = p[n:]
		switch {
		case why != relay.None:
			s.broken = violation(why)
		case got.opcode != opContinuation:
			s.broken = s.owner.take(got.opcode, got.payload)
		}
		if got.buffer != nil {
			s.buffers.put(got.buffer)
		}
	}
	s.heard.Store(int64(s.assembly.heard))
	s.owner.settle()
}

// times returns now, and when the last frame was complete, both since start.
func (s *socket) times() (now, heard time.Duration) {
	heard = time.Duration(s.heard.Load())
	return time.Since(s.start), heard
}

// abort lets go of what the kernel still has for the peer, once the socket is closed, and makes the reader see to that.
func (s *socket) abort() {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	s.interrupt()
}

// interrupt makes the reader give up. Only the reader itself may close the socket: it uses the descriptor while its
// owner is given frames, and Close would wait for it.
func (s *socket) interrupt() { _ = s.SetReadDeadline(time.Unix(1, 0)) }

// control sends a control frame (RFC 6455 section 5.5) with a payload of at most 125 octets, or returns the error that has ended
// writing. It may be called at any time.
func (s *socket) control(opcode byte, payload []byte) error {
	var frame [2 + maxControlPayload]byte
	frame[0], frame[1] = finalBit|opcode, byte(len(payload))
	_, err := s.Write(frame[:2+copy(frame[2:], payload)])
	return err
}

// Write takes all of p, or returns the error that has ended writing. It may be called at any time.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.closed {
		return 0, cmp.Or(s.err, net.ErrClosed)
	}
	if s.busy {
		if s.backlog += len(p); s.backlog > maxBacklog {
			s.err = errBacklog
			return 0, s.err
		}
	}
	s.closed = len(p) > 0 && p[0] == finalBit|opClose
	s.keepLocked(p)
	if !s.held {
		s.pushLocked()
	}
	return len(p), s.err
}

// queue takes a text that is to leave, in a frame, with what is sent next.
func (s *socket) queue(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.closed {
		return
	}
	s.keepLocked(nil) // so that there is a buffer
	start := len(*s.out)
	*s.out = endText(append(beginText(*s.out), text...), start)
}

// send sends text frames behind what has gathered. It keeps the buffer, which is of the pool. It returns
// the error that has ended writing, if one has.
func (s *socket) send(frames *[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil || s.closed:
		s.buffers.put(frames)
	case s.out == nil:
		s.out = frames
	default:
		s.keepLocked(*frames)
		s.buffers.put(frames)
	}
	s.pushLocked()
	return s.err
}

func (s *socket) keepLocked(p []byte) {
	if s.out == nil {
		s.out = s.buffers.get()
	}
	*s.out = append(*s.out, p...)
}

// SetWriteDeadline does nothing: the socket has a time limit of its own.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// ready tells whether the socket would take a batch of frames now. When it would not, resume is
// called once it does.
func (s *socket) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = s.busy
	return !s.busy
}

// release sends what has gathered. It returns the error that has ended writing, if one has.
func (s *socket) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	s.pushLocked()
	return s.err
}

// pushLocked gives the kernel what it takes at once and starts the goroutine for the rest.
func (s *socket) pushLocked() {
	if s.out == nil || s.busy || s.err != nil {
		return
	}
	n, err := s.tryWrite(*s.out)
	if err != nil || n == len(*s.out) {
		s.err = err
		s.buffers.put(s.out)
		s.out = nil
		return
	}
	*s.out = append((*s.out)[:0], (*s.out)[n:]...)
	s.busy = true
	go s.wait()
}

// wait writes what is kept, waiting for the peer, until nothing is.
func (s *socket) wait() {
	for {
		s.mu.Lock()
		out := s.out
		s.out = nil
		if out == nil {
			s.backlog = 0
			s.busyEndsLocked()
			wanted := s.wanted
			s.wanted = false
			s.mu.Unlock()
			if wanted {
				s.owner.Wake()
			}
			return
		}
		s.mu.Unlock()

		s.Conn.SetWriteDeadline(time.Now().Add(s.timeout))
		_, err := s.Conn.Write(*out)
		s.Conn.SetWriteDeadline(time.Time{}) // try minds it too
		s.buffers.put(out)
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.busyEndsLocked()
			s.mu.Unlock()
			s.owner.end(failure(err))
			return
		}
	}
}
