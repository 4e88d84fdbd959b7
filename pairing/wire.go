package pairing

import "net"

// Wires returns a listener to serve TLS on, over another. Thanks to it, connections that have become WebSockets wait for octets
// below TLS, not deep within it, which takes less memory. It changes nothing else.
func Wires(listener net.Listener) net.Listener { return wires{listener} }

type wires struct{ net.Listener }

func (w wires) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}

// A wire is the connection below TLS. It has one reader.
type wire struct {
	net.Conn
	dry    bool   // Read does not wait
	octets []byte // which Read returns first
}

func (w *wire) Read(p []byte) (int, error) {
	switch {
	case len(w.octets) > 0:
		n := copy(p, w.octets)
		w.octets = w.octets[n:]
		return n, nil
	case w.dry:
		return 0, errDry{}
	}
	return w.Conn.Read(p)
}

// errDry is the error of a wire that has no more octets now. For crypto/tls it is temporary: what was read before is
// kept, and the next call goes on.
type errDry struct{}

func (errDry) Error() string   { return "nothing more has come" }
func (errDry) Timeout() bool   { return false }
func (errDry) Temporary() bool { return true }
