package pairing

import (
	"bytes"
	"testing"

	"channelserver/relay"
)

// What comes in with one read goes out with one write.
func TestBurstLeavesTogether(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
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
}
