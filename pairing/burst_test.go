package pairing

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"

	"channelserver/relay"
)

// What comes in with one read goes out with one write.
func TestBurstLeavesTogether(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		synctest.Wait() // until b is parked
		one := frame(finalBit|opText, "x")
		a.raw.Write(bytes.Repeat(one, batch))
		octets := make([]byte, 64<<10)
		n, err := b.raw.Read(octets) // of a pipe: what one Write wrote
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(octets[:n], []byte(`{"message":"x"`)); got != batch {
			t.Errorf("%d messages in the first write, want %d", got, batch)
		}
	})
	bubble(t, "with answers", func(t *testing.T) {
		const together = 4 // what the buffer of a reader from a pipe holds
		w := newWorld(t, kept, Options{})
		a, b, _, _ := w.pairV2()
		synctest.Wait()
		var burst []byte
		for n := range together {
			burst = append(burst, frame(finalBit|opText, fmt.Sprintf(`{"type":"send","n":%d,"message":"x"}`, n+1))...)
		}
		a.raw.Write(burst)
		for c, part := range map[*client]string{a: `"type":"accepted"`, b: `"message":"x"`} {
			octets := make([]byte, 64<<10)
			n, err := c.raw.Read(octets)
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Count(octets[:n], []byte(part)); got != together {
				t.Errorf("%d times %s in the first write, want %d", got, part, together)
			}
		}
	})
}
