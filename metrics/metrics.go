// Package metrics counts and times what happens in the relay, for Prometheus to fetch and, when
// wanted, for statsd to be sent (docs/protocol.md section 7; docs/metrics.md lists every name).
//
// Every Prometheus series exists at zero from the start, and no label takes a value that a client
// chose. There is no package-level state: each Metrics has a registry of its own.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"channelserver/relay"
)

// Options configure a Metrics. The zero Options name no build and send nothing to statsd.
type Options struct {
	Version, Commit string // of this program, for the build_info series

	StatsdHost string       // "host" or "host:port" (8125 when left out); "" sends nothing
	StatsdName string       // goes before every statsd name, with a dot after it; may be ""
	Log        *slog.Logger // told when statsd cannot be reached; nil for nobody
}

// Sources are asked for what is read rather than counted: at each scrape, and every 10 s for
// statsd. They are called from several goroutines. A nil source reads as zero.
type Sources struct {
	Stats         func() relay.Stats
	Reloads       func() (ok, failed uint64) // of the place database, since the start
	DatabaseBuilt func() time.Time           // build time of the database in use; zero for none
	TurnedAway    func() []uint64            // visits since the start, in the order of admission.Whys
}

// A Metrics is a relay.Observer that publishes what it is told. Its methods may be called from
// many goroutines at once; those of relay.Observer neither block nor allocate, and after Close
// they go on counting for Prometheus.
type Metrics struct {
	registry *prometheus.Registry
	sources  atomic.Pointer[Sources]
	statsd   *sender // nil when off

	request                       [3]counter // by relay.Request
	create, timeout, full         counter
	expired, tooMuch, tooMany     counter
	ignored, accepted, panicked   counter
	closed, ended                 []counter // by relay.Reason
	length, messageSize, relaying histogram
}

var _ relay.Observer = (*Metrics)(nil)

// New returns a Metrics that counts from zero. It fails when StatsdHost or StatsdName cannot be
// what they should; a statsd host that does not answer or does not exist is no error. A Metrics
// with statsd holds goroutines until Close.
func New(opts Options) (*Metrics, error) {
	statsd, err := newSender(opts)
	if err != nil {
		return nil, err
	}
	m := &Metrics{registry: prometheus.NewRegistry(), statsd: statsd}
	m.sources.Store(&Sources{})

	m.create = m.counter("conn.create", "Connections that got a seat in a channel.")
	kinds := m.counters("conn.request", "kind", []string{
		relay.RequestNew.String(), relay.RequestExisting.String(), relay.RequestBadID.String(),
	}, "Upgrade requests, before they are admitted or refused.")
	copy(m.request[:], kinds)
	m.expired = m.counter("conn.expired", "Channels ended because their lifespan was over.")
	m.timeout = m.counter("conn.timeout", "Connections closed because nothing was heard from them.")
	m.tooMuch = m.counter("conn.max.data", "Channels ended because they carried too much data.")
	m.tooMany = m.counter("conn.max.msg", "Channels ended because they carried too many messages.")
	m.full = m.counter("conn.max.conn", "Connections refused because the channel was full.")
	m.closed = m.reasons("conn.closed", "Connections closed or refused.")
	m.ended = m.reasons("channel.ended", "Channels ended; bye when the last member left.")
	m.accepted = m.counter("message.accepted", "Messages taken into a channel.")
	m.ignored = m.counter("message.ignored", "Binary messages, which version 1 ignores.")
	m.panicked = m.counter("panic", "Panics caught in a connection's goroutine.")

	// 330 s holds the connections that lasted for the default lifespan of 300 s and their closing.
	m.length = m.histogram("conn.length", "seconds", "How long admitted connections lasted.",
		[]float64{1, 2, 5, 10, 20, 30, 60, 120, 240, 330, 600, 1800})
	m.messageSize = m.histogram("message.size", "bytes", "Payload of accepted messages.",
		prometheus.ExponentialBuckets(64, 4, 8))
	m.relaying = m.histogram("relay.time", "seconds",
		"From the acceptance of a message until it was handed to one reader's socket.",
		[]float64{
			10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3,
			10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 5,
		})

	m.registry.MustRegister(
		newGauges(&m.sources),
		buildInfo(opts),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if statsd != nil {
		statsd.start(&m.sources)
	}
	return m, nil
}

func buildInfo(opts Options) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: namespace + "build_info",
		Help: "Always 1; its labels tell which build of the server this is.",
		ConstLabels: prometheus.Labels{
			"version": opts.Version, "commit": opts.Commit, "goversion": runtime.Version(),
		},
	})
	info.Set(1)
	return info
}

// Watch names the sources to read from now on. It is apart from New because a hub needs its
// observer before it can be a source.
func (m *Metrics) Watch(sources Sources) { m.sources.Store(&sources) }

// Handler returns the handler of /metrics, in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Close sends to statsd what is waiting and ends sending. It may be called more than once.
func (m *Metrics) Close() {
	if m.statsd != nil {
		m.statsd.close()
	}
}

// Requested implements relay.Observer.
func (m *Metrics) Requested(kind relay.Request) { m.request[kind].inc() }

// Admitted implements relay.Observer.
func (m *Metrics) Admitted() { m.create.inc() }

// Refused implements relay.Observer.
func (m *Metrics) Refused(why relay.Reason) {
	m.closed[why].inc()
	if why == relay.ChannelFull {
		m.full.inc()
	}
}

// Closed implements relay.Observer.
func (m *Metrics) Closed(why relay.Reason, length time.Duration) {
	m.closed[why].inc()
	m.length.observeTime(length)
	if why == relay.ClientTimeout {
		m.timeout.inc()
	}
}

// Ended implements relay.Observer.
func (m *Metrics) Ended(why relay.Reason) {
	m.ended[why].inc()
	switch why {
	case relay.ChannelExpired:
		m.expired.inc()
	case relay.TooMuchData:
		m.tooMuch.inc()
	case relay.TooManyMessages:
		m.tooMany.inc()
	}
}

// Accepted implements relay.Observer.
func (m *Metrics) Accepted(octets int) {
	m.accepted.inc()
	m.messageSize.observe(octets)
}

// Relayed implements relay.Observer.
func (m *Metrics) Relayed(took time.Duration) { m.relaying.observeTime(took) }

// Ignored implements relay.Observer.
func (m *Metrics) Ignored() { m.ignored.inc() }

// Panicked implements relay.Observer.
func (m *Metrics) Panicked() { m.panicked.inc() }
