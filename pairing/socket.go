package pairing

import (
	"cmp"
	"encoding/binary"
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
// Read and frame pass what they read through the gate. While the socket waits for the peer it holds no buffer.
type socket struct {
	net.Conn                 // static
	descriptor               // below it; nil where there is none; static
	timeout    time.Duration // how long the peer may take to read what is kept; static
	buffers    *pool         // static
	stacks     *stacks       // static
	owner      owner         // static
	start      time.Time     // static
	heard      atomic.Int64  // when the last frame was complete, in nanoseconds since start
	gate       gate          // owned by the reader, like all down to mu
	input      *[]byte       // octets that have come, nil when there are none
	taken      int           // how many of them have been read
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
	take(opcode byte, payload []byte) error // a frame has come as a whole; an error ends reading
	settle()                                // the reader is about to wait for the peer
}

// A descriptor is a way to read and write that does not hold a buffer while it waits, and does not wait to write. One
// goroutine may read and one may write at the same time.
type descriptor interface {
	// tryWrite writes as much as is taken at once, 0 octets if need be.
	tryWrite(p []byte) (int, error)
	// receive waits for octets, reads them into a buffer of the pool, which it gets only when they are there, and
	// gives that to the sink; so on until the sink wants no more, or reading fails.
	receive(into sink) error
	// probe lets receive find out that the connection has ended, where it may have missed that. It may be called at any time.
	probe()
}

// A sink takes buffers of a pool. It tells whether it is done with this one and wants more.
type sink interface {
	arrive(*[]byte) (more bool)
}

// maxBacklog is how many octets of control frames a socket takes while its peer reads nothing:
// enough for pings and a close frame, not for the answers to a flood of pings.
const maxBacklog = 4 << 10

var errBacklog = errors.New("the peer sends but does not read")

// A violation is the error that Read returns where the gate stops a client.
type violation relay.Reason

func (v violation) Error() string { return relay.Reason(v).String() }

// newSocket wraps a connection. It is held, so that the answer to the handshake leaves together
// with the first frame.
func newSocket(conn net.Conn, timeout time.Duration, maxMessage int64, buffers *pool, stacks *stacks) *socket {
	return &socket{
		Conn:       conn,
		descriptor: newDescriptor(conn, buffers),
		timeout:    timeout,
		buffers:    buffers,
		stacks:     stacks,
		start:      time.Now(),
		gate:       gate{maxMessage: maxMessage},
		held:       true,
	}
}

// Read reads what the gate lets pass; behind that, it returns a violation.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.read(p)
	n = s.scan(p[:n])
	if n == 0 && s.broken != nil {
		return 0, s.broken
	}
	return n, err // the frames before a violation come first
}

// scan shows octets to the gate, and returns how many of them may be passed on.
func (s *socket) scan(p []byte) int {
	now := time.Since(s.start)
	n, frames, why := s.gate.scan(p, now)
	if frames > 0 {
		s.heard.Store(int64(now))
	}
	if why != relay.None {
		s.broken = violation(why)
	}
	return n
}

// frame returns what comes next if that is a whole text message in one frame of less than 64 KiB, or a control frame, and has
// come as a whole; else it returns false, and nothing is read. That is the usual case, in which there is nothing to put
// together: the frame is unmasked where it lies.
func (s *socket) frame() (opcode byte, payload []byte, ok bool) {
	if s.input == nil || !s.gate.between() {
		return 0, nil, false
	}
	frame := (*s.input)[s.taken:]
	if len(frame) < 2 || frame[0]&finalBit == 0 || frame[1]&maskBit == 0 {
		return 0, nil, false
	}
	opcode = frame[0] &^ finalBit // with the reserved bits, which nothing below has
	if opcode != opText && opcode < opClose {
		return 0, nil, false
	}
	length, header := int(frame[1]&^maskBit), 2
	switch {
	case length == longText && len(frame) >= 4:
		length, header = int(binary.BigEndian.Uint16(frame[2:])), 4
	case length >= longText:
		return 0, nil, false
	}
	end := header + maskSize + length
	if len(frame) < end || s.scan(frame[:end]) < end { // or the gate stops it, and the next read says so
		return 0, nil, false
	}
	s.taken += end
	payload = frame[header+maskSize : end]
	unmask(payload, [maskSize]byte(frame[header:]))
	return opcode, payload, true
}

// unmask changes a payload, or masks one (RFC 6455 section 5.3).
func unmask(p []byte, key [maskSize]byte) {
	half := uint64(binary.LittleEndian.Uint32(key[:]))
	twice := half<<32 | half
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^twice)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[i%maskSize]
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

func (s *socket) read(p []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	if s.input == nil {
		s.owner.settle()
		return s.Conn.Read(p)
	}
	n := copy(p, (*s.input)[s.taken:])
	s.taken += n
	return n, nil
}

// fill waits until there is something to read that is to be put together. Frames that come as a whole go to the owner
// where they lie. To wait here rather than in Read, which is called from deep within gorilla, lets an idle
// connection do with the smallest stack.
func (s *socket) fill() error {
	if s.broken == nil && (s.input == nil || s.deliver()) && s.descriptor != nil {
		s.owner.settle()
		if err := s.receive(s); err != nil {
			return err
		}
	}
	return s.broken
}

// arrive implements sink.
func (s *socket) arrive(octets *[]byte) (more bool) {
	s.input = octets
	s.deep(s)
	return s.input == nil
}

// do implements task: it handles what has arrived.
func (s *socket) do() {
	if s.deliver() {
		s.owner.settle()
	}
}

// deliver gives the frames that have come to the owner, as far as frame returns them, and tells whether that was all.
func (s *socket) deliver() bool {
	for s.broken == nil && s.taken < len(*s.input) {
		opcode, payload, ok := s.frame()
		if !ok {
			return false
		}
		s.broken = s.owner.take(opcode, payload)
	}
	if s.broken != nil {
		return false
	}
	s.dropInput()
	return true
}

// dropInput gives the buffer of what has come back, whether it is read or not.
func (s *socket) dropInput() {
	if s.input != nil {
		s.buffers.put(s.input)
		s.input, s.taken = nil, 0
	}
}

// deep does a task on a borrowed stack, if there is a descriptor, which lets the goroutine do with a small one.
func (s *socket) deep(t task) {
	if s.descriptor == nil {
		t.do()
		return
	}
	s.stacks.run(t)
}

// probe sees to it that the reader finds out if the peer has gone.
func (s *socket) probe() {
	if s.descriptor != nil {
		s.descriptor.probe()
	}
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
	if s.descriptor != nil {
		n, err := s.tryWrite(*s.out)
		if err != nil || n == len(*s.out) {
			s.err = err
			s.buffers.put(s.out)
			s.out = nil
			return
		}
		*s.out = append((*s.out)[:0], (*s.out)[n:]...)
	}
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
