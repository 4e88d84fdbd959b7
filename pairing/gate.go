package pairing

import (
	"encoding/binary"
	"unicode/utf8"

	"channelserver/relay"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// maxControlPayload is the most octets a control frame may carry (RFC 6455 section 5.5).
const maxControlPayload = 125

// A gate reads over the shoulder of a connection: it follows the frames (RFC 6455 section 5) in the
// octets that a client sends, and stops them before the first frame that breaks a rule. It keeps
// no payload but that of a close frame. It is owned by the goroutine that reads.
type gate struct {
	maxMessage int64 // octets of one message, fragments together; 0 is no limit; static

	part    part
	header  [14]byte // the frame header under way
	have    int      // how many octets of it have come
	need    int      // how many it takes to the end of its part
	rest    int64    // octets of the frame's payload still to come
	open    bool     // a fragmented message is under way
	message int64    // octets of payload of the message under way, as declared
	closing []byte   // payload of a close frame under way, unmasked
}

// A part of a frame (RFC 6455 section 5.2).
type part uint8

const (
	partStart  part = iota // flags, opcode and short length
	partLength             // extended length, if there is one
	partKey                // masking key
	partPayload
)

// scan looks at the octets that come next. It returns how many of them may be passed on and how
// many frames they complete; and when that is not all of them, the reason why.
func (g *gate) scan(p []byte) (pass, frames int, why relay.Reason) {
	for i := 0; i < len(p) || g.part == partPayload && g.rest == 0; {
		if g.part != partPayload {
			g.need = max(g.need, 2)
			n := copy(g.header[g.have:g.need], p[i:])
			g.have += n
			i += n
			for g.have == g.need && g.part != partPayload {
				if why := g.next(); why != relay.None {
					return pass, frames, why
				}
			}
			continue
		}
		n := int(min(g.rest, int64(len(p)-i)))
		if g.opcode() == opClose {
			g.unmask(p[i : i+n])
		}
		g.rest -= int64(n)
		i += n
		if g.rest > 0 {
			break
		}
		if why := g.finish(); why != relay.None {
			return pass, frames, why
		}
		frames++
		pass = i
	}
	return len(p), frames, relay.None
}

func (g *gate) opcode() byte { return g.header[0] & 0x0F }
func (g *gate) final() bool  { return g.header[0]&0x80 != 0 }

// next goes on to the next part of a frame when one is complete.
func (g *gate) next() relay.Reason {
	switch g.part {
	case partStart:
		g.part = partLength
		return g.start()
	case partLength:
		g.part = partKey
		g.need += 4
		return g.measure()
	default:
		g.part = partPayload
		return relay.None
	}
}

// start checks the first two octets of a header and finds out how long its length is.
func (g *gate) start() relay.Reason {
	length := g.header[1] & 0x7F
	masked := g.header[1]&0x80 != 0
	reserved := g.header[0]&0x70 != 0
	if reserved || !masked { // sections 5.2 and 5.1
		return relay.ProtocolError
	}
	switch g.opcode() {
	case opText, opBinary:
		if g.open { // section 5.4: only control frames may come between fragments
			return relay.ProtocolError
		}
	case opContinuation:
		if !g.open { // section 5.4
			return relay.ProtocolError
		}
	case opClose, opPing, opPong:
		if !g.final() || length > maxControlPayload { // section 5.5
			return relay.ProtocolError
		}
	default: // section 5.2: reserved
		return relay.ProtocolError
	}
	switch length {
	case 126:
		g.need += 2
	case 127:
		g.need += 8
	}
	return relay.None
}

// measure reads the length.
func (g *gate) measure() relay.Reason {
	length := uint64(g.header[1] & 0x7F)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(g.header[2:]))
	case 127:
		length = binary.BigEndian.Uint64(g.header[2:])
	}
	if length > 1<<63-1 { // section 5.2: the most significant bit must be 0
		return relay.ProtocolError
	}
	if g.opcode() < opClose {
		if g.maxMessage > 0 && int64(length) > g.maxMessage-g.message {
			return relay.MessageTooBig
		}
		g.message += int64(length)
	}
	g.rest = int64(length)
	if g.opcode() == opClose {
		g.closing = make([]byte, 0, length)
	}
	return relay.None
}

// unmask keeps the next octets of a close frame's payload (section 5.3).
func (g *gate) unmask(p []byte) {
	key := g.header[g.need-4 : g.need]
	for _, octet := range p {
		g.closing = append(g.closing, octet^key[len(g.closing)%4])
	}
}

// finish checks a complete frame and makes ready for the next one.
func (g *gate) finish() relay.Reason {
	switch g.opcode() {
	case opClose:
		if !validClose(g.closing) {
			return relay.ProtocolError
		}
		g.closing = nil
	case opText, opBinary, opContinuation:
		g.open = !g.final()
		if !g.open {
			g.message = 0
		}
	}
	g.part, g.have, g.need = partStart, 0, 0
	return relay.None
}

// validClose tells whether a close frame may have this payload (RFC 6455 sections 5.5.1 and 7.4,
// and the registry of close codes that section 11.7 founds).
func validClose(payload []byte) bool {
	if len(payload) == 0 {
		return true
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return false
	}
	code := binary.BigEndian.Uint16(payload)
	switch code {
	case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013:
		return true
	}
	return 3000 <= code && code <= 4999
}
