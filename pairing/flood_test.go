package pairing

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"channelserver/relay"
)

// floods are frames that may come most times at once, and a fifth as often in every second after that.
var floods = []struct {
	name  string
	first []byte // sent once, before
	frame []byte
	most  int
}{
	{"pings", nil, frame(finalBit|opPing, ""), 5000},
	{"pongs", nil, frame(finalBit|opPong, strings.Repeat("!", 20)), 5000},
	{"binary", nil, frame(finalBit|opBinary, strings.Repeat("x", 1000)), 5000},
	{"binary of 32 KiB", nil, frame(finalBit|opBinary, strings.Repeat("x", 32<<10)), 5000 / 3},
	{"texts", nil, frame(finalBit|opText, "x"), 100_000},
	{"empty texts", nil, frame(finalBit|opText, ""), 100_000},
	{"texts of 32 KiB", nil, frame(finalBit|opText, strings.Repeat("x", 32<<10)), 100_000 / 3},
	{"crumbs", nil, join(frame(opText, "x"), frame(finalBit|opContinuation, strings.Repeat("x", 255))), 5000 / 2},
	{"fragments", nil, join(frame(opText, strings.Repeat("x", 256)), frame(finalBit|opContinuation, strings.Repeat("x", 256))), 100_000 / 2},
	{"binary fragments", nil, join(frame(opBinary, strings.Repeat("x", 256)), frame(finalBit|opContinuation, strings.Repeat("x", 256))), 5000 / 2},
	{"empty fragments", frame(opText, ""), frame(opContinuation, ""), 1023},
	{"fragments of one octet", frame(opText, "x"), frame(opContinuation, "x"), 1023 + 4}, // 1028 octets
	{"fragments of one message", frame(opText, ""), frame(opContinuation, strings.Repeat("x", 256)), 99_980},
}

// scan shows octets to a gate, and returns how many frames they complete, and why the gate stops them.
func (g *gate) scan(p []byte, now time.Duration) (frames int, why relay.Reason) {
	for len(p) > 0 {
		n, _, complete, why := g.next(p, now)
		if why != relay.None {
			return frames, why
		}
		if p = p[n:]; complete {
			frames++
		}
	}
	return frames, relay.None
}

// A gate passes as many frames at once as it may, and not one more; then as many as are earned back.
func TestFloods(t *testing.T) {
	for _, c := range floods {
		t.Run(c.name, func(t *testing.T) {
			var g gate
			now := time.Hour
			// passes counts what g would pass now.
			passes := func() (n int) {
				for {
					if _, why := g.scan(c.frame, now); why == relay.Flood || n > 2*c.most {
						return n
					} else if why != relay.None {
						t.Fatalf("number %d: %s", n+1, why)
					}
					n++
				}
			}
			g.scan(c.first, now)
			fresh := g
			if n := passes(); n != c.most {
				t.Errorf("%d are passed at once, want %d", n, c.most)
			}
			if len(c.first) > 0 {
				return // what has no end earns nothing
			}
			g = fresh
			for range c.most {
				g.scan(c.frame, now)
			}
			spent := g
			now += time.Second
			if n := passes(); n != c.most/5 && n != c.most/5+1 {
				t.Errorf("%d are passed after a second, want %d", n, c.most/5)
			}
			g = spent
			now += time.Hour
			if n := passes(); n != c.most {
				t.Errorf("%d are passed after an hour, want %d", n, c.most)
			}
		})
	}
}

// Lengths that no memory holds are floods too, where messages have no limit.
func TestFloodOfOctets(t *testing.T) {
	for _, length := range []uint64{2 << 30, 1 << 62, 1<<63 - 1} {
		var g gate
		if _, why := g.scan(header(finalBit|opText, length), 0); why != relay.Flood {
			t.Errorf("a frame of %d octets: %s", length, why)
		}
	}
}

// Whoever floods is told, and alone in it. Time stands still in the bubble while octets are on
// their way, so the bounds are exact.
func TestFloodsAtTheDoor(t *testing.T) {
	for _, c := range floods {
		if len(c.frame)*c.most > 1<<17 {
			continue // the gate has been asked
		}
		if c.frame[0]&0x0F == opPing {
			continue // in a pipe, the answers may fill the socket before the gate is full; the running server is asked
		}
		bubble(t, c.name, func(t *testing.T) {
			w := newWorld(t, relay.Limits{}, Options{})
			a, b := w.pair()
			b.ws.SetPingHandler(func(string) error { return nil })
			witness := w.connect(a.link, "192.0.2.2")
			go func() { // what of it comes through
				for {
					if _, _, err := b.ws.ReadMessage(); err != nil {
						return
					}
				}
			}()
			go func() {
				a.raw.Write(c.first)
				a.raw.Write(bytes.Repeat(c.frame, c.most+1))
			}()
			a.closed(relay.Flood)
			b.send("go on")
			for witness.message() != "go on" {
			}
		})
	}
}

// BenchmarkGate scans reads of 1 KiB that are full of frames; it reports the time for each frame.
func BenchmarkGate(b *testing.B) {
	for _, payload := range []int{0, 1, 120, 512} {
		b.Run(fmt.Sprintf("payload=%d", payload), func(b *testing.B) {
			one := frame(finalBit|opText, strings.Repeat("x", payload))
			count := max(1024/len(one), 1)
			read := bytes.Repeat(one, count)
			var g gate
			var now time.Duration
			b.ReportAllocs()
			for n := 0; n < b.N; n += count {
				now += time.Second
				if frames, why := g.scan(read, now); frames != count || why != relay.None {
					b.Fatal(frames, why)
				}
			}
		})
	}
}
