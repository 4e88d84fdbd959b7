package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// An OpenLoop sends messages at a fixed rate, over its lanes in turn, whether or not those before have arrived. Latency is measured from
// the time at which a message should have been sent, so that a server, or a sender, that stalls cannot hide it.
type OpenLoop struct {
	Lanes []*Lane
	Rate  float64       // messages a second, of all lanes together
	For   time.Duration // how long messages are sent

	// Patience is how long messages may be on their way at the end. What comes later is lost. Zero means 5 s.
	Patience time.Duration

	Latency  Latencies    // from when a message should have been sent until it was there
	Lateness Latencies    // of the sender: from when a message should have been sent until it began to be
	Sent     atomic.Int64 // messages so far
	Received atomic.Int64
}

// Bounds of the sender's sleep: below, what it costs to wake; above, how long it may take to notice that ctx is done.
const (
	finest       = 20 * time.Microsecond
	longestSleep = 100 * time.Millisecond
)

// Run sends, and waits until every message has arrived, ctx is done, a lane fails or patience is over. The error is that of the
// first lane that failed; then the lanes are of no more use. Otherwise it may run again, and its figures add up.
func (o *OpenLoop) Run(ctx context.Context) error { return o.run(ctx, time.Now()) }

// run is Run, for messages of which the first should be sent at start.
func (o *OpenLoop) run(ctx context.Context, start time.Time) error {
	total := int64(o.Rate * o.For.Seconds())
	if total < 1 || len(o.Lanes) == 0 {
		return fmt.Errorf("an open loop of %g messages a second for %v over %d lanes sends nothing", o.Rate, o.For, len(o.Lanes))
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, o.For+o.Patience)
	defer cancel()
	run := &openRun{OpenLoop: o, start: start, interval: float64(time.Second) / o.Rate}
	stop := context.AfterFunc(ctx, run.giveUp)
	defer stop()
	errs := make(chan error, len(o.Lanes)+1) // of whom each tells once, at most
	fail := func(err error) {
		if err != nil {
			errs <- err
			cancel()
		}
	}
	var tasks sync.WaitGroup
	for i, lane := range o.Lanes {
		count := total / int64(len(o.Lanes))
		if int64(i) < total%int64(len(o.Lanes)) {
			count++
		}
		next := lane.n + 1
		tasks.Go(func() { fail(run.receive(i, next, count)) })
	}
	tasks.Go(func() { fail(run.send(ctx, total)) })
	tasks.Wait()
	close(errs)
	return <-errs
}

// An openRun is one run of an OpenLoop.
type openRun struct {
	*OpenLoop
	start    time.Time
	interval float64 // nanoseconds from one message to the next
}

// due returns when a message should be sent, counted from 0.
func (r *openRun) due(message int64) time.Time {
	return r.start.Add(time.Duration(float64(message) * r.interval))
}

// giveUp lets all that waits for the server fail.
func (r *openRun) giveUp() {
	for _, lane := range r.Lanes {
		Pair{lane.from, lane.to}.expire()
	}
}

func (r *openRun) send(ctx context.Context, total int64) error {
	sleepsExactly()
	for sent := range total {
		late := time.Since(r.due(sent))
		for ; late < 0; late = time.Since(r.due(sent)) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			sleep(min(max(-late, finest), longestSleep))
		}
		r.Lateness.Record(late)
		if err := r.Lanes[sent%int64(len(r.Lanes))].send(1); err != nil {
			return err
		}
		r.Sent.Add(1)
	}
	return nil
}

// receive takes the messages of a lane, whose numbers begin with next.
func (r *openRun) receive(lane int, next uint64, count int64) error {
	to, want := r.Lanes[lane].to, newMessage(r.Lanes[lane].size)
	for n := range count {
		got, err := to.Receive()
		if err != nil {
			return err
		}
		r.Latency.Record(time.Since(r.due(int64(lane) + n*int64(len(r.Lanes)))))
		putNumber(want, next+uint64(n))
		if err := same(got, want); err != nil {
			return err
		}
		r.Received.Add(1)
	}
	return nil
}
