package load

import (
	"context"
	"net"
	"time"
)

// A Door is how a load reaches a server: it opens channels of two and frames their messages.
// It may be used by many goroutines at one time.
type Door interface {
	// Open opens a channel and seats two members in it: when it returns, each can hear the other. It gives up
	// with an error when ctx is done.
	Open(ctx context.Context, d *Dialer) (a, b Conn, err error)
}

// A Conn is one member of a channel. One goroutine may send while another receives.
type Conn interface {
	// Send sends messages in this order, in a single write. They consist of URL-safe base64
	// characters, so that no protocol has to escape them, and are not kept.
	Send(messages [][]byte) error
	// Receive waits for the next message of the other member and returns its text, which is good until the
	// next call. Pings are answered on the way. A close of the server's is a *CloseError.
	Receive() (text []byte, err error)
	// Close ends the connection as the protocol has it, and waits for the server's answer. The error
	// tells what other end it came to.
	Close() error
	// NetConn returns the TCP connection under it, to cut it, to set deadlines, or to wait for it.
	NetConn() net.Conn
}

// An Answerer is a Conn whose server expects answers while no messages come, such as to pings.
type Answerer interface {
	Conn
	// Answer deals with what has come. When the caller knows that there is more to read, it reads that, once.
	// Messages are an error.
	Answer(more bool) error
}

// A Pair is the two members of a channel.
type Pair struct{ A, B Conn }

// Close closes both, and returns the first error.
func (p Pair) Close() error {
	err := p.A.Close()
	if second := p.B.Close(); err == nil {
		err = second
	}
	return err
}

// expire lets all that waits for the server fail.
func (p Pair) expire() {
	past := time.Unix(1, 0)
	p.A.NetConn().SetDeadline(past)
	p.B.NetConn().SetDeadline(past)
}

// Cut ends both connections without a word.
func (p Pair) Cut() {
	p.A.NetConn().Close()
	p.B.NetConn().Close()
}
