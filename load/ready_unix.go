//go:build unix

package load

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// readiness tells which of many connections have something to read (poll(2)).
type readiness struct{ polled []unix.PollFd }

func (r *readiness) add(c syscall.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		r.polled = append(r.polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	})
}

// look looks at all of them, without waiting.
func (r *readiness) look() error {
	if len(r.polled) == 0 {
		return nil
	}
	for {
		if _, err := unix.Poll(r.polled, 0); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// has tells whether the i-th had something to read, or its end, when look looked.
func (r *readiness) has(i int) bool { return r.polled[i].Revents != 0 }

// remove lets the last take the place of the i-th.
func (r *readiness) remove(i int) {
	last := len(r.polled) - 1
	r.polled[i] = r.polled[last]
	r.polled = r.polled[:last]
}
