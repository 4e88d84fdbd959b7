package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"channelserver/admission"
	"channelserver/relay"
)

// stats returns zeros when there is no source.
func (s *Sources) stats() relay.Stats {
	if s.Stats == nil {
		return relay.Stats{}
	}
	return s.Stats()
}

// gauges reads the Sources at each scrape, each of them once, so that its numbers belong together.
type gauges struct {
	sources *atomic.Pointer[Sources]

	connections, channels, buffered, reloads, built, turnedAway *prometheus.Desc
}

func newGauges(sources *atomic.Pointer[Sources]) *gauges {
	return &gauges{
		sources:     sources,
		connections: desc("connections", "Connections that have a seat."),
		channels:    desc("channels", "Living channels."),
		buffered:    desc("buffered_bytes", "Message payload held for all channels."),
		reloads:     desc("geo_reload_total", "Attempts to load the place database anew.", "result"),
		built:       desc("geo_database_build_timestamp_seconds", "When the place database in use was built; 0 for none."),
		turnedAway:  desc("turned_away_total", "Requests refused for a bound of their address or of the server.", "bound"),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.connections, g.channels, g.buffered, g.reloads, g.built, g.turnedAway} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(values chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64) {
		values <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	sources := g.sources.Load()
	stats := sources.stats()
	gauge(g.connections, float64(stats.Connections))
	gauge(g.channels, float64(stats.Channels))
	gauge(g.buffered, float64(stats.Octets))

	var ok, failed uint64
	if sources.Reloads != nil {
		ok, failed = sources.Reloads()
	}
	values <- prometheus.MustNewConstMetric(g.reloads, prometheus.CounterValue, float64(ok), "ok")
	values <- prometheus.MustNewConstMetric(g.reloads, prometheus.CounterValue, float64(failed), "failed")

	var built float64
	if sources.DatabaseBuilt != nil {
		if at := sources.DatabaseBuilt(); !at.IsZero() {
			built = float64(at.Unix())
		}
	}
	gauge(g.built, built)

	var turnedAway []uint64
	if sources.TurnedAway != nil {
		turnedAway = sources.TurnedAway()
	}
	for i, why := range admission.Whys() {
		var count uint64
		if i < len(turnedAway) {
			count = turnedAway[i]
		}
		values <- prometheus.MustNewConstMetric(g.turnedAway, prometheus.CounterValue, float64(count), why.String())
	}
}
