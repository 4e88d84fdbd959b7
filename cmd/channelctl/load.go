package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"channelserver/load"
)

const loadUsage = `usage: channelctl load <scenario> [options]

Puts a load on a server, and tells what it carried, how fast, and what it cost.

scenarios:
  idle    connections, in channels of two, that say nothing
  relay   closed loop: one message in flight in each direction of each channel
  rate    open loop: messages at a fixed rate; latency counts from when each should have been sent
  pair    channels that are opened, joined, carry some messages and are closed
  churn   the same without messages
  resume  version 2: connections are cut, miss messages, and take their seats back

In relay, rate and resume a channel carries more messages than the 10 that the server allows unless it is told otherwise:
start it with --max_exchanges=0, and with --conn_lifespan=0 for more than 5 minutes.

The exit status is 0 when all went well, 1 when anything went wrong, even once, and 2 when the arguments are wrong.

examples:
  channelserver --max_exchanges=0 &
  channelctl load relay --pid $!
  channelctl load rate --rate 5000 --channels 500 --for 1m --json
  channelctl load idle --idle 10000 --pid "$(pidof channelserver)"
  channelctl load relay --idle 10000 --channels 4
  channelctl load pair --workers 8 --url ws://127.0.0.1:8000

options:
`

// loadOptions are what the arguments of channelctl load say.
type loadOptions struct {
	load.Options
	json     bool
	progress bool
}

func parseLoad(ctx context.Context, args []string, stdout, stderr io.Writer) (o loadOptions, err error) {
	set := flag.NewFlagSet("load", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	address := set.String("url", "ws://127.0.0.1:8000", "`URL` of the server, ws:// or wss://")
	version := set.Int("version", 1, "`version` of the protocol, 1 or 2 (resume: 2)")
	set.DurationVar(&o.For, "for", 10*time.Second, "`time` to measure: 10s, 5m, at most 1h")
	set.IntVar(&o.Idle, "idle", 0, "`count` of connections that say nothing, besides (idle: 1000)")
	set.IntVar(&o.Channels, "channels", 0, "relay, rate and resume: `count` of channels that relay (8; rate: 200)")
	set.IntVar(&o.Workers, "workers", 16, "pair and churn: `count` of channels open at one time")
	set.IntVar(&o.Size, "size", 512, "`octets` of a message, at least 16")
	set.IntVar(&o.Messages, "messages", 10, "pair: `count` of messages in each channel")
	set.Float64Var(&o.Rate, "rate", 2000, "rate: `messages` a second, of all channels together")
	set.IntVar((*int)(&o.Server), "pid", 0, "`process` id of the server, to tell its CPU and memory (Linux)")
	insecure := set.Bool("insecure", false, "accept any certificate of the server's")
	set.BoolVar(&o.json, "json", false, "print one JSON object")
	set.BoolVar(&o.progress, "progress", false, "tell how far it is each second, even if that is not a terminal")
	stranger := set.Bool("yes-i-run-this-server", false, "load a server that is not on this machine")
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.Scenario, args = load.Scenario(args[0]), args[1:]
	}
	switch err = set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, loadUsage)
		set.SetOutput(stdout)
		set.PrintDefaults()
		return o, err
	case err != nil:
	case set.NArg() > 0:
		err = fmt.Errorf("%q is no option", set.Arg(0))
	case o.Scenario == "":
		err = errors.New("which scenario?")
	default:
		err = o.complete(ctx, set, *address, *version, *insecure, *stranger)
	}
	if err != nil {
		fmt.Fprintf(stderr, "channelctl load: %v; see channelctl load --help\n", err)
	}
	return o, err
}

// complete fills in what depends on the scenario, and checks all.
func (o *loadOptions) complete(ctx context.Context, set *flag.FlagSet, address string, version int, insecure, stranger bool) (err error) {
	given := make(map[string]bool)
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.Scenario == load.Idle && !given["idle"] {
		o.Idle = 1000
	}
	if o.Scenario == load.Resume && !given["version"] {
		version = 2
	}
	if !given["channels"] {
		o.Channels = 8
		if o.Scenario == load.Rate {
			o.Channels = 200
		}
	}
	switch {
	case version == 1 && o.Scenario == load.Resume:
		return errors.New("version 1 has no resuming")
	case version == 1:
		o.Door = load.V1{}
	case version == 2:
		o.Door = load.V2{}
	default:
		return fmt.Errorf("--version %d is not 1 or 2", version)
	}
	if err := o.Check(); err != nil {
		return err
	}
	if o.Dialer, err = load.NewDialer(ctx, address); err != nil {
		return err
	}
	if !o.Dialer.Loopback() && !stranger {
		return fmt.Errorf("%s is not this machine: whoever runs that server may say --yes-i-run-this-server", o.Dialer.Address)
	}
	if o.Dialer.TLS != nil {
		o.Dialer.TLS.InsecureSkipVerify = insecure
	}
	return nil
}

// runLoad is channelctl load.
func runLoad(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseLoad(ctx, args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	endLine := func() {}
	if terminal := isTerminal(stderr); terminal || o.progress {
		o.Progress, endLine = progressOn(stderr, terminal)
	}
	report, err := load.Run(ctx, o.Options)
	endLine()
	if err != nil {
		fmt.Fprintln(stderr, "channelctl load:", err)
		return 1
	}
	if o.json {
		err = json.NewEncoder(stdout).Encode(report)
	} else {
		err = printLoad(stdout, report)
	}
	if err != nil || report.Failed() {
		return 1
	}
	return 0
}

// progressOn tells of the progress on w: on a terminal in one line that changes, which end ends.
func progressOn(w io.Writer, terminal bool) (tell func(load.Progress), end func()) {
	var before load.Progress
	tell = func(p load.Progress) {
		parts := []string{fmt.Sprintf("%4.0fs", p.Elapsed.Seconds())}
		if p.Opened > 0 {
			parts = append(parts, fmt.Sprintf("%d channels open", p.Opened))
		}
		seconds := (p.Elapsed - before.Elapsed).Seconds()
		for _, c := range []struct {
			what     string
			now, was int64
		}{{"messages", p.Messages, before.Messages}, {"pairings", p.Pairings, before.Pairings}, {"resumes", p.Resumes, before.Resumes}} {
			if c.now > 0 {
				parts = append(parts, fmt.Sprintf("%.0f %s/s", float64(c.now-c.was)/seconds, c.what))
			}
		}
		line := strings.Join(append(parts, fmt.Sprintf("%d errors", p.Errors)), "  ")
		before = p
		if terminal {
			fmt.Fprintf(w, "\r%s\x1b[K", line)
		} else {
			fmt.Fprintln(w, line)
		}
	}
	return tell, func() {
		if terminal && before.Elapsed > 0 {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
