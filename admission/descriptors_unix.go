//go:build unix

package admission

import (
	"math"
	"syscall"
)

// maxDescriptors returns how many descriptors this process may have open, 0 for no limit.
func maxDescriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
