package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"channelserver/relay"
)

const namespace = "channelserver_"

// A counter is one series of both systems, found once so that counting looks nothing up.
type counter struct {
	total  prometheus.Counter
	name   string // in statsd
	statsd *sender
}

func (c *counter) inc() {
	c.total.Inc()
	if c.statsd != nil {
		c.statsd.count(c.name)
	}
}

// A histogram is one distribution in Prometheus and one timing in statsd.
type histogram struct {
	values prometheus.Histogram
	name   string // in statsd
	statsd *sender
}

func (h *histogram) observe(octets int) {
	h.values.Observe(float64(octets))
	if h.statsd != nil {
		h.statsd.value(h.name, int64(octets))
	}
}

func (h *histogram) observeTime(took time.Duration) {
	h.values.Observe(took.Seconds())
	if h.statsd != nil {
		h.statsd.time(h.name, took)
	}
}

// counter makes and registers a counter; name is the statsd name, from which the other follows.
func (m *Metrics) counter(name, help string) counter {
	total := prometheus.NewCounter(prometheus.CounterOpts{Name: promName(name) + "_total", Help: help})
	m.registry.MustRegister(total)
	return counter{total, name, m.statsd}
}

// counters makes a counter for each value of one label. In statsd, which has no labels, the value
// is the last part of the name.
func (m *Metrics) counters(name, label string, values []string, help string) []counter {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: promName(name) + "_total", Help: help}, []string{label})
	m.registry.MustRegister(vec)
	all := make([]counter, len(values))
	for i, value := range values {
		all[i] = counter{vec.WithLabelValues(value), name + "." + value, m.statsd}
	}
	return all
}

// reasons makes a counter for each relay.Reason, to be indexed by it. None, which is no reason to
// end anything, has no series of its own: it counts as the fault of ours that it is.
func (m *Metrics) reasons(name, help string) []counter {
	var words []string
	for _, reason := range relay.Reasons() {
		words = append(words, reason.String())
	}
	all := m.counters(name, "reason", words, help)
	return append([]counter{all[relay.InternalError-1]}, all...)
}

func (m *Metrics) histogram(name, unit, help string, buckets []float64) histogram {
	values := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: promName(name) + "_" + unit, Help: help, Buckets: buckets,
	})
	m.registry.MustRegister(values)
	return histogram{values, name, m.statsd}
}

// promName turns a statsd name into a Prometheus name, without its unit.
func promName(name string) string { return namespace + strings.ReplaceAll(name, ".", "_") }
