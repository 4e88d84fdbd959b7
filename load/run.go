package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// patience is how long a run waits at its end for what is on its way.
const patience = 5 * time.Second

// missed is how many messages are sent while a connection is cut, in the scenario resume.
const missed = 5

// A runner is a run under way.
type runner struct {
	Options
	tally
	loop OpenLoop // of the scenario rate

	idle    []Pair
	keepers []*Keeper // of idle
	active  []*channel
}

// A channel is one that relays messages.
type channel struct {
	Pair
	forth, back *Lane
	failed      [2]bool // of forth and back, each of the goroutine that uses it; the pair is of no more use
}

// Run does what the options say, until the time is over or ctx is done, and reports it. An error is returned
// where nothing can be measured: the options are wrong, what stays open could not be opened, or the server's process
// cannot be read. What goes wrong afterwards is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if !o.Scenario.standing() {
		o.Channels = 0
	}
	if !o.Scenario.passing() {
		o.Workers = 0
	}
	if o.Scenario == Churn {
		o.Messages = 0
	}
	r := &runner{Options: o, tally: tally{kinds: make(map[string]int)}}
	return r.run(ctx)
}

func (r *runner) run(ctx context.Context) (*Report, error) {
	defer r.tell()()
	generator, server := meter{process: Process(os.Getpid())}, meter{process: r.Server}
	noGenerator := generator.read(begin)
	read := func(at turn) (err error) {
		if noGenerator == nil {
			err = generator.read(at)
		}
		if r.Server != 0 {
			err = errors.Join(err, server.read(at))
		}
		return err
	}
	if err := read(begin); err != nil {
		return nil, err
	}
	defer r.cut()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := read(opened); err != nil {
		return nil, err
	}
	start := time.Now()
	r.relay(ctx)
	elapsed := time.Since(start)
	if err := read(ended); err != nil {
		return nil, err
	}
	r.close()
	report := r.report()
	report.Seconds = elapsed.Seconds()
	if noGenerator == nil {
		report.Generator = generator.share(report)
	}
	if r.Server != 0 {
		report.Server = server.share(report)
	}
	return report, nil
}

func (r *runner) report() *Report {
	messages, message := r.messages.Load(), &r.message
	if r.Scenario == Rate {
		messages, message = r.loop.Received.Load(), &r.loop.Latency
	}
	return &Report{
		Scenario: r.Scenario, Address: r.Dialer.Address,
		Channels: r.Channels, Idle: r.Idle, Workers: r.Workers, Size: r.Size,
		Sent: r.loop.Sent.Load(), Messages: messages, Pairings: r.pairings.Load(), Resumes: r.resumes.Load(),
		Message: message.Summary(), Opening: r.opening.Summary(), Pairing: r.pairing.Summary(),
		Resume: r.resume.Summary(), Lateness: r.loop.Lateness.Summary(), Errors: r.kinds,
	}
}

// tell tells of the progress each second, until the function that it returns is called.
func (r *runner) tell() (stop func()) {
	if r.Progress == nil {
		return func() {}
	}
	begin, quit := time.Now(), make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		ticks := time.NewTicker(time.Second)
		defer ticks.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticks.C:
				r.Progress(Progress{
					Elapsed: time.Since(begin), Opened: r.opened.Load(), Messages: r.messages.Load() + r.loop.Received.Load(),
					Pairings: r.pairings.Load(), Resumes: r.resumes.Load(), Errors: r.failures.Load(),
				})
			}
		}
	})
	return func() {
		close(quit)
		told.Wait()
	}
}

// open opens what stays open.
func (r *runner) open(ctx context.Context) error {
	const batch = 1000 // channels, which are opened before the first of them wants an answer
	count := func() { r.opened.Add(1) }
	for left := r.Idle / 2; left > 0; left -= batch {
		pairs, err := OpenPairs(ctx, timedDoor{r.Door, &r.tally}, r.Dialer, min(batch, left), count)
		if err != nil {
			return fmt.Errorf("opening idle connections: %w", err)
		}
		r.idle = append(r.idle, pairs...)
		var conns []Conn
		for _, p := range pairs {
			conns = append(conns, p.A, p.B)
		}
		keeper, err := Keep(conns, r.fail)
		if err != nil {
			return err
		}
		r.keepers = append(r.keepers, keeper)
	}
	pairs, err := OpenPairs(ctx, timedDoor{r.Door, &r.tally}, r.Dialer, r.Channels, count)
	if err != nil {
		return fmt.Errorf("opening channels: %w", err)
	}
	for i, p := range pairs {
		first := uint64(i) << 33
		r.active = append(r.active, &channel{Pair: p, forth: NewLane(p.A, p.B, r.Size, first), back: NewLane(p.B, p.A, r.Size, first|1<<32)})
	}
	return nil
}

// A timedDoor measures how long it takes to open a channel.
type timedDoor struct {
	Door
	tally *tally
}

func (t timedDoor) Open(ctx context.Context, d *Dialer) (Conn, Conn, error) {
	start := time.Now()
	a, b, err := t.Door.Open(ctx, d)
	if err == nil {
		t.tally.opening.Record(time.Since(start))
	}
	return a, b, err
}

// close ends what is still open as the protocol has it.
func (r *runner) close() {
	for _, k := range r.keepers {
		k.Stop()
	}
	r.keepers = nil
	left := r.idle
	for _, c := range r.active {
		if !c.failed[0] && !c.failed[1] {
			left = append(left, c.Pair)
		}
	}
	for _, err := range closePairs(left) {
		if !errors.Is(err, net.ErrClosed) { // of which its keeper has told already
			r.fail(err)
		}
	}
}

// cut ends what is still open.
func (r *runner) cut() {
	for _, k := range r.keepers {
		k.Stop()
	}
	for _, p := range r.idle {
		p.Cut()
	}
	for _, c := range r.active {
		c.Cut()
	}
}
