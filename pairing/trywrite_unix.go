//go:build unix

package pairing

import (
	"errors"
	"net"
	"syscall"
)

// tryWriter returns a function that writes as much as the kernel takes without waiting, 0 octets
// if need be; or nil for a connection that has no descriptor of its own to write to, as one under
// TLS. Calls of it must not overlap.
func tryWriter(conn net.Conn) func(p []byte) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
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
		case errors.Is(failure, syscall.EAGAIN), errors.Is(failure, syscall.EINTR):
			return 0, nil
		case failure != nil:
			return 0, failure
		}
		return written, nil
	}
}
