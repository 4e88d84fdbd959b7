//go:build unix

package load

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptors returns how many this process may open. Go has raised the soft limit to the hard one at the start.
func descriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(limit.Cur, math.MaxInt32))
}
