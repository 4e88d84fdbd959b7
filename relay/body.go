package relay

import (
	"bytes"
	"sync"
)

// A box holds the body of a message that is likely to be taken soon. One that is in nobody's hands any more is used again, so that
// to relay a message allocates nothing.
type box [1 << 10]byte

var boxes = sync.Pool{New: func() any { return new(box) }}

// packLocked copies a body, into a box if there is one for it. What is kept for Kept members needs none: it stays.
func (c *channel) packLocked(body []byte) ([]byte, *box) {
	if c.kept > 0 || len(body) > len(box{}) {
		return bytes.Clone(body), nil
	}
	b := boxes.Get().(*box)
	return b[:copy(b[:], body)], b
}

// unpack lets the box be used again. Nobody may have taken the entry and not be done with it.
func (e *Entry) unpack() {
	if e.box != nil {
		clear(e.Body) // a fault would show nobody what is another's, and tests would see it
		boxes.Put(e.box)
	}
}
