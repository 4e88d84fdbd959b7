package load

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of what Latencies tells apart; what is beyond counts as the bound.
const (
	shortest = 100 * time.Nanosecond
	longest  = 10 * time.Minute
)

// Latencies is a histogram of times (HDR, three significant figures). The zero value is empty and ready. It may be used
// by many goroutines at one time.
type Latencies struct {
	next  atomic.Uint64
	parts [8]struct { // so that goroutines seldom wait for each other
		mu   sync.Mutex
		hist *hdrhistogram.Histogram // guarded by mu; nil while empty
	}
}

// Record counts a time.
func (l *Latencies) Record(d time.Duration) {
	part := &l.parts[l.next.Add(1)%uint64(len(l.parts))]
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.hist == nil {
		part.hist = newHistogram()
	}
	_ = part.hist.RecordValue(int64(min(max(d, shortest), longest))) // which is in range
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(shortest), int64(longest), 3)
}

// Add counts all that other has counted so far.
func (l *Latencies) Add(other *Latencies) {
	sum := other.sum()
	part := &l.parts[0]
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.hist == nil {
		part.hist = newHistogram()
	}
	part.hist.Merge(sum)
}

func (l *Latencies) sum() *hdrhistogram.Histogram {
	sum := newHistogram()
	for i := range l.parts {
		part := &l.parts[i]
		part.mu.Lock()
		if part.hist != nil {
			sum.Merge(part.hist)
		}
		part.mu.Unlock()
	}
	return sum
}

// Quantile returns the time that this part of all times, from 0 to 1, do not exceed; 0 when there are none.
func (l *Latencies) Quantile(q float64) time.Duration {
	return time.Duration(l.sum().ValueAtQuantile(q * 100))
}

// A Summary is what matters of Latencies. Times are in nanoseconds.
type Summary struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Summary returns what matters of it.
func (l *Latencies) Summary() Summary {
	sum := l.sum()
	if sum.TotalCount() == 0 {
		return Summary{}
	}
	at := func(percent float64) time.Duration { return time.Duration(sum.ValueAtQuantile(percent)) }
	return Summary{sum.TotalCount(), at(50), at(90), at(99), at(99.9), time.Duration(sum.Max())}
}
