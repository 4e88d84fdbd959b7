package load

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// sweepEvery is how often a Keeper looks for what has come to its connections. Servers wait longer for the answer to a ping.
const sweepEvery = 500 * time.Millisecond

// A Keeper keeps idle connections alive, with one goroutine for all: it answers what the server asks of them.
type Keeper struct {
	idle  []Answerer
	ready *readiness // of idle, in the same order
	lost  func(error)
	stop  chan struct{}
	done  chan struct{}
}

// Keep begins to keep those connections that are Answerers. Until Stop has returned, nobody else may use or close them. When one is
// lost, it is cut, and lost is called with the reason; it must not call Stop.
func Keep(conns []Conn, lost func(error)) (*Keeper, error) {
	k := &Keeper{ready: new(readiness), lost: lost, stop: make(chan struct{}), done: make(chan struct{})}
	for _, c := range conns {
		idle, ok := c.(Answerer)
		if !ok {
			continue
		}
		raw, ok := c.NetConn().(syscall.Conn)
		if !ok {
			return nil, fmt.Errorf("a %T has no descriptor to wait for", c.NetConn())
		}
		if err := k.ready.add(raw); err != nil {
			return nil, err
		}
		k.idle = append(k.idle, idle)
	}
	go k.keep()
	return k, nil
}

// Stop ends the keeping, and waits for that. It may be called once.
func (k *Keeper) Stop() {
	close(k.stop)
	<-k.done
}

func (k *Keeper) keep() {
	defer close(k.done)
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	k.each(func(i int) error { return k.idle[i].Answer(false) }) // what came with what was read before
	for {
		select {
		case <-k.stop:
			return
		case <-ticks.C:
			k.sweep()
		}
	}
}

func (k *Keeper) sweep() {
	if err := k.ready.look(); err != nil {
		k.lost(err)
		return
	}
	k.each(func(i int) error {
		if !k.ready.has(i) {
			return nil
		}
		return answer(k.idle[i])
	})
}

// each does something with each connection, and parts with those where it fails.
func (k *Keeper) each(do func(i int) error) {
	for i := len(k.idle) - 1; i >= 0; i-- { // so that what takes the place of one that is lost has had its turn
		err := do(i)
		if err == nil {
			continue
		}
		k.idle[i].NetConn().Close()
		k.ready.remove(i)
		last := len(k.idle) - 1
		k.idle[i], k.idle[last] = k.idle[last], nil
		k.idle = k.idle[:last]
		k.lost(err)
	}
}

// answer lets a connection answer, where there may be half a TLS record only.
func answer(c Answerer) error {
	const half = 5 * time.Second
	raw := c.NetConn()
	return errors.Join(raw.SetReadDeadline(time.Now().Add(half)), c.Answer(true), raw.SetReadDeadline(time.Time{}))
}
