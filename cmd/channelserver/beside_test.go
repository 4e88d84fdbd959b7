package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A healthy pair talks beside an attack, in lockstep: each message must arrive, in order, and be
// answered. How long that takes is measured but not asserted, for it is the machine's affair too.
type healthy struct {
	t     testing.TB
	a, b  *client
	n     int             // exchanges so far; owned by the goroutine while that runs
	quiet []time.Duration // before the attack
	loud  []time.Duration // during the attack; owned by the goroutine while that runs

	stop func() // may be called more than once
	done sync.WaitGroup
}

// pace is what the pair waits between exchanges: without, it would be the load that it measures.
const pace = time.Millisecond

// healthyPair opens a channel, measures how it does in peace, and lets it go on until calm is
// called. The server must have no limit that it would meet.
func (p *process) healthyPair() *healthy {
	p.t.Helper()
	stop := make(chan struct{})
	h := &healthy{t: p.t, stop: sync.OnceFunc(func() { close(stop) })}
	h.a, h.b = p.pair("User-Agent", "healthy")
	beat := time.NewTicker(pace)
	for range 300 {
		<-beat.C
		took, err := h.exchange()
		if err != nil {
			p.t.Fatalf("in peace: %v", err)
		}
		h.quiet = append(h.quiet, took)
	}
	h.done.Go(func() {
		defer beat.Stop()
		for {
			select {
			case <-stop:
				return
			case <-beat.C:
			}
			took, err := h.exchange()
			if err != nil {
				h.t.Errorf("beside: exchange %d: %v", h.n, err)
				return
			}
			h.loud = append(h.loud, took)
		}
	})
	p.t.Cleanup(func() { // where the test ends early
		h.stop()
		h.done.Wait()
	})
	return h
}

// exchange relays one numbered message each way.
func (h *healthy) exchange() (took time.Duration, err error) {
	h.n++
	start := time.Now()
	for _, way := range [][2]*client{{h.a, h.b}, {h.b, h.a}} {
		text := fmt.Sprint("healthy ", h.n)
		if err := way[0].ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return 0, err
		}
		var envelope struct{ Message string }
		way[1].ws.SetReadDeadline(time.Now().Add(patience))
		if err := way[1].ws.ReadJSON(&envelope); err != nil {
			return 0, err
		}
		if envelope.Message != text {
			return 0, fmt.Errorf("heard %q, want %q", envelope.Message, text)
		}
	}
	return time.Since(start), nil
}

// calm ends the talk, which must still be going on, and logs how it did.
func (h *healthy) calm() {
	h.t.Helper()
	h.stop()
	h.done.Wait()
	if h.t.Failed() {
		return
	}
	if _, err := h.exchange(); err != nil {
		h.t.Errorf("after the attack: %v", err)
	}
	h.a.bye()
	h.b.bye()
	if len(h.loud) == 0 {
		h.loud = append(h.loud, 0)
	}
	quiet, loud := p99(h.quiet), p99(h.loud)
	h.t.Logf("beside: p99 of an exchange %v in peace, %v of %d under attack: factor %.1f", quiet, loud, len(h.loud), float64(loud)/float64(quiet))
}

func p99(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[(len(times)-1)*99/100]
}
