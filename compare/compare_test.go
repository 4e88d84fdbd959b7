package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// made returns samples of one figure of three servers, in rounds of which the first is far off.
func made() samples {
	var s samples
	for round, values := range [][3]float64{{99, 1, 50}, {12, 10, 12}, {26, 20, 13}, {5, 5, 5}} {
		for i, server := range []string{ours, theFloor, again} {
			s = append(s, sample{"message", server, round, values[i]})
		}
	}
	return append(s, sample{"idle", ours, 0, 7.5}, sample{"idle", theFloor, 0, 4})
}

// TestRatios holds that values are compared within their round and that the first round does not count.
func TestRatios(t *testing.T) {
	s := made()
	if got, ok := s.ratio("message", ours, theFloor); !ok || got.median != 1.2 || got.low != 1.1 || got.high != 1.25 {
		t.Errorf("the ratios are %+v, %t; want 1.2 between 1.1 and 1.25", got, ok)
	}
	if got, ok := s.value("message", theFloor); !ok || got.median != 10 {
		t.Errorf("the floor is %+v, %t; want 10", got, ok)
	}
	if got, ok := s.value("idle", ours); !ok || got.median != 7.5 {
		t.Errorf("what was measured once is %+v, %t; want 7.5", got, ok)
	}
	if got, ok := s.ratio("burst", ours, theFloor); ok {
		t.Errorf("what was not measured is %+v", got)
	}
}

func TestTargets(t *testing.T) {
	s := made()
	for figure, want := range map[string]string{"message": "no, by 9 %", "idle": "yes", "burst": ""} {
		for i := range figures {
			if figures[i].name == figure && s.met(&figures[i]) != want {
				t.Errorf("%s: met is %q, want %q", figure, s.met(&figures[i]), want)
			}
		}
	}
}

func madeReport(t *testing.T) *report {
	all, err := chosen("")
	if err != nil {
		t.Fatal(err)
	}
	return &report{made(), all, "2026-01-02, <a machine> & more"}
}

// TestPlot holds that the plot is XML, whatever the words are.
func TestPlot(t *testing.T) {
	decoder := xml.NewDecoder(bytes.NewReader(madeReport(t).plot()))
	var text strings.Builder
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := token.(xml.CharData); ok {
			text.Write(data)
		}
	}
	for _, want := range []string{"<a machine> & more", "CPU per relayed message, one in flight", "1.20", "7.50"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the plot does not say %q", want)
		}
	}
}

// TestSave holds that the table replaces the one before, and nothing else.
func TestSave(t *testing.T) {
	r := madeReport(t)
	document, samples := filepath.Join(t.TempDir(), "a.md"), filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(document, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.save(samples, "", document); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(document)
	if want := "before\n" + tableBegin + r.table() + tableEnd + "after\n"; err != nil || string(got) != want {
		t.Errorf("the document is now %q, %v; want %q", got, err, want)
	}
	if got, err = os.ReadFile(samples); err != nil || !strings.Contains(string(got), "\nmessage,µs,floor,1,10.000\n") {
		t.Errorf("the samples are %q, %v", got, err)
	}
	if err := os.WriteFile(document, []byte("no place\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.save("", "", document); err == nil {
		t.Error("a document without a place for the table was accepted")
	}
}

// TestArguments holds what is refused before anything is built.
func TestArguments(t *testing.T) {
	for _, args := range []string{"--rounds 1", "--slice 1ms", "--only nonsense", "--servers nonsense", "more"} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

// TestQuickRun compares the servers in Go, so that each figure is known to be measurable. What they come to does
// not matter here.
func TestQuickRun(t *testing.T) {
	var table, progress bytes.Buffer
	if err := run(t.Context(), strings.Fields("--quick --rounds 2 --slice 20ms --servers chat"), &table, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for i := range figures {
		_, row, found := strings.Cut(table.String(), "| "+figures[i].label+" |")
		row, _, _ = strings.Cut(row, "\n")
		if cells := strings.Split(row, "|"); !found || strings.TrimSpace(cells[1]) == "" {
			t.Errorf("nothing is said of %s: %q", figures[i].name, row)
		}
	}
}
