package pairing

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"channelserver/relay"
)

// heap returns the octets that are in use when all garbage is collected. The second collection empties
// the pools (sync.Pool keeps for one).
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// While all seats are of version 1, nothing is kept of what they sent; with a seat of version 2 it is, until
// the channel ends.
func TestNothingIsKeptForV1(t *testing.T) {
	const messages, size, most = 100, 60_000, 2_000_000 // of 6 MB
	text := strings.Repeat("x", size)
	exchange := func(t *testing.T, a *client, others ...*client) {
		for range messages {
			a.send(text)
			for _, c := range others {
				if got := c.message(); len(got) != size {
					t.Fatalf("got %.20q", got)
				}
			}
		}
		synctest.Wait()
	}
	bubble(t, "version 1 only", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b := w.pair()
		c := w.connect(a.link, "192.0.2.1")
		before := heap()
		exchange(t, a, b, c)
		if grown := heap() - before; grown > messages*size/20 {
			t.Errorf("the heap has grown by %d octets", grown)
		}
		if held := w.hub.Stats().Octets; held != 0 {
			t.Errorf("%d octets are held", held)
		}
	})
	bubble(t, "a seat of version 2, and after it", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxLag: most}, Options{})
		a, b := w.pair()
		before := heap()
		c := w.hello(strings.Replace(a.link, pathV1, pathV2, 1), "192.0.2.1", hello)
		c.welcome()
		for n := range messages {
			a.send(text)
			b.message()
			c.read()
			c.send(fmt.Sprintf(`{"type":"ack","seq":%d}`, n+1))
			synctest.Wait()
		}
		if held, grown := w.hub.Stats().Octets, heap()-before; held < most*9/10 || held > most+size*2 || grown < held*9/10 {
			t.Errorf("%d octets are held, and the heap has grown by %d", held, grown)
		}
		c.send(`{"type":"leave"}`)
		c.closed(relay.Bye)
		exchange(t, a, b)
		if held, grown := w.hub.Stats().Octets, heap()-before; held != 0 || grown > messages*size/20 {
			t.Errorf("afterwards %d octets are held, and the heap has grown by %d", held, grown)
		}
	})
	bubble(t, "after the end of a channel", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		before := heap()
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		a.welcome()
		for n := range messages {
			a.says(n+1, n+1, text)
		}
		if held := w.hub.Stats().Octets; held < messages*size {
			t.Errorf("%d octets are held", held)
		}
		a.send(`{"type":"end"}`)
		a.closed(relay.ChannelEnded)
		w.server.Wait(t.Context())
		if held, grown := w.hub.Stats().Octets, heap()-before; held != 0 || grown > messages*size/20 {
			t.Errorf("afterwards %d octets are held, and the heap has grown by %d", held, grown)
		}
	})
}
