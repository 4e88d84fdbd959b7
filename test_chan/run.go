package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// A verdict is what became of a check.
type verdict string

const (
	held    verdict = "ok"
	failed  verdict = "FAILED"
	notDone verdict = "not run"
)

// A result is a verdict with its reason.
type result struct {
	check   *check
	verdict verdict
	reason  string // what was expected and what came, or why the check was not run
	took    time.Duration
}

// A launcher starts a server for a setup, or returns the one there is.
type launcher func(ctx context.Context, s setup) (*target, error)

// A runner runs checks. Its fields must not change meanwhile.
type runner struct {
	launch   launcher
	patience time.Duration
	servers  int // at one time
	checks   int // at one time on one server
	report   reporter
}

// A reporter is told how the run goes, from several goroutines.
type reporter interface {
	progress(check, what string)
	done(r result)
}

// run runs the checks side by side, those of one setup on one server, and returns their results in
// the order of the checks.
func (r *runner) run(ctx context.Context, checks []check) []result {
	results := make([]result, len(checks))
	bySetup := make(map[setup][]int)
	var order []setup
	for i := range checks {
		s := checks[i].setup
		if bySetup[s] == nil {
			order = append(order, s)
		}
		bySetup[s] = append(bySetup[s], i)
	}
	// The setups that wait longest come first, so that all is over sooner.
	slices.SortStableFunc(order, func(a, b setup) int { return cmp.Compare(b.longest(), a.longest()) })
	forEach(order, r.servers, func(s setup) {
		server, err := r.launch(ctx, s)
		if err == nil {
			defer server.stop()
		}
		forEach(bySetup[s], r.checks, func(i int) {
			if err != nil {
				results[i] = verdictOf(ctx, &checks[i], err, 0)
			} else {
				results[i] = r.one(ctx, &checks[i], server)
			}
			r.report.done(results[i])
		})
	})
	return results
}

// forEach calls f with each of the values, at most so many at one time.
func forEach[V any](values []V, most int, f func(V)) {
	room := make(chan struct{}, most)
	var group sync.WaitGroup
	for _, v := range values {
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			f(v)
		})
	}
	group.Wait()
}

// one runs one check.
func (r *runner) one(ctx context.Context, c *check, server *target) result {
	if why := c.obstacle(server.knobs); why != "" {
		return result{check: c, verdict: notDone, reason: why}
	}
	t := &T{
		target: server, check: c.name, patience: r.patience,
		progress: func(what string) { r.report.progress(c.name, what) },
	}
	start := time.Now()
	err := safely(ctx, c, t)
	took := time.Since(start)
	t.close()
	return verdictOf(ctx, c, err, took)
}

// safely runs a check and makes a panic in it an error: the other checks go on.
func safely(ctx context.Context, c *check, t *T) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the check itself is at fault: %v\n%s", p, debug.Stack())
		}
	}()
	return c.run(ctx, t)
}

func verdictOf(ctx context.Context, c *check, err error, took time.Duration) result {
	var why notRun
	switch {
	case err == nil:
		return result{c, held, "", took}
	case errors.As(err, &why):
		return result{c, notDone, string(why), took}
	case ctx.Err() != nil: // whatever it looks like
		return result{c, notDone, context.Cause(ctx).Error(), took}
	}
	return result{c, failed, err.Error(), took}
}

// errInterrupted is the cause of the end of a run that a person has ended.
var errInterrupted = errors.New("interrupted")
