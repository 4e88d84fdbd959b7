package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// sleepsExactly lets this goroutine's sleeps end within some 10 µs. It takes a thread for the rest of the goroutine's life:
// Go's own timers wait together with the network, to a millisecond, and another goroutine's turn may come first.
func sleepsExactly() {
	runtime.LockOSThread()
	const slack = time.Microsecond
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0) // 50 µs is what it is otherwise
}

// sleep sleeps for a time, or less.
func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}
