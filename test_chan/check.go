package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

// A level says of whom a check may be asked.
type level string

const (
	core   level = "v1-core"   // any compatible server
	strict level = "v1-strict" // what the README of Mozilla's server and RFC 6455 promise; its own code falls short of some
	ours   level = "ours"      // docs/protocol.md sections 2 to 4 and 6: close codes, exact limits
	v2     level = "v2"        // docs/protocol.md section 5
)

func levels() []level { return []level{core, strict, ours, v2} }

// A check is one promise of a server that can be seen from outside.
type check struct {
	name     string
	level    level
	sentence string // the promise
	setup    setup  // what the server must be set to
	octets   int    // of payload it sends through one channel, if that may be more than max_data

	// run returns nil when the promise is kept, notRun when that could not be found out, and else
	// an error that says what was expected and what came.
	run func(ctx context.Context, t *T) error
}

// notRun is why a check could not be run. It is neither a success nor a failure.
type notRun string

func (n notRun) Error() string { return string(n) }

// obstacle returns why the check cannot be run against a server with these settings, or "".
func (c *check) obstacle(k knobs) string {
	if missing := c.setup.missing(k); missing != "" {
		return missing
	}
	if k.MaxData > 0 && c.octets > k.MaxData {
		return fmt.Sprintf("it sends %d octets, and max_data of the server is %d", c.octets, k.MaxData)
	}
	return ""
}

// allChecks returns the checks in the order in which they are told.
func allChecks() []check {
	return slices.Concat(relayChecks(), frameChecks(), limitChecks(), memberChecks(), lifeChecks(),
		senderChecks(), httpChecks(), drainChecks(),
		seatChecksV2(), messageChecksV2(), resumeChecksV2(), limitChecksV2(), httpChecksV2())
}

// A target is a server to check.
type target struct {
	base   *url.URL // http or https, without a path
	knobs  knobs    // what it is set to, as far as that is known
	dial   func(ctx context.Context, local netip.Addr, network, address string) (net.Conn, error)
	window int                   // octets that may be on the way to a peer that does not read
	signal func(os.Signal) error // nil when the server is not the tester's own
	stop   func()                // ends what was started for it
}

// A T is what one run of one check has: the server, and the peers that it has sent there.
type T struct {
	*target
	check    string        // name of the check
	patience time.Duration // how long to wait for what should come at once
	progress func(what string)

	mu    sync.Mutex
	peers []*peer      // guarded by mu
	http  *http.Client // guarded by mu
}

// close ends all connections of the check.
func (t *T) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.peers {
		p.drop()
	}
	if t.http != nil {
		t.http.CloseIdleConnections()
	}
}

// wait waits for a time that the check cannot do without, and tells people so.
func (t *T) wait(ctx context.Context, d time.Duration, why string) error {
	t.progress(fmt.Sprintf("%s, %s", why, d))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// eventually tries until the attempt succeeds or patience is at an end; then it returns the last
// error. It is for what a server may do a moment after it has answered.
func (t *T) eventually(ctx context.Context, attempt func() error) error {
	deadline := time.Now().Add(t.patience)
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := attempt()
		var stuck notRun
		if err == nil || errors.As(err, &stuck) || time.Now().After(deadline) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// addresses returns n addresses of this machine from which the target can be reached: loopback
// addresses, if the target is on loopback.
func (t *T) addresses(n int) ([]netip.Addr, error) {
	ip, err := netip.ParseAddr(t.base.Hostname())
	if (err != nil || !ip.Unmap().Is4() || !ip.IsLoopback()) && t.base.Hostname() != "localhost" {
		return nil, notRun("it needs several client addresses, which are at hand only when the server is reached at an IPv4 loopback address")
	}
	addresses := make([]netip.Addr, 0, n)
	for i := range n {
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}))
	}
	return addresses, nil
}

// get sends a plain HTTP request.
func (t *T) get(ctx context.Context, path string) (*answer, error) {
	return t.request(ctx, http.MethodGet, path, nil, "")
}
