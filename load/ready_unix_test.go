//go:build unix

package load

import (
	"net"
	"syscall"
	"testing"
)

// When one is removed, the last has its place, and the others keep theirs.
func TestReadiness(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := new(readiness)
	var far []net.Conn
	for range 3 {
		near, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer near.Close()
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		far = append(far, accepted)
		if err := r.add(near.(syscall.Conn)); err != nil {
			t.Fatal(err)
		}
	}
	look := func() (ready []bool) {
		if err := r.look(); err != nil {
			t.Fatal(err)
		}
		for i := range r.polled {
			ready = append(ready, r.has(i))
		}
		return ready
	}
	if ready := look(); ready[0] || ready[1] || ready[2] {
		t.Errorf("before anything came: %t", ready)
	}
	if _, err := far[2].Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for !look()[2] { // until it has come through the system
	}
	r.remove(0)
	if ready := look(); len(ready) != 2 || !ready[0] || ready[1] {
		t.Errorf("after the first was removed: %t", ready)
	}
}
