// Command compare measures this server beside others: a raw TCP relay in Go, the floor; the shape of the usual
// chat example on gorilla/websocket; and the npm library ws under Node. It builds all of them into a temporary
// folder, runs them on the loopback interface, and prints a table with the targets of docs/performance.md.
//
//	go run ./compare
//	go run ./compare --quick
//	go run ./compare --only message,burst --servers chat --rounds 30
//	go run ./compare --csv docs/compare.csv --svg docs/compare.svg --into docs/performance.md
//
// What takes turns in short slices, with all servers alive, is compared within its round: a figure of a server is the median,
// over the rounds, of its ratio to the floor's figure in the same round. The first round warms up. Another
// instance of this server takes turns too: where it differs from the first, the machine was too busy to tell. CPU time is that of the
// server's process, by its own clock; clients are in another process. What a connection costs in memory is
// measured with one fresh server at a time.
//
// The exit status is 0 whether or not targets are met: on a busy machine they may not be.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

// longest bounds a run.
const longest = 20 * time.Minute

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, longest)
	defer cancel()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set := flag.NewFlagSet("compare", flag.ContinueOnError)
	set.SetOutput(stderr)
	var (
		rounds  = set.Int("rounds", 0, "how `many` rounds, the first of which does not count (13, or 3 with --quick)")
		slice   = set.Duration("slice", 0, "`time` for which a server is under load in a round (250ms, or 100ms with --quick)")
		only    = set.String("only", "", "`figures` to measure, separated by commas: "+strings.Join(names(), ", "))
		servers = set.String("servers", "", "`servers` beside this one and the floor, separated by commas: chat, node")
		quick   = set.Bool("quick", false, "few rounds, short slices and few connections, to see that it works")
		csv     = set.String("csv", "", "`file` to write all samples to")
		svg     = set.String("svg", "", "`file` to draw the figures into")
		into    = set.String("into", "", "`file` in which the table between two comments is replaced")
		machine = set.String("machine", fmt.Sprintf("%d cores", runtime.NumCPU()), "the machine, in `words`")
	)
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%q is not an option", set.Arg(0))
	}
	if *quick {
		*rounds, *slice = cmp.Or(*rounds, 3), cmp.Or(*slice, 100*time.Millisecond)
	}
	*rounds, *slice = cmp.Or(*rounds, 13), cmp.Or(*slice, 250*time.Millisecond)
	if *rounds < 2 || *rounds > 100 || *slice < 10*time.Millisecond || *slice > 5*time.Second {
		return errors.New("give 2 to 100 rounds, and slices of 10ms to 5s")
	}
	c := &comparison{rounds: *rounds, slice: *slice, idle: idleConns, tell: func(format string, values ...any) {
		fmt.Fprintf(stderr, format+"\n", values...)
	}}
	var err error
	if c.kinds, err = chosen(*servers); err != nil {
		return err
	}
	if c.only, err = chosenFigures(*only); err != nil {
		return err
	}
	if c.crowd, err = crowdOf(); err != nil {
		return err
	}
	if *quick {
		c.idle, c.crowd = 1_000, 2_000
	}

	if err := c.build(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(c.folder)
	began := time.Now()
	for _, part := range []func(context.Context) error{c.sideBySide, c.memory, c.secure, c.growth} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	r := report{
		samples: c.samples, kinds: c.kinds,
		about: fmt.Sprintf("%s, %s, loopback interface, Linux, %s; %d rounds of slices of %v; %d idle connections; growth from %d to %d",
			began.Format(time.DateOnly), *machine, runtime.Version(), c.rounds, c.slice, c.idle, fewIdle, c.crowd),
	}
	if _, err := io.WriteString(stdout, r.table()); err != nil {
		return err
	}
	c.tell("took %v", time.Since(began).Round(time.Second))
	return r.save(*csv, *svg, *into)
}

// build builds the servers.
func (c *comparison) build(ctx context.Context) error {
	var err error
	if c.folder, err = os.MkdirTemp("", "compare"); err != nil {
		return err
	}
	for _, k := range c.kinds {
		c.tell("building the server %s", k.name)
		if err := k.build(ctx, c.folder); err != nil {
			os.RemoveAll(c.folder)
			return err
		}
	}
	return nil
}
