package pairing

import (
	"iter"
	"math/rand/v2"
	"sync"
)

// A task is what may be done on a borrowed stack.
type task interface{ do() }

// A stack is that of a coroutine, which does one task after the other.
//
// Stacks are lent to goroutines that mostly wait, and need a deep one only now and then: one that has grown, for the sake of one
// message or of the end, takes some 4 µs to grow and keeps its size for as long as the goroutine lives.
type stack struct {
	task task
	next func() (struct{}, bool) // does the task
	stop func()
}

// stacks are those that nobody has borrowed. They are in shelves so that the locks are seldom waited for.
var stacks [8]shelf

type shelf struct {
	mu     sync.Mutex
	stacks []*stack // guarded by mu
	_      [64]byte // so that no two shelves share a cache line
}

// maxShelved is how many stacks a shelf holds at most; others end when they are given back.
const maxShelved = 4

// onStack does a task on a borrowed stack while the caller waits. If the task panics, so does the caller.
func onStack(t task) {
	s := &stacks[rand.IntN(len(stacks))]
	one := s.get()
	one.task = t
	one.next()
	one.task = nil
	s.put(one)
}

func (s *shelf) get() *stack {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.stacks) - 1
	if last < 0 {
		return newStack()
	}
	one := s.stacks[last]
	s.stacks = s.stacks[:last]
	return one
}

func (s *shelf) put(one *stack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stacks) == maxShelved {
		one.stop()
		return
	}
	s.stacks = append(s.stacks, one)
}

func newStack() *stack {
	one := new(stack)
	one.next, one.stop = iter.Pull(func(yield func(struct{}) bool) {
		for more := true; more; more = yield(struct{}{}) {
			one.task.do()
		}
	})
	return one
}
