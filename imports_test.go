package channelserver_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	module  = "channelserver"
	server  = "cmd/channelserver"
	gorilla = "github.com/gorilla/websocket"
)

// mayKnow says which packages of this module each part of the server may import, directly or
// through others.
var mayKnow = map[string][]string{
	"relay":     {},
	"admission": {},
	"apidocs":   {},
	"front":     {},
	"geo":       {},
	"logs":      {},
	"ops":       {},
	"web":       {},
	"settings":  {"relay"},
	"metrics":   {"admission", "relay"},
	"pairing":   {"admission", "relay", "geo", "logs"},
	server:      {"admission", "relay", "apidocs", "front", "geo", "logs", "ops", "settings", "metrics", "pairing", "web"},
}

// goList runs go list with a format and returns the output, word by word.
func goList(t *testing.T, format, folder string) []string {
	t.Helper()
	var problems strings.Builder
	command := exec.Command("go", "list", "-deps", "-f", format, "./"+folder)
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list ./%s: %v\n%s", folder, err, problems.String())
	}
	return strings.Fields(string(out))
}

// TestArrowsPointOneWay holds the direction of imports in the server, tests aside.
func TestArrowsPointOneWay(t *testing.T) {
	for name, allowed := range mayKnow {
		for _, dependency := range goList(t, "{{.ImportPath}}", name) {
			part, ours := strings.CutPrefix(dependency, module+"/")
			if ours && part != name && !slices.Contains(allowed, part) {
				t.Errorf("%s imports %s, directly or through others; of this module it may import %q", name, part, allowed)
			}
		}
	}
}

// TestOnlyPairingKnowsGorilla holds that one part of the server imports the WebSocket library.
// Clients and testers are other programs, and may do as they like.
func TestOnlyPairingKnowsGorilla(t *testing.T) {
	var importers []string
	const format = `{{$importer := .ImportPath}}{{range .Imports}}{{$importer}}={{.}} {{end}}`
	for _, arrow := range goList(t, format, server) {
		importer, imported, _ := strings.Cut(arrow, "=")
		if imported == gorilla {
			importers = append(importers, importer)
		}
	}
	if want := []string{module + "/pairing"}; !slices.Equal(importers, want) {
		t.Errorf("%s is imported by %q, want %q", gorilla, importers, want)
	}
}
