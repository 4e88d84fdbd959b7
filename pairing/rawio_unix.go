//go:build unix

package pairing

import (
	"io"
	"net"
	"syscall"
)

// A rawIO is the descriptor of a TCP connection.
type rawIO struct {
	conn    syscall.RawConn
	buffers *pool

	write    func(fd uintptr) bool // writeOnce; made once, not for every call, as is read
	out      []byte
	written  int
	writeErr error

	read    func(fd uintptr) bool // readOnce
	in      *[]byte
	readErr error
}

// newDescriptor returns the descriptor below a connection; nil for a connection that has none of its own, as one under TLS.
func newDescriptor(conn net.Conn, buffers *pool) descriptor {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawIO{conn: raw, buffers: buffers}
	r.write, r.read = r.writeOnce, r.readOnce
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
	r.written, r.writeErr = syscall.Write(int(fd), r.out)
	return true // never wait
}

// receive implements descriptor.
func (r *rawIO) receive() (*[]byte, error) {
	if err := r.conn.Read(r.read); err != nil {
		return nil, err
	}
	in := r.in
	r.in = nil
	return in, r.readErr
}

func (r *rawIO) readOnce(fd uintptr) bool {
	b := r.buffers.get()
	n, err := syscall.Read(int(fd), (*b)[:cap(*b)])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), (*b)[:cap(*b)])
	}
	if n > 0 {
		*b = (*b)[:n]
		r.in, r.readErr = b, nil
		return true
	}
	r.buffers.put(b)
	switch err {
	case syscall.EAGAIN:
		return false // wait, and try again
	case nil:
		err = io.EOF
	}
	r.in, r.readErr = nil, err
	return true
}
