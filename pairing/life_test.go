package pairing

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

func TestHeartbeat(t *testing.T) {
	options := Options{HeartbeatInterval: 10 * time.Second, ClientTimeout: 30 * time.Second}
	bubble(t, "an idle client is pinged, and lives", func(t *testing.T) {
		w := newWorld(t, relay.Limits{Lifespan: 10 * time.Minute}, options)
		a := w.connect("/v1/ws/", "192.0.2.1")
		start := time.Now()
		var pings []time.Duration
		answer := a.ws.PingHandler()
		a.ws.SetPingHandler(func(text string) error {
			pings = append(pings, time.Since(start).Round(time.Second))
			return answer(text)
		})
		a.closed(relay.ChannelExpired)
		if lived := time.Since(start); lived != 10*time.Minute {
			t.Errorf("lived %v", lived)
		}
		// The sweep comes once a second: a ping may come that much late.
		if n := len(pings); n < 54 || n > 60 || pings[0] < 10*time.Second || pings[0] > 11*time.Second {
			t.Errorf("%d pings, the first at %v", n, pings[0])
		}
	})
	bubble(t, "a busy client is not", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, options)
		a, b := w.pair()
		a.ws.SetPingHandler(func(string) error { t.Error("pinged"); return nil })
		go func() {
			for range 20 {
				time.Sleep(9 * time.Second)
				a.send("busy")
			}
			a.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
		}()
		go func() {
			for {
				if _, _, err := b.ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		a.ws.ReadMessage()
	})
	bubble(t, "a silent client is closed in time, and alone", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, options)
		a, b := w.pair()
		b.ws.SetPingHandler(func(string) error { return nil }) // reads, but does not answer
		start := time.Now()
		go func() {
			b.closed(relay.ClientTimeout)
			if silent := time.Since(start); silent < 30*time.Second || silent > 31*time.Second {
				t.Errorf("closed after %v", silent)
			}
			a.send("go on")
		}()
		time.AfterFunc(2*time.Minute, func() { a.ws.Close() })
		if _, text, err := a.ws.ReadMessage(); err == nil {
			t.Errorf("a got %s", text)
		}
		if why := w.counts.all(); why[0] != relay.ClientTimeout {
			t.Errorf("closed: %v", why)
		}
	})
	bubble(t, "a vanished client is gone in time", func(t *testing.T) {
		options := options
		options.WriteTimeout = time.Hour // a pipe takes nothing that is not read, unlike a socket
		w := newWorld(t, relay.Limits{}, options)
		w.connect("/v1/ws/", "192.0.2.1") // never reads again, and says nothing
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if got := w.hub.Stats(); got.Connections != 0 || w.counts.last() != relay.ClientTimeout {
			t.Errorf("%+v, closed with %s", got, w.counts.last())
		}
		time.Sleep(linger)
		synctest.Wait()
		if n := w.server.registry.count(); n != 0 {
			t.Errorf("%d connections are still open", n)
		}
	})
	bubble(t, "octets that complete no frame are no sign of life", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, options)
		a := w.connect("/v1/ws/", "192.0.2.1")
		a.ws.SetPingHandler(func(string) error { return nil })
		var drip sync.WaitGroup
		drip.Go(func() {
			for _, octet := range frame(opText, strings.Repeat("x", 100)) {
				time.Sleep(5 * time.Second)
				if _, err := a.raw.Write([]byte{octet}); err != nil {
					return
				}
			}
		})
		a.closed(relay.ClientTimeout)
		a.raw.Close()
		drip.Wait()
	})
}

func TestSlowReader(t *testing.T) {
	bubble(t, "costs itself only", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{WriteTimeout: 10 * time.Second})
		a, b := w.pair()
		w.connect(a.link, "192.0.2.1") // does not read any more
		start := time.Now()
		const n = 50
		go func() {
			for i := range n {
				a.send(fmt.Sprint(i))
			}
		}()
		for i := range n {
			if got := b.message(); got != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, got)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the others waited %v", waited)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if why := w.counts.all(); len(why) != 1 || why[0] != relay.Slow {
			t.Errorf("closed: %v", why)
		}
		if held := w.hub.Stats().Octets; held != 0 {
			t.Errorf("%d octets are held", held)
		}
		a.send("go on")
		if got := b.message(); got != "go on" {
			t.Errorf("got %q", got)
		}
	})
	bubble(t, "one that catches up in time misses nothing", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{WriteTimeout: 10 * time.Second})
		a, b := w.pair()
		const n = 50
		for i := range n {
			a.send(fmt.Sprint(i))
		}
		time.Sleep(9 * time.Second)
		for i := range n {
			if got := b.message(); got != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, got)
			}
		}
	})
	bubble(t, "one that lags too far is told", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxLag: 10_000}, Options{WriteTimeout: time.Minute})
		a, b := w.pair()
		synctest.Wait() // until b's socket is ready for what comes first
		for range 100 {
			a.send(strings.Repeat("x", 1000))
		}
		got := 0
		for {
			_, _, err := b.ws.ReadMessage()
			if websocket.IsCloseError(err, relay.Slow.Code()) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got == 0 || got >= 100 {
			t.Errorf("it got %d messages", got)
		}
	})
	bubble(t, "what was accepted comes before the end", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxExchanges: 50}, Options{WriteTimeout: 10 * time.Second})
		a, b := w.pair()
		for range 51 {
			a.send("x")
		}
		time.Sleep(5 * time.Second)
		for range 50 {
			b.message()
		}
		b.closed(relay.TooManyMessages)
	})
	bubble(t, "a flood of pings that are not read from", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{WriteTimeout: time.Minute})
		a, b := w.pair()
		go func() {
			for {
				if _, err := a.raw.Write(frame(finalBit|opPing, strings.Repeat("?", 125))); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if why := w.counts.last(); why != relay.Slow {
			t.Errorf("closed: %s", why)
		}
		b.send("I am still here")
	})
}

// A client that never closes its side is shut all the same.
func TestClosingHandshakeIsBounded(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a := w.connect("/v1/ws/", "192.0.2.1")
		a.ws.SetCloseHandler(func(int, string) error { return nil }) // no answer
		start := time.Now()
		a.raw.Write([]byte{finalBit | opText, 0}) // no mask
		a.closed(relay.ProtocolError)
		w.server.Wait(t.Context())
		if took := time.Since(start); took < linger || took > linger+time.Second {
			t.Errorf("shut after %v", took)
		}
	})
}

type panicking struct{ *counts }

func (panicking) Ignored() { panic("a fault") }

func TestPanicLosesOneConnection(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		w.server.observer = panicking{w.counts}
		b.ws.WriteMessage(websocket.BinaryMessage, []byte("boom"))
		b.closed(relay.InternalError)
		if w.counts.panics != 1 {
			t.Errorf("%d panics were counted", w.counts.panics)
		}
		c := w.connect(a.link, "192.0.2.2")
		a.send("go on")
		if got := c.message(); got != "go on" {
			t.Errorf("got %q", got)
		}
	})
}
