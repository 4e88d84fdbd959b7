//go:build !unix

package load

import "math"

// descriptors returns how many this process may open: there is no limit that is known.
func descriptors() int { return math.MaxInt32 }
