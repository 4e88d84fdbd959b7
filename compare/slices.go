package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"channelserver/load"
)

const (
	octets    = 512 // of a message
	burst     = 10  // messages in one write
	exchanges = 10  // messages of a pairing
	busy      = 8   // channels in which there is traffic at one time
)

// settling is for what a server does after it has answered, so that its CPU time counts where it belongs.
const settling = 20 * time.Millisecond

// A target is a server under measurement, with channels that stay open.
type target struct {
	*process
	dialer *load.Dialer
	pairs  []load.Pair
	lanes  [][2]*load.Lane // both directions of each of the pairs
}

func newTarget(ctx context.Context, p *process) (*target, error) {
	dialer, err := load.NewDialer(ctx, "ws://"+p.address)
	return &target{process: p, dialer: dialer}, err
}

// open opens more channels, which stay open until cut.
func (t *target) open(ctx context.Context, channels int) error {
	opened, err := load.OpenPairs(ctx, t.kind.door, t.dialer, channels, nil)
	if err != nil {
		return fmt.Errorf("opening %d channels at the server %s: %w", channels, t.name, err)
	}
	for _, p := range opened {
		first := uint64(len(t.lanes)) << 32 // so that a message in another channel would be found out
		t.pairs = append(t.pairs, p)
		t.lanes = append(t.lanes, [2]*load.Lane{load.NewLane(p.A, p.B, octets, first), load.NewLane(p.B, p.A, octets, first+1<<31)})
	}
	return nil
}

// cut ends the channels without a word.
func (t *target) cut() {
	for _, p := range t.pairs {
		p.Cut()
	}
	t.pairs, t.lanes = nil, nil
}

// cpu returns the CPU time of the server, in µs, for each of the units that do tells that it has done.
func (t *target) cpu(do func() (units int, err error)) (float64, error) {
	time.Sleep(settling)
	pid := load.Process(t.command.Process.Pid)
	before, err := pid.CPU()
	if err != nil {
		return 0, err
	}
	units, err := do()
	if err != nil {
		return 0, fmt.Errorf("the server %s: %w", t.name, err)
	}
	time.Sleep(settling)
	after, err := pid.CPU()
	if err != nil {
		return 0, err
	}
	if units == 0 {
		return 0, fmt.Errorf("the server %s did nothing in a slice; make slices longer", t.name)
	}
	return float64(after-before) / 1e3 / float64(units), nil
}

// together runs so many workers at one time and adds up what they count.
func together(workers int, do func(worker int) (int, error)) (int, error) {
	counts, problems := make([]int, workers), make([]error, workers)
	var tasks sync.WaitGroup
	for worker := range workers {
		tasks.Go(func() { counts[worker], problems[worker] = do(worker) })
	}
	tasks.Wait()
	sum := 0
	for _, count := range counts {
		sum += count
	}
	return sum, errors.Join(problems...)
}

// relay relays bursts of so many messages for a while, to and fro in one channel after the other, with one burst
// in flight for each of the busy workers. It returns the number of messages.
func (t *target) relay(lanes [][2]*load.Lane, burst int, length time.Duration) (int, error) {
	end := time.Now().Add(length)
	return together(busy, func(worker int) (messages int, err error) {
		for i := worker; messages == 0 || time.Now().Before(end); i += busy {
			if i >= len(lanes) {
				i = worker
			}
			for _, lane := range lanes[i] {
				if err := lane.Burst(burst); err != nil {
					return messages, err
				}
				messages += burst
			}
		}
		return messages, nil
	})
}

// traffic sends one message in each direction of all channels.
func (t *target) traffic() error {
	_, err := together(busy, func(worker int) (int, error) {
		for i := worker; i < len(t.lanes); i += busy {
			if err := errors.Join(t.lanes[i][0].One(), t.lanes[i][1].One()); err != nil {
				return 0, fmt.Errorf("the server %s: %w", t.name, err)
			}
		}
		return 0, nil
	})
	return err
}

// pairings opens channels, exchanges messages and closes them for a while, and returns how many.
func (t *target) pairings(ctx context.Context, length time.Duration) (int, error) {
	end := time.Now().Add(length)
	return together(load.Openers, func(int) (done int, err error) {
		for ; done == 0 || time.Now().Before(end); done++ {
			if err := load.Pairing(ctx, t.kind.door, t.dialer, octets, exchanges); err != nil {
				return done, err
			}
		}
		return done, nil
	})
}
