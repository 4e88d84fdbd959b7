package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A report is what came of it. add and addBad may be called at the same time; the rest must wait for them.
type report struct {
	mu sync.Mutex // guards all below

	URL         string  `json:"url"`
	Seconds     float64 `json:"seconds"`
	Pairs       int     `json:"pairs_completed"`
	Failed      int     `json:"pairs_failed"`
	Refused     int     `json:"pairs_refused"` // with 429 or 503, before they began
	BadClients  int     `json:"bad_clients"`
	Messages    int     `json:"messages_delivered"`
	Lost        int     `json:"messages_lost"`
	Duplicated  int     `json:"messages_duplicated"`
	Reordered   int     `json:"messages_reordered"`
	Foreign     int     `json:"messages_foreign"` // of nobody in the channel
	MemoryStart int64   `json:"memory_start_bytes,omitempty"`
	MemoryEnd   int64   `json:"memory_end_bytes,omitempty"`

	Failures map[string]int `json:"failures"` // what went wrong, and how often
}

// add counts a pair, and tells whether it was refused.
func (r *report) add(heard ledger, err error) (refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, errRefused):
		r.Refused++
		return true
	case err != nil:
		r.Failed++
		r.failLocked(err)
	default:
		r.Pairs++
	}
	r.Messages += heard.delivered
	r.Lost += heard.lost
	r.Duplicated += heard.duplicated
	r.Reordered += heard.reordered
	r.Foreign += heard.foreign
	return err != nil
}

// maxFailures is how many kinds of failures are told apart.
const maxFailures = 20

func (r *report) failLocked(err error) {
	kind := err.Error()
	if _, known := r.Failures[kind]; !known && len(r.Failures) >= maxFailures {
		kind = "other failures"
	}
	r.Failures[kind]++
}

func (r *report) addBad() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.BadClients++
}

// good tells whether every message came once and in order, and no good pair failed.
func (r *report) good() bool {
	return r.Pairs > 0 && r.Failed+r.Lost+r.Duplicated+r.Reordered+r.Foreign == 0
}

func (r *report) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("server", r.URL)
	row("time", time.Duration(r.Seconds*float64(time.Second)).Round(time.Millisecond))
	row("pairs completed", r.Pairs)
	row("pairs failed", r.Failed)
	row("pairs refused", r.Refused)
	row("bad clients", r.BadClients)
	row("messages delivered", r.Messages)
	row("messages lost", r.Lost)
	row("messages duplicated", r.Duplicated)
	row("messages reordered", r.Reordered)
	row("messages of strangers", r.Foreign)
	if r.MemoryStart > 0 {
		const mib = 1 << 20
		row("memory at start", fmt.Sprintf("%.1f MiB", float64(r.MemoryStart)/mib))
		row("memory at end", fmt.Sprintf("%.1f MiB", float64(r.MemoryEnd)/mib))
	}
	for _, failure := range slices.Sorted(maps.Keys(r.Failures)) {
		row(fmt.Sprintf("failed %d times", r.Failures[failure]), failure)
	}
	return table.Flush()
}

// memory returns the octets of the server that are in RAM, or 0 where nobody can tell.
func (o *soakOptions) memory(ctx context.Context) (int64, error) {
	switch {
	case o.admin != "":
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(o.admin, "/")+"/metrics", nil)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		text, err := find(response.Body, "process_resident_memory_bytes ")
		if err != nil {
			return 0, fmt.Errorf("memory by --admin %s: %w", o.admin, err)
		}
		octets, err := strconv.ParseFloat(text, 64)
		return int64(octets), err
	case o.pid != 0:
		path := fmt.Sprintf("/proc/%d/status", o.pid)
		file, err := os.Open(path)
		if err != nil {
			return 0, fmt.Errorf("memory by --pid: %w", err)
		}
		defer file.Close()
		text, err := find(file, "VmRSS:")
		if err != nil {
			return 0, fmt.Errorf("memory by --pid, %s: %w", path, err)
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
		return kib << 10, err
	}
	return 0, nil
}

// find returns the rest of the first line that begins so.
func find(r io.Reader, begin string) (string, error) {
	lines := bufio.NewScanner(io.LimitReader(r, 4<<20))
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), begin); found {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", errors.Join(fmt.Errorf("there is no line that begins with %q", begin), lines.Err())
}
