package relay_test

import "testing"

// FuzzAgainstModel lets the fuzzer write the scripts. Each begins with seven limits; then come actions, see
// play.step.
func FuzzAgainstModel(f *testing.F) {
	f.Add([]byte{})
	// Two members, a limit of 5 messages, one message over it.
	f.Add([]byte{1, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0, 0, 4, 0, 9, 4, 0, 9, 4, 1, 9, 4, 1, 9, 4, 0, 9, 4, 0, 9, 12, 0})
	// A lifespan of a minute, members that come and go, and time.
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 4, 1, 50, 14, 0, 29, 4, 0, 50, 13, 1, 0, 14, 0, 29, 14, 0, 2, 12, 0})
	// A bound of 300 octets on lag, and one who does not take.
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 2, 0, 0, 4, 0, 199, 12, 1, 4, 0, 199, 12, 1, 4, 0, 199, 10, 2})
	// Draining, joining still, then all ended.
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 15, 0, 1, 3, 0, 0, 2, 0, 0, 15, 0, 2, 2, 0, 0})
	// Two Kept members, one cut off in the middle, a message while it is away, resumed after the right message.
	f.Add([]byte{0, 0, 0, 0, 0, 0, 2, 16, 0, 17, 0, 0, 4, 1, 9, 10, 0, 1, 20, 0, 0, 4, 1, 9, 22, 0, 1, 12, 0, 25, 0, 1, 12, 2})
	// The same, resumed too late.
	f.Add([]byte{0, 0, 0, 0, 0, 0, 1, 16, 0, 17, 0, 0, 20, 0, 0, 14, 0, 21, 22, 0, 1, 12, 1})
	// The same, too much for a bound of 300 octets meanwhile.
	f.Add([]byte{0, 0, 0, 0, 1, 0, 2, 16, 0, 17, 0, 0, 20, 0, 0, 12, 1, 4, 1, 199, 4, 1, 199, 12, 1, 22, 0, 1})
	// Numbered messages, sent again and with a gap; a bound of 500 octets on all channels.
	f.Add([]byte{0, 0, 0, 0, 0, 1, 2, 16, 0, 17, 0, 0, 8, 0, 9, 1, 1, 8, 0, 9, 0, 0, 1, 8, 0, 9, 0, 3, 0, 16, 0, 8, 0, 199, 1, 1, 8, 1, 199, 1, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 500 {
			script = script[:500]
		}
		perform(t, script)
	})
}
