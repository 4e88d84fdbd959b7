//go:build !linux

package pairing

import "net"

func newDescriptor(conn net.Conn, _ *pool, _ *stacks) descriptor { return plainIO{conn} }
