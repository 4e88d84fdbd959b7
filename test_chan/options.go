package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what a person asks for.
type options struct {
	app      string         // command that starts the server; empty is to build it
	base     *url.URL       // of a running server; nil to start one
	levels   []level        // empty: those that the server offers
	matching *regexp.Regexp // of names
	list     bool
	json     bool
	junit    string // path; empty is none
	patience time.Duration
	parallel int
	knobs    knobs
}

const usage = `test_chan finds out whether a channelserver keeps its protocol. It drives the server
from outside only, over real WebSockets, and says for each check what was expected
and what came.

Usage:
  test_chan [flags]                       build ./cmd/channelserver, start it and check it
  test_chan --app 'path/to/server' [...]  check the server that a command starts
  test_chan --url wss://host [...]        check a server that runs

A server that it starts is given its settings as PAIR_* variables; several are
started, each with other settings. For a server that runs, say what it is set to,
as far as that differs from the defaults.

Exit status: 0 when no check failed and at least one was run, 1 when one failed or
the server could not be reached, 2 for wrong use.

Environment, as the Python tester had it; flags win:
  TEST_APP_PATH       --app; when it is there but empty, --url is used
  TEST_PROTOCOL, TEST_HOST, TEST_PORT
                      make up --url (ws, localhost, 8000); servers that are started
                      get free ports
  TEST_MAX_EXCHANGES  --max-exchanges
  TEST_MAX_DATA       --max-data
  NO_COLOR            no colours

Flags:
`

// errUsage is the error of wrong use. What is wrong has been said.
var errUsage = errors.New("wrong use")

// parse reads the arguments and the environment. It returns flag.ErrHelp when help was asked for.
func parse(args []string, lookup func(string) (string, bool), stderr io.Writer) (*options, error) {
	o := &options{knobs: defaultKnobs()}
	k := &o.knobs
	env := func(name, otherwise string) string {
		if value, ok := lookup(name); ok && value != "" {
			return value
		}
		return otherwise
	}
	flags := flag.NewFlagSet("test_chan", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	app, appGiven := lookup("TEST_APP_PATH")
	flags.StringVar(&o.app, "app", app, "shell `command` that starts the server")
	address := flags.String("url", "", "`URL` of a running server: ws, wss, http or https, and a host")
	levelNames := flags.String("level", "", "check these `levels` only, separated by commas: v1-core, v1-strict, ours, v2 (default: what the server offers)")
	matching := flags.String("run", "", "check only what has a name that matches this `regexp`")
	flags.BoolVar(&o.list, "list", false, "list the checks, each in a sentence, and run none")
	flags.BoolVar(&o.json, "json", false, "write one JSON object instead of text")
	flags.StringVar(&o.junit, "junit", "", "write the results as JUnit XML to this `file` too")
	flags.DurationVar(&o.patience, "patience", 10*time.Second, "how long to wait for what should come at once")
	flags.IntVar(&o.parallel, "parallel", 8, "`checks` that run side by side on one server")
	exchanges, err1 := strconv.Atoi(env("TEST_MAX_EXCHANGES", strconv.Itoa(k.MaxExchanges)))
	octets, err2 := strconv.Atoi(env("TEST_MAX_DATA", "0"))
	if err := errors.Join(err1, err2); err != nil {
		return nil, o.wrong(stderr, "TEST_MAX_EXCHANGES and TEST_MAX_DATA are whole numbers: %v", err)
	}
	flags.IntVar(&k.MaxExchanges, "max-exchanges", exchanges, "the server's max_exchanges; 0 is no limit")
	flags.IntVar(&k.MaxData, "max-data", octets, "the server's max_data in `octets`; 0 is no limit")
	flags.IntVar(&k.MaxMessageSize, "max-message-size", k.MaxMessageSize, "the server's max_message_size in `octets`")
	flags.IntVar(&k.MaxConnections, "max-channel-connections", k.MaxConnections, "the server's max_channel_connections; 0 is no limit")
	flags.DurationVar(&k.Lifespan, "conn-lifespan", 0, "a running server's conn_lifespan, to wait for it (5m)")
	flags.DurationVar(&k.Heartbeat, "heartbeat-interval", 0, "a running server's heartbeat_interval, to wait for it (10s)")
	flags.DurationVar(&k.ClientTimeout, "client-timeout", 0, "a running server's client_timeout, to wait for it (30s)")
	flags.BoolVar(&k.RequireBase64, "require-base64", false, "the running server has require_base64")
	flags.StringVar(&k.Origin, "allowed-origin", "", "the one `origin` that the running server allows")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })

	if flags.NArg() > 0 {
		return nil, o.wrong(stderr, "there are no arguments without a flag, such as %q", flags.Arg(0))
	}
	for name := range strings.SplitSeq(*levelNames, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(levels(), level(name)) {
			return nil, o.wrong(stderr, "--level: there is no level %q; the levels are %v", name, levels())
		}
		o.levels = append(o.levels, level(name))
	}
	var err error
	if o.matching, err = regexp.Compile(*matching); err != nil {
		return nil, o.wrong(stderr, "--run=%q is not a regular expression: %v", *matching, err)
	}
	if given["app"] && given["url"] {
		return nil, o.wrong(stderr, "give --app or --url, not both")
	}
	if given["url"] || appGiven && app == "" && !given["app"] {
		if *address == "" {
			*address = env("TEST_PROTOCOL", "ws") + "://" + net.JoinHostPort(env("TEST_HOST", "localhost"), env("TEST_PORT", "8000"))
		}
		if o.base, err = baseURL(*address); err != nil {
			return nil, o.wrong(stderr, "--url=%q: %v", *address, err)
		}
	} else if given["conn-lifespan"] || given["heartbeat-interval"] || given["client-timeout"] || given["require-base64"] || given["allowed-origin"] {
		return nil, o.wrong(stderr, "--conn-lifespan, --heartbeat-interval, --client-timeout, --require-base64 and --allowed-origin say what a running server is set to; give its --url, or leave them out")
	}
	if o.patience <= 0 || o.parallel <= 0 || k.MaxMessageSize <= 0 || k.MaxData < 0 || k.MaxConnections < 0 {
		return nil, o.wrong(stderr, "--patience, --parallel and --max-message-size must be more than 0, --max-data and --max-channel-connections not less")
	}
	if k.MaxExchanges < 0 || k.MaxExchanges == 1 || k.MaxExchanges == 2 {
		return nil, o.wrong(stderr, "--max-exchanges=%d: a channel must carry 3 messages at least, or any number (0), for the checks to be possible", k.MaxExchanges)
	}
	return o, nil
}

func (o *options) wrong(stderr io.Writer, format string, args ...any) error {
	fmt.Fprintf(stderr, "test_chan: "+format+"\ntest_chan --help tells how it is used.\n", args...)
	return errUsage
}

// baseURL reads the URL of a server and turns it into one for HTTP without a path.
func baseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("expected ws, wss, http or https before ://, got %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("expected a host, got none")
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("expected a host and perhaps a port, and nothing more")
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host}
	if _, err := url.Parse(base.String()); err != nil { // some hosts, such as "::", are taken with ws only
		return nil, err
	}
	return base, nil
}

// choose returns the checks that were asked for.
func (o *options) choose(checks []check) []check {
	return slices.DeleteFunc(checks, func(c check) bool {
		return !o.matching.MatchString(c.name) || len(o.levels) > 0 && !slices.Contains(o.levels, c.level)
	})
}
