package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A report tells people what was measured.
type report struct {
	samples samples
	kinds   []*kind
	about   string // when and where
}

// table returns the medians as a table in Markdown. Absolute figures have their unit, all others are ratios to the floor.
func (r *report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\n| figure | floor | this server | quartiles | again / first |", r.about)
	columns := 7
	for _, k := range r.others() {
		fmt.Fprintf(&b, " %s |", k.label)
		columns++
	}
	b.WriteString(" target | met |\n" + strings.Repeat("|---", columns) + "|\n")
	for i := range figures {
		f := &figures[i]
		if len(r.samples.of(f.name, ours)) > 0 {
			r.row(&b, f)
		}
	}
	return b.String()
}

func (r *report) row(b *strings.Builder, f *figure) {
	floor, quartiles, twice := "", "", ""
	if s, ok := r.samples.value(f.name, theFloor); ok {
		floor = strconv.FormatFloat(s.median, 'f', f.digits, 64) + " " + f.unit
	}
	if s, ok := r.samples.shown(f, ours); ok && len(r.samples.of(f.name, ours)) > 1 {
		quartiles = fmt.Sprintf("%.2f to %.2f", s.low, s.high)
	}
	if s, ok := r.samples.ratio(f.name, again, ours); ok {
		twice = fmt.Sprintf("%.2f", s.median)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |", f.label, floor, r.cell(f, ours), quartiles, twice)
	for _, k := range r.others() {
		fmt.Fprintf(b, " %s |", r.cell(f, k.name))
	}
	fmt.Fprintf(b, " %s | %s |\n", strconv.FormatFloat(f.target, 'f', -1, 64), r.samples.met(f))
}

// cell returns what a table tells of a figure of a server.
func (r *report) cell(f *figure, server string) string {
	s, ok := r.samples.shown(f, server)
	switch {
	case !ok:
		return ""
	case f.absolute:
		return strconv.FormatFloat(s.median, 'f', f.digits, 64) + " " + f.unit
	}
	return fmt.Sprintf("%.2f", s.median)
}

// others returns the kinds beside ours and the floor.
func (r *report) others() []*kind {
	var others []*kind
	for _, k := range r.kinds {
		if k.name != ours && k.name != theFloor {
			others = append(others, k)
		}
	}
	return others
}

// save writes the files that have a name.
func (r *report) save(samples, plot, document string) error {
	var problems []error
	if samples != "" {
		problems = append(problems, r.saveCSV(samples))
	}
	if plot != "" {
		problems = append(problems, os.WriteFile(plot, r.plot(), 0o644))
	}
	if document != "" {
		problems = append(problems, r.replaceTable(document))
	}
	return errors.Join(problems...)
}

func (r *report) saveCSV(name string) error {
	records := [][]string{{"figure", "unit", "server", "round", "value"}}
	for i := range figures {
		for _, s := range r.samples {
			if s.figure == figures[i].name {
				records = append(records, []string{s.figure, figures[i].unit, s.server, strconv.Itoa(s.round), strconv.FormatFloat(s.value, 'f', 3, 64)})
			}
		}
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(file).WriteAll(records), file.Close())
}

// tableBegin and tableEnd are the comments around the table in a document.
const (
	tableBegin = "<!-- compare: begin -->\n"
	tableEnd   = "<!-- compare: end -->\n"
)

func (r *report) replaceTable(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(text), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		return fmt.Errorf("%s has no lines %q and %q for the table to go between", name, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(name, []byte(before+tableBegin+r.table()+tableEnd+after), 0o644)
}
