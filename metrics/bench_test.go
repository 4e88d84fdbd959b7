package metrics

import (
	"testing"
	"time"

	"channelserver/relay"
)

// observe makes the calls of one message to one reader, through the interface as the relay does.
func observe(o relay.Observer) {
	o.Accepted(512)
	o.Relayed(80 * time.Microsecond)
}

func TestMessagesCostNoAllocation(t *testing.T) {
	for _, opts := range []Options{{}, {StatsdHost: listen(t).LocalAddr().String()}} {
		m := newTest(t, opts)
		if allocs := testing.AllocsPerRun(10_000, func() { observe(m) }); allocs != 0 {
			t.Errorf("statsd %q: %v allocations a message", opts.StatsdHost, allocs)
		}
	}
}

func BenchmarkObserver(b *testing.B) {
	for _, bench := range []struct {
		name string
		opts Options
	}{
		{"prometheus", Options{}},
		{"statsd", Options{StatsdHost: listen(b).LocalAddr().String()}},
		{"statsd-dead", Options{StatsdHost: tooLong}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := newTest(b, bench.opts)
			b.ReportAllocs()
			for b.Loop() {
				observe(m)
			}
		})
		b.Run(bench.name+"-parallel", func(b *testing.B) {
			m := newTest(b, bench.opts)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					observe(m)
				}
			})
		})
	}
}
