package admission

import (
	"log/slog"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// watchInterval is how often memory is measured, so that a server that has recovered opens
	// channels again within a second.
	watchInterval = 250 * time.Millisecond

	// spareDescriptors is how many descriptors are left to what is opened after the start: listeners,
	// files that are read again, statsd.
	spareDescriptors = 8

	// collectShare bounds the time spent collecting garbage to learn whether memory is free again: one
	// part in so many.
	collectShare = 10

	// calm is how long a server must have been well before the log says so: else one that is near a
	// limit would fill the log.
	calm = time.Second
)

// pressure tells how near the process is to its limits.
type pressure struct {
	base        int          // descriptors that are no connections; static
	most        int          // descriptors at which no channels are opened; 0 for never; static
	sockets     atomic.Int64 // descriptors that are connections
	memoryShort atomic.Bool
	turnedAway  atomic.Bool // since the last look, for want of descriptors

	samples   []metrics.Sample // owned by look, like all below
	collectAt time.Time        // when garbage may be collected again
	shortAt   time.Time        // when the process was last short of something
	told      bool             // that it is short, in the log
}

func (p *pressure) start(process Process) {
	p.base = openDescriptors() + spareDescriptors
	if process.Descriptors > 0 {
		p.most = process.Descriptors - process.Descriptors/10
	}
	for _, name := range sampleNames {
		p.samples = append(p.samples, metrics.Sample{Name: name})
	}
}

func (p *pressure) descriptors() int { return p.base + int(p.sockets.Load()) }

// descriptorsShort decides about one who would open a channel.
func (p *pressure) descriptorsShort() bool {
	if p.most == 0 || p.descriptors() <= p.most {
		return false
	}
	p.turnedAway.Store(true)
	return true
}

// look measures memory, and tells the log when the process has become short of something, and when
// that is over.
func (p *pressure) look(now time.Time, process Process, log *slog.Logger) {
	used := int64(0)
	if limit := process.Memory; limit > 0 {
		most := limit / 10 * 9
		used = p.memory()
		if used > most && !now.Before(p.collectAt) {
			// What has become free counts only once it is collected, and a server that refuses
			// everything has no cause to collect.
			began := time.Now()
			runtime.GC()
			p.collectAt = now.Add(collectShare * time.Since(began))
			used = p.memory()
		}
		p.memoryShort.Store(used > most)
	}
	what := ""
	switch {
	case p.memoryShort.Load():
		what = Memory.String()
	case p.turnedAway.Swap(false):
		what = Descriptors.String()
	}
	switch {
	case what != "" && !p.told:
		p.told = true
		log.Warn("overloaded: no new channels for now; living ones go on", "short of", what,
			"descriptors", p.descriptors(), "of", process.Descriptors, "memory", used, "of octets", process.Memory)
	case what == "" && p.told && now.Sub(p.shortAt) >= calm:
		p.told = false
		log.Info("no longer overloaded: new channels are opened again", "descriptors", p.descriptors(), "memory", used)
	}
	if what != "" {
		p.shortAt = now
	}
}

// sampleNames are the metrics of package runtime/metrics that memory adds up, in the order in which it
// does.
var sampleNames = [...]string{
	"/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
	"/memory/classes/heap/free:bytes",
	"/memory/classes/heap/objects:bytes",
	"/gc/heap/live:bytes",
}

// memory returns the octets that the Go runtime cannot do without: all that counts towards its memory
// limit, but with what was alive at the last collection in place of the heap, which grows until the
// next one whether or not memory is short.
func (p *pressure) memory() int64 {
	metrics.Read(p.samples)
	value := func(i int) int64 { return int64(p.samples[i].Value.Uint64()) }
	return value(0) - value(1) - value(2) - value(3) + value(4)
}
