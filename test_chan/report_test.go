package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func someResults() []result {
	one := &check{name: "one", level: core, sentence: "It is one."}
	two := &check{name: "two", level: ours, sentence: "It is <two>."}
	three := &check{name: "three", level: v2, sentence: "It is three."}
	return []result{
		{one, held, "", 12 * time.Millisecond},
		{two, failed, "expected 2,\ngot 3", time.Second},
		{three, notDone, "not offered: no", 0},
	}
}

func TestScreen(t *testing.T) {
	var out, err bytes.Buffer
	s := newScreen(&out, &err, false, environment())
	s.progress("two", "waiting")
	s.progress("two", "still waiting") // too soon
	for _, r := range someResults() {
		s.done(r)
	}
	s.close()
	s.progress("two", "too late")
	s.table(someResults())
	const want = `...                 two: waiting
ok       v1-core    one (12ms)
FAILED   ours       two: expected 2,
got 3
not run  v2         three: not offered: no

      level  ok  failed  not run
    v1-core   1       0        0
  v1-strict   0       0        0
       ours   0       1        0
         v2   0       0        1
        all   1       1        1

FAILED two (ours)
    promise: It is <two>.
    got:     expected 2,
             got 3

1 of 2 checks failed.
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if err.Len() > 0 {
		t.Errorf("stderr: %s", &err)
	}
}

func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, live: true, colour: true}
	s.progress("two", "waiting")
	s.done(someResults()[0])
	s.close()
	if want := "\r\x1b[Ktwo: waiting\r\x1b[K\x1b[32mok      \x1b[0m v1-core    one (12ms)\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestConclusion(t *testing.T) {
	all := someResults()
	for says, results := range map[string][]result{
		"All 1 checks that were run hold; 1 were not run.": {all[0], all[2]},
		"Nothing could be checked.":                        {all[2]},
	} {
		var out bytes.Buffer
		newScreen(&out, &out, false, environment()).table(results)
		if !strings.Contains(out.String(), says) {
			t.Errorf("got\n%s\nwant %q in it", &out, says)
		}
	}
	for want, results := range map[int][]result{0: {all[0], all[2]}, 1: {all[2]}} {
		if got := status(results); got != want {
			t.Errorf("the exit status is %d, want %d", got, want)
		}
	}
	if status(all) != 1 {
		t.Error("the exit status is 0, though a check failed")
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := writeJSON(&out, someResults()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		OK     int
		Failed int
		NotRun int `json:"not_run"`
		Checks []struct {
			Name, Level, Sentence, Verdict, Reason string
			Seconds                                float64
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.OK != 1 || got.Failed != 1 || got.NotRun != 1 || len(got.Checks) != 3 || got.Checks[1].Verdict != "FAILED" || got.Checks[1].Reason != "expected 2,\ngot 3" || got.Checks[1].Seconds != 1 {
		t.Errorf("got %s", &out)
	}
}

func TestJUnit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "junit.xml")
	if err := writeJUnit(path, someResults()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type note struct {
		Message string `xml:"message,attr"`
	}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Class   string `xml:"classname,attr"`
			Name    string `xml:"name,attr"`
			Failure *note  `xml:"failure"`
			Skipped *note  `xml:"skipped"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 3 || got.Failures != 1 || got.Skipped != 1 || len(got.Cases) != 3 || got.Cases[0].Failure != nil || got.Cases[1].Failure == nil || got.Cases[1].Failure.Message != "expected 2,\ngot 3" || got.Cases[2].Skipped == nil {
		t.Errorf("got %s", text)
	}
}

func TestList(t *testing.T) {
	var out, err bytes.Buffer
	if code := run(t.Context(), []string{"--list", "--run=^trim$"}, environment(), &out, &err); code != 0 {
		t.Errorf("exit status %d: %s", code, &err)
	}
	if want := "v1-core    trim                 White space around a message is trimmed.\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if code := run(t.Context(), []string{"--run=nothing"}, environment(), &out, &err); code != 2 {
		t.Errorf("when no check matches: exit status %d, want 2", code)
	}
}
