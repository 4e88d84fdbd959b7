//go:build !unix

package load

import (
	"errors"
	"syscall"
)

// readiness is for Unix.
type readiness struct{}

func (*readiness) add(syscall.Conn) error {
	return errors.New("idle connections can be kept on Unix only")
}

func (*readiness) look() error  { return nil }
func (*readiness) has(int) bool { return false }
func (*readiness) remove(int)   {}
