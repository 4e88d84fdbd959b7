//go:build !linux

package load

import (
	"errors"
	"time"
)

var errNoProcess = errors.New("what a process uses can be read on Linux only")

// CPU is for Linux.
func (p Process) CPU() (time.Duration, error) { return 0, errNoProcess }

// Resident is for Linux.
func (p Process) Resident() (int64, error) { return 0, errNoProcess }
