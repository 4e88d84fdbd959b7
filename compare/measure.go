package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"channelserver/load"
)

// A comparison measures the servers.
type comparison struct {
	folder  string // of the built servers
	kinds   []*kind
	only    []string // names of figures; empty for all
	rounds  int      // the first of which does not count
	slice   time.Duration
	idle    int // connections for the figures of memory
	crowd   int // connections of the larger server for the figure of growth; a small one has 1,000
	samples samples
	tell    func(format string, values ...any)
}

const (
	openings  = 4_800 // channels opened for each second of a slice, at most maxOpened
	maxOpened = 4_000
	rate      = 2_000 // messages in a second
	rateTo    = 200   // channels that take turns in it
	fewIdle   = 1_000 // connections
	idleConns = 10_000
	mostCrowd = 17_800 // what a limit of 20,000 descriptors leaves, of which our server keeps a tenth from new channels
)

func (c *comparison) wants(figures ...string) bool {
	return len(c.only) == 0 || slices.ContainsFunc(figures, func(name string) bool { return slices.Contains(c.only, name) })
}

func (c *comparison) add(figure string, t *target, round int, value float64) {
	if c.wants(figure) {
		c.samples = append(c.samples, sample{figure, t.name, round, value})
	}
}

// start runs a server and returns it as a target.
func (c *comparison) start(ctx context.Context, k *kind, name string, more ...string) (*target, error) {
	p, err := start(ctx, k, name, append(k.command(c.folder), more...))
	if err != nil {
		return nil, err
	}
	t, err := newTarget(ctx, p)
	if err != nil {
		p.stop()
	}
	return t, err
}

// stop ends targets, which may be nil.
func stop(targets ...*target) {
	for _, t := range targets {
		if t != nil {
			t.cut()
			t.stop()
		}
	}
}

// sideBySide measures what needs many short slices: all servers are alive at the same time, and take turns.
func (c *comparison) sideBySide(ctx context.Context) error {
	if !c.wants("message", "burst", "channel", "pairing", "p50", "p99") {
		return nil
	}
	var targets []*target
	defer func() { stop(targets...) }()
	for _, k := range append(slices.Clone(c.kinds), c.kinds[0]) {
		name := k.name
		if len(targets) == len(c.kinds) {
			name = again
		}
		t, err := c.start(ctx, k, name)
		if err != nil {
			return err
		}
		targets = append(targets, t)
		if err := t.open(ctx, busy+rateTo); err != nil {
			return err
		}
	}
	for round := range c.rounds {
		c.tell("round %d of %d", round+1, c.rounds)
		for _, measure := range []func(context.Context, *target, int) error{c.message, c.burst, c.channel, c.pairing, c.latency} {
			for i := range targets {
				// Who comes first changes, for each slice may leave something to do for the next.
				if err := measure(ctx, targets[(i+round)%len(targets)], round); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *comparison) message(ctx context.Context, t *target, round int) error {
	return c.cpu(ctx, "message", t, round, func() (int, error) { return t.relay(t.lanes[:busy], 1, c.slice) })
}

func (c *comparison) burst(ctx context.Context, t *target, round int) error {
	return c.cpu(ctx, "burst", t, round, func() (int, error) { return t.relay(t.lanes[:busy], burst, c.slice) })
}

func (c *comparison) channel(ctx context.Context, t *target, round int) error {
	var pairs []load.Pair
	err := c.cpu(ctx, "channel", t, round, func() (int, error) {
		var err error
		pairs, err = load.OpenPairs(ctx, t.kind.door, t.dialer, min(int(c.slice.Seconds()*openings), maxOpened), nil)
		return len(pairs), err
	})
	return errors.Join(err, load.ClosePairs(pairs))
}

func (c *comparison) pairing(ctx context.Context, t *target, round int) error {
	return c.cpu(ctx, "pairing", t, round, func() (int, error) { return t.pairings(ctx, c.slice) })
}

func (c *comparison) latency(ctx context.Context, t *target, round int) error {
	if !c.wants("p50", "p99") {
		return nil
	}
	time.Sleep(settling)
	loop := load.OpenLoop{Rate: rate, For: 4 * c.slice}
	for _, both := range t.lanes[busy:] {
		loop.Lanes = append(loop.Lanes, both[round%2])
	}
	if err := loop.Run(ctx); err != nil {
		return fmt.Errorf("latency: the server %s: %w", t.name, err)
	}
	c.add("p50", t, round, float64(loop.Latency.Quantile(0.50))/1e3)
	c.add("p99", t, round, float64(loop.Latency.Quantile(0.99))/1e3)
	return nil
}

// cpu takes a sample of CPU time, if the figure is wanted.
func (c *comparison) cpu(ctx context.Context, figure string, t *target, round int, do func() (int, error)) error {
	if !c.wants(figure) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	value, err := t.cpu(do)
	if err != nil {
		return fmt.Errorf("%s: %w", figure, err)
	}
	c.add(figure, t, round, value)
	return nil
}

// memory measures what connections cost that are idle: one server after the other, each fresh.
func (c *comparison) memory(ctx context.Context) error {
	if !c.wants("idle", "idle-gc", "used", "used-gc") {
		return nil
	}
	for _, k := range c.kinds {
		c.tell("%d idle connections at the server %s", c.idle, k.name)
		t, err := c.start(ctx, k, k.name)
		if err == nil {
			err = c.resident(ctx, t)
		}
		stop(t)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) resident(ctx context.Context, t *target) error {
	empty, err := load.Process(t.command.Process.Pid).Resident()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		figure string
		do     func() error
	}{
		{"idle", func() error { return t.open(ctx, c.idle/2) }},
		{"idle-gc", func() error { return t.collect(ctx) }},
		{"used", t.traffic},
		{"used-gc", func() error { return t.collect(ctx) }},
	} {
		if err := step.do(); err != nil {
			return err
		}
		time.Sleep(settling)
		now, err := load.Process(t.command.Process.Pid).Resident()
		if err != nil {
			return err
		}
		c.add(step.figure, t, 0, float64(now-empty)/1024/float64(c.idle))
	}
	return nil
}

// secure measures what an idle connection over TLS costs, for our server.
func (c *comparison) secure(ctx context.Context) error {
	if !c.wants("tls-gc") {
		return nil
	}
	c.tell("%d idle connections over TLS", c.idle)
	certificate, key := filepath.Join(c.folder, "certificate.pem"), filepath.Join(c.folder, "key.pem")
	roots, err := makeCertificate(certificate, key)
	if err != nil {
		return err
	}
	t, err := c.start(ctx, c.kinds[0], ours, "--tls_cert="+certificate, "--tls_key="+key)
	if err != nil {
		return err
	}
	defer stop(t)
	t.dialer.TLS = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	empty, err := load.Process(t.command.Process.Pid).Resident()
	if err != nil {
		return err
	}
	if err := errors.Join(t.open(ctx, c.idle/2), t.collect(ctx)); err != nil {
		return err
	}
	time.Sleep(settling)
	now, err := load.Process(t.command.Process.Pid).Resident()
	c.add("tls-gc", t, 0, float64(now-empty)/1024/float64(c.idle))
	return err
}

// growth measures how much more a message costs when there are more connections, all of which have traffic
// in turn: two instances of a server at a time, one with few connections and one with many.
func (c *comparison) growth(ctx context.Context) error {
	if !c.wants("growth") {
		return nil
	}
	for _, k := range c.kinds {
		if err := c.growthOf(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) growthOf(ctx context.Context, k *kind) error {
	var sides [2]*target
	defer func() { stop(sides[:]...) }()
	for i, conns := range []int{min(fewIdle, c.crowd), c.crowd} {
		c.tell("%d connections at the server %s", conns, k.name)
		var err error
		if sides[i], err = c.start(ctx, k, k.name); err != nil {
			return err
		}
		if err = errors.Join(sides[i].open(ctx, conns/2), sides[i].traffic()); err != nil {
			return err
		}
	}
	for round := range c.rounds {
		var values [2]float64
		for i := range sides {
			side := (i + round) % 2
			t := sides[side]
			var err error
			if values[side], err = t.cpu(func() (int, error) { return t.relay(t.lanes, 1, c.slice) }); err != nil {
				return err
			}
		}
		c.add("growth", sides[0], round, values[1]/values[0])
	}
	return nil
}

// crowdOf returns how many connections the larger server can have for the figure of growth.
func crowdOf() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	// Our server opens no channels when a tenth of the descriptors is left; this process needs a few more than
	// it has connections to both.
	return int(min(mostCrowd, limit.Cur/10*9-200)), nil
}
