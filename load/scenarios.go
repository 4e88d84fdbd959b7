package load

import (
	"context"
	"errors"
	"sync"
	"time"
)

// relay does what is measured, until the time is over or ctx is done.
func (r *runner) relay(ctx context.Context) {
	soft, cancel := context.WithTimeout(ctx, r.For)
	defer cancel()
	hard, giveUp := context.WithCancel(context.WithoutCancel(ctx)) // when what is on its way is lost
	defer giveUp()
	stop := context.AfterFunc(soft, func() { time.AfterFunc(patience, giveUp) })
	defer stop()
	var tasks sync.WaitGroup
	switch r.Scenario {
	case Idle:
		<-soft.Done()
	case Relay:
		for _, c := range r.active {
			tasks.Go(func() { c.failed[0] = r.repeat(soft, hard, c, c.forth) })
			tasks.Go(func() { c.failed[1] = r.repeat(soft, hard, c, c.back) })
		}
	case Rate:
		r.atRate(ctx)
	case Pairs, Churn:
		for range r.Workers {
			tasks.Go(func() { r.pair(soft, hard) })
		}
	case Resume:
		for _, c := range r.active {
			tasks.Go(func() { c.failed[0] = r.cutAndResume(soft, hard, c) })
		}
	}
	tasks.Wait()
}

// repeat sends messages over a lane of a channel, one in flight, and tells whether that failed.
func (r *runner) repeat(soft, hard context.Context, c *channel, lane *Lane) (failed bool) {
	stop := context.AfterFunc(hard, c.expire)
	defer stop()
	for soft.Err() == nil {
		start := time.Now()
		if err := lane.One(); err != nil {
			r.fail(err)
			return true
		}
		r.message.Record(time.Since(start))
		r.messages.Add(1)
	}
	return false
}

// atRate sends messages over all channels at the rate of the options.
func (r *runner) atRate(ctx context.Context) {
	r.loop.Rate, r.loop.For, r.loop.Patience = r.Rate, r.For, patience
	for _, c := range r.active {
		r.loop.Lanes = append(r.loop.Lanes, c.forth)
	}
	for _, c := range r.active {
		r.loop.Lanes = append(r.loop.Lanes, c.back)
	}
	err := r.loop.Run(ctx)
	if err == nil {
		return
	}
	for _, c := range r.active {
		c.failed[0] = true
	}
	if ctx.Err() == nil {
		r.fail(err)
	}
}

// pair opens, uses and closes channels, one after the other.
func (r *runner) pair(soft, hard context.Context) {
	for soft.Err() == nil {
		start := time.Now()
		last := start
		relayed := func() {
			now := time.Now()
			r.message.Record(now.Sub(last))
			r.messages.Add(1)
			last = now
		}
		err := pairing(hard, timedDoor{r.Door, &r.tally}, r.Dialer, r.Size, r.Messages, func() { last = time.Now() }, relayed)
		if err == nil {
			r.tally.pairing.Record(time.Since(start))
			r.pairings.Add(1)
			continue
		}
		r.fail(err)
		const pause = 100 * time.Millisecond // that what does not work is not done as fast as it can be
		select {
		case <-soft.Done():
		case <-time.After(pause):
		}
	}
}

// cutAndResume cuts the second member of a channel, sends it messages, and lets it take its seat back, again and again. It tells
// whether that failed.
func (r *runner) cutAndResume(soft, hard context.Context, c *channel) (failed bool) {
	for soft.Err() == nil {
		if err := r.resumeOnce(hard, c); err != nil {
			r.fail(err)
			return true
		}
	}
	return false
}

func (r *runner) resumeOnce(hard context.Context, c *channel) error {
	second, ok := c.B.(Resumer)
	if !ok {
		return errors.New("this protocol has no resuming")
	}
	second.NetConn().Close()
	start := time.Now()
	if err := c.forth.send(missed); err != nil {
		return err
	}
	if err := second.Resume(hard, r.Dialer); err != nil {
		return err
	}
	stop := context.AfterFunc(hard, c.expire)
	defer stop()
	if err := c.forth.take(missed); err != nil {
		return err
	}
	r.resume.Record(time.Since(start))
	r.resumes.Add(1)
	r.messages.Add(missed)
	if err := c.back.One(); err != nil { // which also reads what the first was told
		return err
	}
	r.messages.Add(1)
	return nil
}
