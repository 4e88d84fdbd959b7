package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A screen tells people how the run goes: a line for each check that is done, and, on a terminal,
// what is being waited for in the last line. Its methods may be called at the same time.
type screen struct {
	out    io.Writer
	quiet  bool // no text: the results will be written as JSON
	colour bool
	live   bool // out is a terminal

	mu      sync.Mutex
	said    map[string]time.Time // when each check has last told its progress; guarded by mu, like all below
	status  string               // the last line, if it is to be overwritten
	stopped bool
}

// newScreen returns a screen. Without a terminal there are no colours and no last line, and the
// progress of a check is told at most every 5 s, to stderr.
func newScreen(stdout, stderr io.Writer, quiet bool, lookup func(string) (string, bool)) *screen {
	s := &screen{out: stdout, quiet: quiet, said: make(map[string]time.Time)}
	if quiet {
		s.out = stderr
	}
	s.live = isTerminal(s.out)
	noColour, _ := lookup("NO_COLOR")
	s.colour = s.live && noColour == ""
	return s
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress implements reporter.
func (s *screen) progress(check, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if s.live {
		s.status = check + ": " + what
		fmt.Fprintf(s.out, "\r\x1b[K%.78s", s.status)
		return
	}
	if s.quiet || time.Since(s.said[check]) < 5*time.Second {
		return
	}
	s.said[check] = time.Now()
	fmt.Fprintf(s.out, "...      %-10s %s: %s\n", "", check, what)
}

// done implements reporter.
func (s *screen) done(r result) {
	if s.quiet {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	fmt.Fprintf(s.out, "%s %-10s %s", s.paint(r.verdict, fmt.Sprintf("%-8s", r.verdict)), r.check.level, r.check.name)
	if r.verdict == held {
		fmt.Fprintf(s.out, " (%v)\n", r.took.Round(time.Millisecond))
		return
	}
	fmt.Fprintf(s.out, ": %s\n", r.reason)
}

func (s *screen) clearLocked() {
	if s.status != "" {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.status = ""
	}
}

// close ends progress.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	s.stopped = true
}

func (s *screen) paint(v verdict, text string) string {
	if !s.colour {
		return text
	}
	return map[verdict]string{held: "\x1b[32m", failed: "\x1b[1;31m", notDone: "\x1b[33m"}[v] + text + "\x1b[0m"
}

// table writes what the results come to: numbers for each level, and what failed.
func (s *screen) table(results []result) {
	fmt.Fprintln(s.out)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "level\tok\tfailed\tnot run\t")
	for _, l := range append(levels(), "") {
		n := count(results, l)
		name := string(l)
		if l == "" {
			name = "all"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", name, n[held], n[failed], n[notDone])
	}
	w.Flush()
	for _, r := range results {
		if r.verdict == failed {
			fmt.Fprintf(s.out, "\n%s %s (%s)\n    promise: %s\n    got:     %s\n", s.paint(failed, string(failed)), r.check.name, r.check.level, r.check.sentence, strings.ReplaceAll(r.reason, "\n", "\n             "))
		}
	}
	total := count(results, "")
	switch {
	case total[failed] > 0:
		fmt.Fprintf(s.out, "\n%d of %d checks failed.\n", total[failed], total[failed]+total[held])
	case total[held] == 0:
		fmt.Fprintln(s.out, "\nNothing could be checked.")
	default:
		fmt.Fprintf(s.out, "\nAll %d checks that were run hold; %d were not run.\n", total[held], total[notDone])
	}
}

// count counts the verdicts of a level; "" stands for all levels.
func count(results []result, l level) map[verdict]int {
	counts := make(map[verdict]int)
	for _, r := range results {
		if l == "" || r.check.level == l {
			counts[r.verdict]++
		}
	}
	return counts
}

// list explains the checks.
func list(w io.Writer, checks []check) {
	for _, c := range checks {
		fmt.Fprintf(w, "%-10s %-20s %s\n", c.level, c.name, c.sentence)
	}
}

// writeJSON writes one object with all results and their numbers.
func writeJSON(w io.Writer, results []result) error {
	type one struct {
		Name     string  `json:"name"`
		Level    level   `json:"level"`
		Sentence string  `json:"sentence"`
		Verdict  verdict `json:"verdict"` // ok, FAILED or not run
		Reason   string  `json:"reason,omitempty"`
		Seconds  float64 `json:"seconds"`
	}
	all := make([]one, 0, len(results))
	for _, r := range results {
		all = append(all, one{r.check.name, r.check.level, r.check.sentence, r.verdict, r.reason, r.took.Seconds()})
	}
	total := count(results, "")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{
		"checks": all, "ok": total[held], "failed": total[failed], "not_run": total[notDone],
	})
}

// writeJUnit writes the results to a file in the XML that JUnit made common and CI systems read:
// each level is a class, a check that was not run is skipped.
func writeJUnit(path string, results []result) error {
	type note struct {
		Message string `xml:"message,attr"`
	}
	type testcase struct {
		Class   string `xml:"classname,attr"`
		Name    string `xml:"name,attr"`
		Seconds string `xml:"time,attr"`
		Failure *note  `xml:"failure"`
		Skipped *note  `xml:"skipped"`
	}
	type suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	total := count(results, "")
	all := suite{Name: "test_chan", Tests: len(results), Failures: total[failed], Skipped: total[notDone]}
	for _, r := range results {
		one := testcase{Class: string(r.check.level), Name: r.check.name, Seconds: fmt.Sprintf("%.3f", r.took.Seconds())}
		switch r.verdict {
		case failed:
			one.Failure = &note{r.reason}
		case notDone:
			one.Skipped = &note{r.reason}
		}
		all.Cases = append(all.Cases, one)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(xml.Header), append(text, '\n')...), 0o644)
}
