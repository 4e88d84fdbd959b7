package pairing

import "encoding/binary"

// Lengths from which on the length of a frame takes 2 octets more, and 8 (RFC 6455 section 5.2).
const (
	longText  = 126
	giantText = 1 << 16
)

// beginText begins a text frame of the server's, which is not masked, with room for the length as it is most of
// the time. Its payload is to be appended, and then endText to be called.
func beginText(dst []byte) []byte { return append(dst, finalBit|opText, longText, 0, 0) }

// endText puts the length into the text frame that begins at start and goes to the end of dst.
func endText(dst []byte, start int) []byte {
	frame := dst[start:]
	payload := frame[4:]
	switch length := len(payload); {
	case length < longText:
		frame[1] = byte(length)
		return dst[:start+2+copy(frame[2:], payload)]
	case length < giantText:
		binary.BigEndian.PutUint16(frame[2:], uint16(length))
		return dst
	default:
		dst = append(dst, 0, 0, 0, 0, 0, 0)
		frame = dst[start:]
		copy(frame[10:], frame[4:])
		frame[1] = longText + 1
		binary.BigEndian.PutUint64(frame[2:], uint64(length))
		return dst
	}
}
