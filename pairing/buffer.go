package pairing

import "sync"

// A pool lends out byte slices of length 0. A slice that grew beyond maxPooled is not kept, so
// that one large message does not cost memory for ever.
type pool struct{ slices sync.Pool }

const maxPooled = 64 << 10

func (p *pool) get() *[]byte {
	if b, ok := p.slices.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 4096)
	return &b
}

func (p *pool) put(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		p.slices.Put(b)
	}
}
