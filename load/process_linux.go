package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU reads the clock of the process (clock_getcpuclockid(3)), which counts nanoseconds and the threads that have
// ended.
func (p Process) CPU() (time.Duration, error) {
	const (
		perProcess = 2       // CPUCLOCK_SCHED of linux/include/linux/posix-timers_types.h
		tooMany    = 1 << 28 // processes for the number of a clock
	)
	if p <= 0 || p >= tooMany {
		return 0, fmt.Errorf("%d is not the id of a process", p)
	}
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p)<<3|perProcess, &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", p, err)
	}
	return time.Duration(t.Nano()), nil
}

// Resident returns the octets of the process that are in RAM.
func (p Process) Resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", p, err)
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("memory of process %d: statm says %q", p, text)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", p, err)
	}
	return pages * int64(os.Getpagesize()), nil
}
