package pairing

import (
	"iter"
	"runtime"
	"sync"
)

// stacks lend stacks to goroutines that mostly wait, and need a deep one only now and then: one that has grown,
// for the sake of one message or of the end, costs some 4 µs to grow and keeps its size for as long as the goroutine lives.
type stacks struct{ idle sync.Pool }

// A task is what may be done on a borrowed stack.
type task interface{ do() }

// A stack is that of a coroutine, which does one task after the other.
type stack struct {
	work *work
	next func() (struct{}, bool) // does the task
}

// work is what the coroutine knows, so that the stack itself is collected once the pool has dropped it.
type work struct{ task task }

// run does a task on a borrowed stack while the caller waits. If the task panics, so does run.
func (s *stacks) run(t task) {
	one, ok := s.idle.Get().(*stack)
	if !ok {
		one = newStack()
	}
	one.work.task = t
	one.next()
	one.work.task = nil
	s.idle.Put(one)
}

func newStack() *stack {
	w := new(work)
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		for more := true; more; more = yield(struct{}{}) {
			w.task.do()
		}
	})
	one := &stack{w, next}
	runtime.AddCleanup(one, func(stop func()) { stop() }, stop)
	return one
}
