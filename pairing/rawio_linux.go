package pairing

import (
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A rawIO is the descriptor of a TCP connection.
type rawIO struct {
	conn    syscall.RawConn
	buffers *pool

	write    func(fd uintptr) bool // writeOnce; made once, not for every call, as is read
	out      []byte
	written  int
	writeErr error

	read    func(fd uintptr) bool // readAll
	into    sink
	readErr error
	unsure  atomic.Bool // whether the end of the connection may have been there with the last octets
}

// newDescriptor returns the descriptor of a connection.
func newDescriptor(conn net.Conn, buffers *pool) descriptor {
	switch conn := conn.(type) {
	case *net.TCPConn:
		if raw := newRawIO(conn, buffers); raw != nil {
			return raw
		}
	case *tls.Conn:
		if wire, ok := conn.NetConn().(*wire); ok {
			if raw := newRawIO(wire.Conn, buffers); raw != nil {
				return &tlsIO{rawIO: raw, conn: conn, wire: wire}
			}
		}
	}
	return plainIO{conn}
}

// newRawIO returns nil for what is no TCP connection, or is one no more.
func newRawIO(conn net.Conn, buffers *pool) *rawIO {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawIO{conn: raw, buffers: buffers}
	r.write, r.read = r.writeOnce, r.readAll
	return r
}

// tryWrite implements descriptor.
func (r *rawIO) tryWrite(p []byte) (int, error) {
	r.out = p
	err := r.conn.Write(r.write)
	r.out = nil
	switch {
	case err != nil:
		return 0, err
	case r.writeErr == syscall.EAGAIN, r.writeErr == syscall.EINTR:
		return 0, nil
	case r.writeErr != nil:
		return 0, r.writeErr
	}
	return r.written, nil
}

func (r *rawIO) writeOnce(fd uintptr) bool {
	r.written, r.writeErr = transfer(syscall.SYS_WRITE, fd, r.out)
	return true // never wait
}

// receive implements descriptor. It holds a buffer only while there are octets. While the sink is given some, the descriptor is
// in use: it cannot be closed from there.
func (r *rawIO) receive(into sink) error {
	r.into = into
	if err := r.conn.Read(r.read); err != nil {
		return err
	}
	return r.readErr
}

// readAll reads what is there. It returns false to wait for more, and be called again.
//
// A read that leaves room in the buffer has brought all there was, and what comes later ends the wait (epoll(7),
// edge-triggered), so that another read, which costs some 8 % of a message, is saved. But an end of the connection that
// had come together with the octets does not end the wait: probe finds that.
func (r *rawIO) readAll(fd uintptr) bool {
	for {
		b := r.buffers.get()
		room := (*b)[:cap(*b)]
		n, err := transfer(syscall.SYS_READ, fd, room)
		more := n > 0 && r.into.arrive(room[:n])
		r.buffers.put(b)
		switch {
		case n > 0 && !more:
			r.readErr = nil
			return true
		case n == len(room), err == syscall.EINTR:
			continue
		case n > 0:
			r.unsure.Store(true)
			return false
		case err == syscall.EAGAIN:
			return false
		}
		r.readErr = cmp.Or(err, io.EOF)
		return true
	}
}

// probe implements descriptor.
func (r *rawIO) probe() {
	if !r.unsure.Swap(false) {
		return
	}
	_ = r.conn.Control(func(fd uintptr) {
		var octet [1]byte
		n, _, err := syscall.Recvfrom(int(fd), octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR {
			_ = syscall.Shutdown(int(fd), syscall.SHUT_RD) // which ends the wait
		}
	})
}

// run implements descriptor.
func (*rawIO) run(t task) { onStack(t) }

// transfer makes the system call read or write, of a descriptor that never blocks. So it has no need of syscall.Read and
// syscall.Write, which make the scheduler of Go ready for a call that takes long: that costs more than the call itself, for it
// wakes the thread that watches over such calls.
func transfer(call, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
