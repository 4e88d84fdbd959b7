package geo

import (
	"hash/maphash"
	"sync/atomic"
)

// recent remembers what the Accept-Language headers that came last mean: a few browsers and languages
// account for most clients, and reading tags is a good part of what a handshake costs. Its size is
// fixed. The zero recent is empty; it may be used by many goroutines at once.
type recent [128]atomic.Pointer[remembered]

type remembered struct {
	line   string
	wishes Wishes // not to be modified
}

// maxRemembered is how long a header may be, in octets, that is remembered.
const maxRemembered = 128

var seed = maphash.MakeSeed()

// wishes is ParseWishes.
func (c *recent) wishes(lines []string) Wishes {
	if len(lines) != 1 || len(lines[0]) > maxRemembered {
		return ParseWishes(lines)
	}
	place := &c[maphash.String(seed, lines[0])%uint64(len(c))]
	if known := place.Load(); known != nil && known.line == lines[0] {
		return known.wishes
	}
	wishes := ParseWishes(lines)
	place.Store(&remembered{lines[0], wishes})
	return wishes
}
