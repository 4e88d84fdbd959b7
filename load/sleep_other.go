//go:build !linux

package load

import "time"

// sleepsExactly is for Linux.
func sleepsExactly() {}

// sleep sleeps for a time, as exactly as Go does.
func sleep(d time.Duration) { time.Sleep(d) }
