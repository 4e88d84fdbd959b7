package main

import (
	"net/http"
	"os"
	"syscall"
	"testing"
)

// drainFrom sends the first signal to a server and waits until it drains.
func drainFrom(p *process, s os.Signal) {
	p.t.Helper()
	p.signal(s)
	p.next("draining")
	eventually(p.t, "/__lbheartbeat__ is 503", func() bool { // the line comes a moment before
		return p.get("/__lbheartbeat__").status == http.StatusServiceUnavailable
	})
}

// exits0 waits for the end, which must be a good one.
func exits0(p *process) {
	p.t.Helper()
	p.next("stopped")
	if status := p.exit(); status != 0 {
		p.t.Errorf("exit status %d, want 0\n%s", status, &p.stdout)
	}
}

func TestDrainLetsLivingChannelsFinish(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, b := p.pair()
	lone := p.join("/v1/ws/")
	drainFrom(p, syscall.SIGTERM)

	if a := p.get("/__lbheartbeat__"); a.header.Get("Retry-After") == "" {
		t.Error("/__lbheartbeat__ has no Retry-After")
	}
	if a := p.get("/__heartbeat__"); a.status != http.StatusOK {
		t.Errorf("/__heartbeat__: status %d: a server that drains works", a.status)
	}
	for _, path := range []string{"/v1/ws/", "/v1/ws"} {
		if c, response := p.dial(path); c != nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("%s: a new channel while draining: %+v", path, response)
		}
	}
	talk(a, b)
	joined := p.join(lone.link)
	talk(lone, joined)
	p.signal(syscall.SIGHUP) // is no second signal to stop

	for _, c := range []*client{a, b, lone} {
		c.bye()
	}
	joined.send("alone")
	p.becomes("channelserver_channels", 1) // a close frame is answered before the seat is given up
	joined.bye()
	exits0(p)
}

func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, timeout string
		signal        os.Signal
	}{{"a second", "1", syscall.SIGTERM}, {"none", "0", os.Interrupt}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "--drain_timeout="+c.timeout)
			a, b := p.pair()
			other := p.join("/v1/ws/")
			p.signal(c.signal)
			for _, c := range []*client{a, b, other} {
				c.closed(1012, "restart")
			}
			exits0(p)
		})
	}
}

func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, b := p.pair()
	drainFrom(p, syscall.SIGTERM)
	p.signal(syscall.SIGTERM)
	a.closed(1001, "shutdown")
	b.closed(1001, "shutdown")
	exits0(p)
}

func TestStopsAtOnceWithoutChannels(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, b := p.pair()
	a.bye()
	b.bye()
	p.becomes("channelserver_channels", 0)
	p.signal(syscall.SIGTERM)
	exits0(p)
}
