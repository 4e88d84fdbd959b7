package pairing

import (
	"encoding/binary"
	"time"
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

// Bits of the first two octets of a frame (section 5.2).
const (
	finalBit = 0x80
	maskBit  = 0x80
)

// maskSize is how many octets a masking key has.
const maskSize = 4

// maxControlPayload is the most octets a control frame may carry (RFC 6455 section 5.5).
const maxControlPayload = 125

// What frames cost, as the time in which a client earns them back, and how far it may run into debt.
//
// A client that waits for an answer before it goes on sends fewer than 1,000 messages a second over
// any network but the loopback, and there not 20,000; one that sends files in messages of 64 KiB
// fills a line of 1 Gbit/s with 2,000. So no honest client comes near the rate of 20,000 texts and
// 320 MB a second, before which it may send 100,000 texts at once. Whatever brings nobody a message
// costs twenty times as much: who pings 5,000 times at once, or 1,000 times a second, is no client.
const (
	costText  = 50 * time.Microsecond // a whole text, or a fragment of one that is no crumb; and each 16 KiB in it
	costOther = 20 * costText         // control frames, binary ones, which are ignored, and crumbs
	maxDebt   = 5 * time.Second
)

// crumb is the octets of text below which a fragment is not worth sending: every network carries
// packets of 576 octets (RFC 791 section 3.1), and libraries gather some KiB.
const crumb = 256

// maxFragments is how many fragments a message may have, besides one for each crumb of its octets.
const maxFragments = 1024

// A gate follows the frames (RFC 6455 section 5) in the octets that a client sends, and stops at the first frame that breaks a
// rule, or is one too many. It is owned by the goroutine that reads.
type gate struct {
	maxMessage int64 // octets of one message, fragments together; 0 is no limit; static

	part      part
	header    [14]byte // the frame header under way
	have      uint8    // how many octets of it have come
	need      uint8    // how many it takes to the end of its part
	rest      int64    // octets of the frame's payload still to come
	open      bool     // a fragmented message is under way
	binary    bool     // the message under way, or the last one, is binary
	fragments int64    // of the message under way
	message   int64    // octets of payload of the message under way, as declared

	now   time.Duration // of the octets under way
	heard time.Duration // when the last frame was complete
	paid  time.Duration // when all frames so far are earned back
}

// A part of a frame (RFC 6455 section 5.2).
type part uint8

const (
	partStart  part = iota // flags, opcode and short length
	partLength             // extended length, if there is one
	partKey                // masking key
	partPayload
)

// next looks at the octets that come next, as far as the end of a frame, at a time that never goes back. It returns how
// many those are, the payload in them, which is for unmask, and whether the frame is complete; or the reason why it must
// not be.
func (g *gate) next(p []byte, now time.Duration) (n int, payload []byte, complete bool, why relay.Reason) {
	g.now = now
	for g.part != partPayload {
		if n == len(p) {
			return n, nil, false, relay.None
		}
		if g.have == 0 {
			g.need = 2
		}
		k := copy(g.header[g.have:g.need], p[n:])
		g.have += uint8(k)
		n += k
		for g.have == g.need && g.part != partPayload {
			if why := g.step(); why != relay.None {
				return n, nil, false, why
			}
		}
	}
	payload = p[n : n+int(min(g.rest, int64(len(p)-n)))]
	g.rest -= int64(len(payload))
	if complete = g.rest == 0; complete {
		g.finish()
	}
	return n + len(payload), payload, complete, relay.None
}

// unmask unmasks the payload that next has returned, where it lies (RFC 6455 section 5.3). It is to be called once for each, if
// for any of the frame.
func (g *gate) unmask(payload []byte) {
	if len(payload) == 0 {
		return // the key may not have come yet
	}
	key := (*[maskSize]byte)(g.header[g.need-maskSize:])
	mask(payload, *key)
	if turn := len(payload) % maskSize; turn != 0 { // the rest begins amid the key
		old := *key
		for i := range key {
			key[i] = old[(i+turn)%maskSize]
		}
	}
}

func (g *gate) opcode() byte { return g.header[0] & 0x0F }
func (g *gate) final() bool  { return g.header[0]&finalBit != 0 }

// step goes on to the next part of a frame when one is complete.
func (g *gate) step() relay.Reason {
	switch g.part {
	case partStart:
		g.part = partLength
		return g.start()
	case partLength:
		g.part = partKey
		g.need += maskSize
		return g.measure()
	default:
		g.part = partPayload
		return relay.None
	}
}

// start checks the first two octets of a header and finds out how long its length is.
func (g *gate) start() relay.Reason {
	length := g.header[1] & 0x7F
	masked := g.header[1]&maskBit != 0
	reserved := g.header[0]&0x70 != 0
	if reserved || !masked { // sections 5.2 and 5.1
		return relay.ProtocolError
	}
	switch g.opcode() {
	case opText, opBinary:
		if g.open { // section 5.4: only control frames may come between fragments
			return relay.ProtocolError
		}
		g.binary = g.opcode() == opBinary
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
	return g.charge(int64(length))
}

// charge counts a frame with a payload of so many octets, and tells whether it is one too many.
func (g *gate) charge(length int64) relay.Reason {
	cost := costOther
	if g.opcode() < opClose {
		g.fragments++
		if g.fragments > maxFragments+g.message/crumb {
			return relay.Flood
		}
		whole := g.final() && g.opcode() != opContinuation
		if !g.binary && (whole || length >= crumb) {
			cost = costText
		}
	}
	const unit, most = 16 << 10, 1 << 40 // most: what is longer costs too much already
	g.paid = max(g.paid, g.now) + cost*time.Duration(1+min(length, most)/unit)
	if g.paid-g.now > maxDebt {
		return relay.Flood
	}
	return relay.None
}

// finish makes ready for the next frame.
func (g *gate) finish() {
	g.heard = g.now
	if g.opcode() < opClose {
		g.open = !g.final()
		if !g.open {
			g.message, g.fragments = 0, 0
		}
	}
	g.part, g.have = partStart, 0
}

// mask masks octets, or unmasks them.
func mask(p []byte, key [maskSize]byte) {
	half := uint64(binary.LittleEndian.Uint32(key[:]))
	twice := half<<32 | half
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^twice)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[i%maskSize]
	}
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
