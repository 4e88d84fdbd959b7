package main

import (
	"fmt"
	"slices"
	"strings"
)

// A figure is something that is measured of every server.
type figure struct {
	name   string // for --only and in the CSV
	label  string // for people
	unit   string // of its values; in tables, what is absolute has it
	digits int    // behind the point
	// target is what ours must not pass; 0 for none. It is held against the value itself if the figure is
	// absolute, else against the ratio to the floor's value of the same round.
	target   float64
	absolute bool
}

// figures are all there are, in the order of the tables.
var figures = []figure{
	{name: "message", label: "CPU per relayed message, one in flight", unit: "µs", digits: 2, target: 1.10},
	{name: "burst", label: "CPU per message in bursts of 10 in one write", unit: "µs", digits: 2, target: 0.55},
	{name: "channel", label: "CPU per channel opened (two handshakes, mint, join)", unit: "µs", digits: 1, target: 1.40},
	{name: "pairing", label: "CPU per pairing (open, 10 messages, close)", unit: "µs", digits: 1, target: 1.25},
	{name: "p50", label: "p50 at 2,000 messages/s over 200 channels", unit: "µs", digits: 0, target: 1.1},
	{name: "p99", label: "p99 at 2,000 messages/s over 200 channels", unit: "µs", digits: 0, target: 1.2},
	{name: "idle", label: "resident per idle connection", unit: "KiB", digits: 1, target: 8, absolute: true},
	{name: "idle-gc", label: "the same after a garbage collection", unit: "KiB", digits: 1, target: 5.5, absolute: true},
	{name: "used", label: "the same after traffic", unit: "KiB", digits: 1, target: 9, absolute: true},
	{name: "used-gc", label: "after traffic and a garbage collection", unit: "KiB", digits: 1, target: 7.3, absolute: true},
	{name: "tls-gc", label: "idle over TLS, after a garbage collection", unit: "KiB", digits: 1, target: 18, absolute: true},
	{name: "growth", label: "growth of CPU per message with the connections", unit: "×", digits: 2, target: 1.05, absolute: true},
}

// A sample is what one slice of the measuring of one server has given.
type sample struct {
	figure string
	server string
	round  int // counted from 0; what is measured once is in round 0
	value  float64
}

// samples are all that were taken.
type samples []sample

// of returns the values of one figure of one server, by round.
func (s samples) of(figure, server string) map[int]float64 {
	values := make(map[int]float64)
	for _, one := range s {
		if one.figure == figure && one.server == server {
			values[one.round] = one.value
		}
	}
	return values
}

// A summary is the median of values, with the quartiles beside it.
type summary struct{ low, median, high float64 }

// summarize returns the summary of some values, and false if there are none.
func summarize(values []float64) (summary, bool) {
	if len(values) == 0 {
		return summary{}, false
	}
	slices.Sort(values)
	return summary{quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)}, true
}

// quantile returns the q-quantile of sorted values, between two of them if need be.
func quantile(sorted []float64, q float64) float64 {
	place := q * float64(len(sorted)-1)
	below := int(place)
	if below+1 == len(sorted) {
		return sorted[below]
	}
	part := place - float64(below)
	return sorted[below]*(1-part) + sorted[below+1]*part
}

// value summarizes a figure of a server. The first of several rounds warms up, and does not count.
func (s samples) value(figure, server string) (summary, bool) {
	var values []float64
	all := s.of(figure, server)
	for round, value := range all {
		if round > 0 || len(all) == 1 {
			values = append(values, value)
		}
	}
	return summarize(values)
}

// ratio summarizes the ratios of a figure of a server to that of another in the same round.
func (s samples) ratio(figure, server, to string) (summary, bool) {
	var ratios []float64
	all, others := s.of(figure, server), s.of(figure, to)
	for round, value := range all {
		if other := others[round]; other > 0 && (round > 0 || len(all) == 1) {
			ratios = append(ratios, value/other)
		}
	}
	return summarize(ratios)
}

// shown returns what tables and plots tell of a figure of a server.
func (s samples) shown(f *figure, server string) (summary, bool) {
	if f.absolute {
		return s.value(f.name, server)
	}
	return s.ratio(f.name, server, theFloor)
}

// met tells whether ours meets the target of a figure; it is empty where there is none or nothing was measured.
func (s samples) met(f *figure) string {
	got, measured := s.shown(f, ours)
	switch {
	case !measured || f.target == 0:
		return ""
	case got.median <= f.target:
		return "yes"
	}
	return fmt.Sprintf("no, by %.0f %%", 100*(got.median/f.target-1))
}

// names returns the names of all figures.
func names() []string {
	var all []string
	for i := range figures {
		all = append(all, figures[i].name)
	}
	return all
}

// chosenFigures returns the names in a list, separated by commas; none stand for all.
func chosenFigures(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	chosen := strings.Split(list, ",")
	for _, name := range chosen {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("there is no figure %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return chosen, nil
}
