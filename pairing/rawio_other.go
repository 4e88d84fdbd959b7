//go:build !unix

package pairing

import (
	"net"
	"syscall"
)

// Here every write has a goroutine, and a connection that waits has a buffer.

func rawConn(net.Conn) syscall.RawConn { return nil }

func tryWriter(syscall.RawConn) func(p []byte) (int, error) { return nil }

func bufferlessReader(syscall.RawConn, *pool) func() (*[]byte, error) { return nil }
