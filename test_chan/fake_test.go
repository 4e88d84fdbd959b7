package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// A fake is a small server that keeps the protocol, but for one fault. It has one lock, and does not
// care for strangers: it is for this package's tests only.
type fake struct {
	knobs knobs
	fault string // what is wrong with it, in the words of the table of faults; "" is nothing
	tasks sync.WaitGroup

	mu       sync.Mutex
	channels map[string]*fakeChannel // by id; guarded by mu, like all below
	conns    map[*fakeConn]bool
	signals  int
	stopped  bool
}

type fakeChannel struct {
	id     string
	agent  string // User-Agent of the first member
	seats  []*fakeSeat
	left   []*fakeSeat // those that said so
	ever   int
	known  []netip.Prefix // the addresses of the first two
	log    []fakeEntry
	octets int
	ended  bool
	expiry *time.Timer
	born   time.Time
}

type fakeEntry struct {
	from *fakeSeat
	text string
}

type fakeSeat struct {
	member  int
	channel *fakeChannel
	conn    *fakeConn // nil while the seat is away
	address netip.Addr
	header  http.Header
	gone    bool
	held    any // a message that is held back

	v2     bool // only here are those below used
	token  string
	n      int         // the last message of this seat that was stored
	seqs   map[int]int // from n to seq
	passed int         // the last seq that was sent here
	awayAt *time.Timer
}

func (f *fake) has(fault string) bool { return f.fault == fault }

// launchFake returns a launcher of fakes with one fault.
func launchFake(fault string, change func(*knobs)) launcher {
	return func(_ context.Context, s setup) (*target, error) {
		k := s.apply(defaultKnobs())
		if change != nil {
			change(&k)
		}
		f := &fake{knobs: k, fault: fault, channels: make(map[string]*fakeChannel), conns: make(map[*fakeConn]bool)}
		n := newNetwork()
		server := &http.Server{Handler: f}
		served := make(chan struct{})
		go func() {
			_ = server.Serve(n)
			close(served)
		}()
		return &target{
			base: &url.URL{Scheme: "http", Host: "127.0.0.1:8000"}, knobs: k, dial: n.dial, window: 2 * pipeRoom,
			signal: f.signal,
			stop: func() {
				f.stop()
				_ = server.Close()
				<-served
				f.tasks.Wait()
			},
		}, nil
	}
}

func (f *fake) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	for c := range f.conns {
		c.net.Close()
	}
	for _, ch := range f.channels {
		f.endLocked(ch, 1001, "shutdown")
	}
}

// signal implements target.signal: a drain, and an end to it.
func (f *fake) signal(os.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signals++
	endAll := func(code int, reason string) {
		for _, ch := range f.channels {
			f.endLocked(ch, code, reason)
		}
	}
	switch {
	case f.signals == 1:
		patience := f.knobs.DrainTimeout
		if f.has("ends living channels at the start of a drain") {
			patience = time.Millisecond
		}
		time.AfterFunc(patience, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if !f.stopped {
				endAll(1012, "restart")
			}
		})
	case f.has("is killed by the second signal"):
		for c := range f.conns {
			c.net.Close()
		}
	default:
		endAll(1001, "shutdown")
	}
	return nil
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case f.has("is of version 1, with the close codes of RFC 6455 only") && strings.HasPrefix(path, "/v2"):
		http.NotFound(w, r)
	case path == "/__lbheartbeat__":
		f.mu.Lock()
		draining := f.signals > 0
		f.mu.Unlock()
		if draining && !f.has("does not tell load balancers of a drain") || f.has("tells load balancers that it is ill") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case path == "/__heartbeat__" && f.has("has a heartbeat page in plain text"):
		fmt.Fprint(w, "ok")
	case path == "/__heartbeat__":
		fmt.Fprint(w, `{"status":"ok"}`)
	case path == "/__version__" && f.has("does not tell its commit"):
		fmt.Fprint(w, `{"version":"1","build":"x"}`)
	case path == "/__version__":
		fmt.Fprint(w, `{"version":"1","commit":"y","build":"x"}`)
	case strings.HasPrefix(path, "/v2/channels"):
		f.serveV2(w, r)
	case path == "/v1/ws" && f.has("wants a slash at the end"):
		http.NotFound(w, r)
	case path == "/v1/ws", strings.HasPrefix(path, "/v1/ws/"), strings.HasPrefix(path, "/v2/ws/"):
		f.serveSocket(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

// serveSocket answers what asks for a WebSocket.
func (f *fake) serveSocket(w http.ResponseWriter, r *http.Request, path string) {
	id := strings.TrimPrefix(strings.TrimPrefix(path[3:], "/ws"), "/")
	if r.Header.Get("Upgrade") == "" {
		switch {
		case id != "" && f.has("answers plain requests for a link with 200"):
			w.WriteHeader(http.StatusOK)
		case id == "" && f.has("answers plain requests with 400"):
			w.WriteHeader(http.StatusBadRequest)
		default:
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusUpgradeRequired)
		}
		return
	}
	origin := r.Header.Get("Origin")
	if f.knobs.Origin != "" && origin != "" && origin != f.knobs.Origin && !(f.has("allows origins that begin like the allowed one") && strings.HasPrefix(origin, f.knobs.Origin)) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	f.mu.Lock()
	draining := f.signals > 0
	f.mu.Unlock()
	if id == "" && draining && !f.has("opens channels while it drains") {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	c, err := f.upgrade(w, r)
	if err != nil {
		return
	}
	if strings.HasPrefix(path, "/v2") {
		f.serveSeat(c, r, id)
		return
	}
	seat := f.admit(c, r, id)
	if seat != nil {
		leave := func() { f.leave(seat, "left") }
		c.read(func(text string) { f.receive(seat, text) }, leave)
		leave()
	} else {
		c.read(func(string) {}, func() {})
	}
}
