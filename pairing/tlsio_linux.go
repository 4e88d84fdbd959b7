package pairing

import (
	"bytes"
	"crypto/tls"
)

// A tlsIO is the descriptor of a connection under TLS, of which only the reading is its own: it waits for octets below TLS, where
// the stack is small, and decrypts them on a borrowed one.
type tlsIO struct {
	*rawIO
	conn *tls.Conn
	wire *wire // below conn, and above rawIO

	into sink
	err  error // why no more can be read
	done bool  // the sink wants no more
	deep bool  // on a borrowed stack
}

// tryWrite implements descriptor.
func (*tlsIO) tryWrite([]byte) (int, error) { return 0, nil }

// receive implements descriptor.
func (t *tlsIO) receive(into sink) error {
	t.into = into
	t.wire.dry = true
	defer func() { t.wire.dry = false }()
	if t.arrive(nil) { // what TLS has read already
		if err := t.rawIO.receive(t); err != nil {
			return err
		}
	}
	return t.err
}

// arrive implements sink: it takes what has come over the wire.
func (t *tlsIO) arrive(octets []byte) (more bool) {
	t.wire.octets = octets
	t.run(t)
	t.wire.octets = bytes.Clone(t.wire.octets) // those left when there shall be no more
	return !t.done && t.err == nil
}

// do implements task: it gives to the sink what has been decrypted.
func (t *tlsIO) do() {
	t.deep = true
	defer func() { t.deep = false }()
	b := t.buffers.get()
	defer t.buffers.put(b)
	for {
		n, err := t.conn.Read((*b)[:cap(*b)])
		if n > 0 && !t.into.arrive((*b)[:n]) {
			t.done = true
			return
		}
		if err != nil {
			if err != error(errDry{}) {
				t.err = err
			}
			return
		}
	}
}

// run implements descriptor.
func (t *tlsIO) run(what task) {
	if t.deep {
		what.do()
		return
	}
	onStack(what)
}
