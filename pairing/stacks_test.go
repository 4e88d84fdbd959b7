package pairing

import (
	"runtime"
	"testing"
)

type taskFunc func()

func (f taskFunc) do() { f() }

func TestBorrowedStacks(t *testing.T) {
	done := 0
	onStack(taskFunc(func() {
		onStack(taskFunc(func() { done++ })) // in the midst of another
		done++
	}))
	caught := func() (p any) {
		defer func() { p = recover() }()
		onStack(taskFunc(func() { panic("a fault") }))
		return nil
	}()
	onStack(taskFunc(func() { done++ }))
	if done != 3 || caught != "a fault" {
		t.Errorf("%d tasks were done, and a panic came as %v", done, caught)
	}
}

// However many stacks are borrowed at one time, few are kept, and the others end with their goroutines.
func TestBorrowedStacksEnd(t *testing.T) {
	s := new(shelf)
	borrowed := make([]*stack, 3*maxShelved)
	for i := range borrowed {
		one := s.get()
		one.task = taskFunc(func() {})
		one.next()
		borrowed[i] = one
	}
	var ended []chan struct{}
	for i, one := range borrowed {
		s.put(one)
		if i >= maxShelved {
			gone := make(chan struct{})
			runtime.AddCleanup(one, func(gone chan struct{}) { close(gone) }, gone) // the goroutine holds it
			ended = append(ended, gone)
		}
	}
	clear(borrowed)
	for _, gone := range ended {
		for open := true; open; {
			runtime.GC()
			select {
			case <-gone:
				open = false
			default:
			}
		}
	}
	if len(s.stacks) != maxShelved {
		t.Errorf("%d are kept, want %d", len(s.stacks), maxShelved)
	}
	for _, one := range s.stacks {
		one.stop()
	}
}
