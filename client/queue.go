package client

import (
	"context"
	"slices"
	"sync"
)

// Bounds of a queue. It takes one event more as long as it is below both.
const (
	maxQueued       = 256
	maxQueuedOctets = 1 << 20
)

// A queue holds the events that wait to be received. One goroutine pushes and one pops. Create one with
// newQueue.
type queue struct {
	more chan struct{} // says that there may be an event; holds one signal
	room chan struct{} // says that there may be room; holds one signal

	mu     sync.Mutex
	events []Event // guarded by mu, like all below
	octets int
	lossy  bool // nobody needs to receive any more: what finds no room is dropped
}

func newQueue() *queue {
	return &queue{more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// signal leaves a signal in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push adds an event. It waits for room until ctx is done.
func (q *queue) push(ctx context.Context, e Event) {
	for !q.tryPush(e) {
		select {
		case <-q.room:
		case <-ctx.Done():
			return
		}
	}
	signal(q.more)
}

func (q *queue) tryPush(e Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d, ok := e.(Delivered); ok { // it says what an earlier one says, and more
		before := len(q.events)
		q.events = slices.DeleteFunc(q.events, func(old Event) bool {
			o, ok := old.(Delivered)
			return ok && o.Member == d.Member
		})
		q.octets -= (before - len(q.events)) * e.octets()
	}
	if len(q.events) >= maxQueued || q.octets >= maxQueuedOctets {
		return q.lossy
	}
	q.events = append(q.events, e)
	q.octets += e.octets()
	return true
}

// pop returns the oldest event, or nil when there is none.
func (q *queue) pop() Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == 0 {
		return nil
	}
	e := q.events[0]
	q.events[0] = nil // so that it can be collected
	q.events = q.events[1:]
	q.octets -= e.octets()
	signal(q.room)
	return e
}

// abandon makes the queue one that never waits for room.
func (q *queue) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lossy = true
	signal(q.room)
}
