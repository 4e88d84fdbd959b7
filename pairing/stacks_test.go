package pairing

import (
	"runtime"
	"testing"
)

type taskFunc func()

func (f taskFunc) do() { f() }

func TestBorrowedStacks(t *testing.T) {
	s := new(stacks)
	done := 0
	s.run(taskFunc(func() {
		s.run(taskFunc(func() { done++ })) // in the midst of another
		done++
	}))
	caught := func() (p any) {
		defer func() { p = recover() }()
		s.run(taskFunc(func() { panic("a fault") }))
		return nil
	}()
	s.run(taskFunc(func() { done++ }))
	if done != 3 || caught != "a fault" {
		t.Errorf("%d tasks were done, and a panic came as %v", done, caught)
	}
}

// A stack that the pool has dropped ends with its goroutine, which holds its work.
func TestBorrowedStackEnds(t *testing.T) {
	ended := make(chan struct{})
	func() {
		one := newStack()
		one.work.task = taskFunc(func() {})
		one.next()
		runtime.AddCleanup(one.work, func(ended chan struct{}) { close(ended) }, ended)
	}()
	for {
		runtime.GC()
		select {
		case <-ended:
			return
		default:
		}
	}
}
