package pairing

import (
	"time"

	"channelserver/relay"
)

// An assembly puts together what a client sends. While nothing is under way it holds no buffer. It is owned by the
// goroutine that reads.
type assembly struct {
	gate
	buffers *pool
	text    *[]byte // what has come of a text in parts; nil for none
	control *[]byte // the same of a control frame, which may come amid a text (RFC 6455 section 5.4)
}

// An arrival is what a client has sent as a whole: a message or a control frame.
type arrival struct {
	opcode  byte // opContinuation for none
	payload []byte
	buffer  *[]byte // that of the payload, which is to go back to the pool; nil if it lies among the octets that came
}

// next takes the octets that come next, as far as the end of a frame, at a time that never goes back. It returns how many
// those are, and what arrives with them; or why nothing will any more. The payload lies where the octets do, if it came in one piece.
// That of binary messages, which are ignored, is left out.
func (a *assembly) next(p []byte, now time.Duration) (n int, got arrival, why relay.Reason) {
	n, payload, complete, why := a.gate.next(p, now)
	if why != relay.None {
		return n, got, why
	}
	opcode, parts := a.opcode(), &a.control
	if opcode < opClose {
		opcode, parts = opText, &a.text
		complete = complete && !a.open
		if a.binary {
			opcode, payload = opBinary, nil
		}
	}
	a.unmask(payload)
	switch {
	case *parts != nil:
		**parts = append(**parts, payload...)
	case !complete && len(payload) > 0:
		*parts = a.buffers.get()
		**parts = append(**parts, payload...)
	}
	if !complete {
		return n, got, relay.None
	}
	got = arrival{opcode: opcode, payload: payload}
	if got.buffer = *parts; got.buffer != nil {
		*parts, got.payload = nil, *got.buffer
	}
	if opcode == opClose && !validClose(got.payload) {
		return n, got, relay.ProtocolError
	}
	return n, got, relay.None
}

// drop gives back what is under way.
func (a *assembly) drop() {
	for _, parts := range []**[]byte{&a.text, &a.control} {
		if *parts != nil {
			a.buffers.put(*parts)
			*parts = nil
		}
	}
}
