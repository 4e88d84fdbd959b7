//go:build unix

package pairing

import (
	"io"
	"net"
	"syscall"
)

// rawConn returns the descriptor below a connection; nil for a connection that has none of its own,
// as one under TLS.
func rawConn(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryWriter returns a function that writes as much as the kernel takes without waiting, 0 octets
// if need be; nil where there is no descriptor. Calls of it must not overlap.
func tryWriter(raw syscall.RawConn) func(p []byte) (int, error) {
	if raw == nil {
		return nil
	}
	// The closure is made once, not for every call.
	var (
		octets  []byte
		written int
		failure error
	)
	once := func(fd uintptr) bool {
		written, failure = syscall.Write(int(fd), octets)
		return true // never wait
	}
	return func(p []byte) (int, error) {
		octets = p
		err := raw.Write(once)
		octets = nil
		switch {
		case err != nil:
			return 0, err
		case failure == syscall.EAGAIN, failure == syscall.EINTR:
			return 0, nil
		case failure != nil:
			return 0, failure
		}
		return written, nil
	}
}

// bufferlessReader returns a function that waits for octets and reads them into a buffer of the pool that it
// gets only when they are there; nil where there is no descriptor. Calls of it must not overlap.
func bufferlessReader(raw syscall.RawConn, buffers *pool) func() (*[]byte, error) {
	if raw == nil {
		return nil
	}
	var (
		input   *[]byte
		failure error
	)
	once := func(fd uintptr) bool {
		b := buffers.get()
		n, err := syscall.Read(int(fd), (*b)[:cap(*b)])
		for err == syscall.EINTR {
			n, err = syscall.Read(int(fd), (*b)[:cap(*b)])
		}
		if n > 0 {
			*b = (*b)[:n]
			input, failure = b, nil
			return true
		}
		buffers.put(b)
		switch err {
		case syscall.EAGAIN:
			return false // wait, and try again
		case nil:
			err = io.EOF
		}
		input, failure = nil, err
		return true
	}
	return func() (*[]byte, error) {
		if err := raw.Read(once); err != nil {
			return nil, err
		}
		b, err := input, failure
		input = nil
		return b, err
	}
}
