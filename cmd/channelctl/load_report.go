package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"channelserver/load"
)

// printLoad prints a report as tables.
func printLoad(w io.Writer, r *load.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("scenario", r.Scenario)
	row("server", r.Address)
	if r.Channels > 0 {
		row("channels that relay", r.Channels)
	}
	if r.Idle > 0 {
		row("idle connections", r.Idle)
	}
	if r.Workers > 0 {
		row("workers", r.Workers)
	}
	row("time measured", fmt.Sprintf("%.1f s", r.Seconds))
	count := func(name string, n int64) {
		if n > 0 {
			row(name, fmt.Sprintf("%d, %.0f a second", n, float64(n)/r.Seconds))
		}
	}
	if r.Messages > 0 {
		row("size of a message", fmt.Sprintf("%d octets", r.Size))
	}
	count("messages sent", r.Sent)
	count("messages", r.Messages)
	count("pairings", r.Pairings)
	count("resumes", r.Resumes)
	if err := table.Flush(); err != nil {
		return err
	}
	if err := printLatencies(w, r); err != nil {
		return err
	}
	if err := printUsage(w, r); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(w, "\nerrors: %d times %s", r.Errors[kind], kind)
		if hint := hintFor(kind); hint != "" {
			fmt.Fprintf(w, " (%s)", hint)
		}
	}
	end := "\nno errors\n"
	if r.Failed() {
		end = "\n"
	}
	_, err := io.WriteString(w, end)
	return err
}

// hintFor says what to do about a kind of error that comes of the server's settings.
func hintFor(kind string) string {
	switch {
	case strings.HasPrefix(kind, "closed with 4013"), strings.HasPrefix(kind, "closed with 4004"): // which a resume finds
		return "start the server with --max_exchanges=0"
	case strings.HasPrefix(kind, "closed with 4008"):
		return "start the server with --conn_lifespan=0"
	case strings.HasPrefix(kind, "closed with 1009"):
		return "raise --max_message_size of the server"
	case strings.HasPrefix(kind, "refused with 429"), strings.HasPrefix(kind, "refused with 503"):
		return "the server's limits on openings and connections"
	}
	return ""
}

func printLatencies(w io.Writer, r *load.Report) error {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tp50\tp90\tp99\tp99.9\tmost\t")
	for _, l := range []struct {
		name string
		load.Summary
	}{
		{"opening", r.Opening}, {"message", r.Message}, {"pairing", r.Pairing}, {"resume", r.Resume}, {"generator late", r.Lateness},
	} {
		if l.Count > 0 {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t\n", l.name, micros(l.P50), micros(l.P90), micros(l.P99), micros(l.P999), micros(l.Max))
		}
	}
	return table.Flush()
}

// micros writes a time in microseconds.
func micros(d time.Duration) string {
	return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
}

func printUsage(w io.Writer, r *load.Report) error {
	if r.Generator == nil {
		return nil
	}
	columns := []*load.Usage{r.Server, r.Generator}
	head := "\tserver\tgenerator\t"
	if r.Server == nil {
		columns, head = columns[1:], "\tgenerator\t"
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, head)
	row := func(name string, shown bool, cell func(u *load.Usage) string) {
		if !shown {
			return
		}
		fmt.Fprintf(table, "%s\t", name)
		for _, u := range columns {
			fmt.Fprintf(table, "%s\t", cell(u))
		}
		fmt.Fprintln(table)
	}
	standing := r.Channels+r.Idle > 0
	const kib, mib = 1 << 10, 1 << 20
	row("CPU", true, func(u *load.Usage) string { return fmt.Sprintf("%.2f s", u.CPU.Seconds()) })
	row("CPU for each channel opened", standing, func(u *load.Usage) string { return micros(u.PerOpening) })
	row("CPU for each message", r.Messages > 0 && r.Pairings+r.Resumes == 0, func(u *load.Usage) string { return micros(u.PerMessage) })
	row("CPU for each pairing", r.Pairings > 0, func(u *load.Usage) string { return micros(u.PerPairing) })
	row("CPU for each resume", r.Resumes > 0, func(u *load.Usage) string { return micros(u.PerResume) })
	row("memory before", true, func(u *load.Usage) string { return fmt.Sprintf("%.1f MiB", float64(u.ResidentBefore)/mib) })
	row("memory when all was open", standing, func(u *load.Usage) string { return fmt.Sprintf("%.1f MiB", float64(u.ResidentOpened)/mib) })
	row("memory at the end", true, func(u *load.Usage) string { return fmt.Sprintf("%.1f MiB", float64(u.ResidentAfter)/mib) })
	row("memory for each connection", standing && columns[0].PerConnection > 0, func(u *load.Usage) string { return fmt.Sprintf("%.1f KiB", float64(u.PerConnection)/kib) })
	return table.Flush()
}
