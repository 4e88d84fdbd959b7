package pairing

import "net"

// A plainIO is the descriptor of a connection of which no more is known: whoever waits for octets holds a buffer, and every write
// has a goroutine.
type plainIO struct{ net.Conn }

// tryWrite implements descriptor.
func (plainIO) tryWrite([]byte) (int, error) { return 0, nil }

// receive implements descriptor.
func (p plainIO) receive(into sink) error {
	var buffer [512]byte
	for {
		n, err := p.Read(buffer[:])
		if n > 0 && !into.arrive(buffer[:n]) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// probe implements descriptor.
func (plainIO) probe() {}

// run implements descriptor.
func (plainIO) run(t task) { t.do() }
