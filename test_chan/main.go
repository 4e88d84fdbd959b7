// Command test_chan finds out whether a channelserver, this project's or a compatible one, keeps its
// protocol (docs/protocol.md). It drives the server from outside only. test_chan --help tells how to
// use it, test_chan --list what it checks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // the next one ends the tester itself
		cancel(errInterrupted)
	}()
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run does what the arguments say and returns the exit status.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	o, err := parse(args, lookup, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	checks := o.choose(allChecks())
	if len(checks) == 0 {
		_ = o.wrong(stderr, "no check has that level and a name that matches %q; --list shows them all", o.matching)
		return 2
	}
	if o.list {
		list(stdout, checks)
		return 0
	}

	var launch launcher
	if o.base != nil {
		launch = running(o.base, o.knobs)
	} else {
		shop, err := newWorkshop(ctx, o.app, o.knobs)
		if err != nil {
			fmt.Fprintln(stderr, "test_chan:", err)
			return 1
		}
		defer shop.close()
		launch = shop.launch
	}
	screen := newScreen(stdout, stderr, o.json, lookup)
	results, err := conduct(ctx, o, launch, checks, screen)
	screen.close()
	if err != nil {
		fmt.Fprintln(stderr, "test_chan:", err)
		return 1
	}
	if o.json {
		err = writeJSON(stdout, results)
	} else {
		screen.table(results)
	}
	if err != nil {
		fmt.Fprintln(stderr, "test_chan: cannot write the results:", err)
		return 1
	}
	if o.junit != "" {
		if err := writeJUnit(o.junit, results); err != nil {
			fmt.Fprintln(stderr, "test_chan: cannot write the JUnit file:", err)
			return 1
		}
	}
	if ctx.Err() != nil {
		return 1
	}
	return status(results)
}

// conduct runs the checks, but for those of levels that the server does not offer, unless the level
// was asked for by name.
func conduct(ctx context.Context, o *options, launch launcher, checks []check, report reporter) ([]result, error) {
	r := &runner{launch: launch, patience: o.patience, servers: 4, checks: o.parallel, report: report}
	if len(o.levels) > 0 {
		return r.run(ctx, checks), nil
	}
	missing, err := r.missingLevels(ctx, o.base == nil && o.app == "")
	if err != nil {
		return nil, err
	}
	results := make([]result, len(checks))
	var offered []check
	var places []int
	for i := range checks {
		if why := missing[checks[i].level]; why != "" {
			results[i] = result{check: &checks[i], verdict: notDone, reason: why}
			report.done(results[i])
			continue
		}
		offered, places = append(offered, checks[i]), append(places, i)
	}
	for i, result := range r.run(ctx, offered) {
		results[places[i]] = result
	}
	return results, nil
}

// status returns the exit status for the results: 0 when no check failed and one was run at least.
func status(results []result) int {
	total := count(results, "")
	if total[failed] > 0 || total[held] == 0 {
		return 1
	}
	return 0
}
