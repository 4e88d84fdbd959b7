package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

const soakUsage = `usage: channelctl soak [options]

Strains a server with good and bad clients at the same time. The good ones open channels, in both
versions of the protocol, and count what they hear of each other; those of version 2 lose a connection
on the way. The bad ones break RFC 6455, flood, go silent, guess ids and speak no HTTP.

The exit status is 1 if a message was lost, duplicated or reordered, or a good pair failed. The limits
of the server's channels must allow 10 messages, which is the default.

examples:
  channelctl soak
  channelctl soak --url ws://127.0.0.1:8000 --for 10m --pairs 50 --bad 20 --pid "$(pidof channelserver)"
  channelctl soak --for 1h --admin http://127.0.0.1:8001 --json

options:
`

// soakOptions are what the arguments of channelctl soak say.
type soakOptions struct {
	url      *url.URL      // of the server, ws or wss
	length   time.Duration // for which clients are started
	pairs    int           // good pairs at one time
	bad      int           // bad clients at one time
	pid      int           // of the server, whose memory is looked at; 0 is unknown
	admin    string        // URL of the server's admin listener, which is asked for that instead; "" for none
	json     bool
	stranger bool // the server may be another machine's
}

// maxClients bounds how many clients there are at one time, of each kind.
const maxClients = 1000

func parseSoak(ctx context.Context, args []string, stdout, stderr io.Writer) (soakOptions, error) {
	var o soakOptions
	set := flag.NewFlagSet("soak", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	address := set.String("url", "ws://127.0.0.1:8000", "`URL` of the server, ws:// or wss://")
	set.DurationVar(&o.length, "for", 30*time.Second, "`time` for which new clients come: 30s, 10m")
	set.IntVar(&o.pairs, "pairs", 8, "`count` of good pairs at one time, at most 1000")
	set.IntVar(&o.bad, "bad", 4, "`count` of bad clients at one time, at most 1000")
	set.IntVar(&o.pid, "pid", 0, "`process` id of the server, to tell its memory (Linux)")
	set.StringVar(&o.admin, "admin", "", "`URL` of the server's admin listener, to tell its memory")
	set.BoolVar(&o.json, "json", false, "print one JSON object")
	set.BoolVar(&o.stranger, "yes-i-run-this-server", false, "strain a server that is not on this machine")
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, soakUsage)
		set.SetOutput(stdout)
		set.PrintDefaults()
		return o, err
	}
	if err == nil && set.NArg() > 0 {
		err = fmt.Errorf("%q is no option", set.Arg(0))
	}
	if err == nil {
		err = o.check(ctx, *address)
	}
	if err != nil {
		fmt.Fprintf(stderr, "channelctl soak: %v; see channelctl soak --help\n", err)
	}
	return o, err
}

func (o *soakOptions) check(ctx context.Context, address string) (err error) {
	if o.url, err = url.Parse(address); err != nil || o.url.Scheme != "ws" && o.url.Scheme != "wss" || o.url.Host == "" {
		return fmt.Errorf("--url %q is not a URL like ws://127.0.0.1:8000", address)
	}
	switch {
	case o.pairs < 1 || o.pairs > maxClients:
		return fmt.Errorf("--pairs %d is not from 1 to %d", o.pairs, maxClients)
	case o.bad < 0 || o.bad > maxClients:
		return fmt.Errorf("--bad %d is not from 0 to %d", o.bad, maxClients)
	case o.length <= 0:
		return fmt.Errorf("--for %v is not a time to wait", o.length)
	case o.stranger:
		return nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", o.url.Hostname())
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			return fmt.Errorf("%s is %v, not this machine: whoever runs that server may say --yes-i-run-this-server", o.url.Hostname(), a)
		}
	}
	return nil
}

// runSoak is channelctl soak.
func runSoak(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseSoak(ctx, args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	report, err := soak(ctx, &o)
	if err != nil {
		fmt.Fprintln(stderr, "channelctl soak:", err)
		return 1
	}
	if o.json {
		err = json.NewEncoder(stdout).Encode(report)
	} else {
		err = report.print(stdout)
	}
	if err != nil || !report.good() {
		return 1
	}
	return 0
}

// soak runs clients until the time is over or ctx is done, and waits for those that are on their way.
func soak(ctx context.Context, o *soakOptions) (*report, error) {
	server := &target{url: o.url}
	r := &report{URL: o.url.String(), Failures: make(map[string]int)}
	start := time.Now()
	var err error
	if r.MemoryStart, err = o.memory(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.length)
	defer cancel()
	var clients sync.WaitGroup
	for n := range o.pairs {
		clients.Go(func() {
			version := 1 + n%2
			for ; ctx.Err() == nil; version = 3 - version {
				if r.add(server.pair(version)) {
					pause(ctx)
				}
			}
		})
	}
	for n := range o.bad {
		clients.Go(func() {
			kinds := badClients()
			for ; ctx.Err() == nil; n++ {
				err := kinds[n%len(kinds)](server)
				r.addBad()
				if err != nil {
					pause(ctx)
				}
			}
		})
	}
	clients.Wait()
	r.Seconds = time.Since(start).Seconds()
	if r.MemoryEnd, err = o.memory(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return r, nil
}

// pause keeps clients from asking again at once where they were refused.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}
