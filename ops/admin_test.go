package ops

import (
	"io"
	"net/http"
	"testing"
)

func TestAdmin(t *testing.T) {
	handler := Admin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a_total 1\n") }))
	for target, status := range map[string]int{
		"/":                              http.StatusOK,
		"/metrics":                       http.StatusOK,
		"/debug/pprof/":                  http.StatusOK,
		"/debug/pprof/goroutine?debug=1": http.StatusOK,
		"/debug/pprof/heap":              http.StatusOK,
		"/debug/pprof/symbol?0x1":        http.StatusOK,
		"/debug/pprof/cmdline":           http.StatusNotFound, // what it would show is not for profiles
		"/debug/pprof/nonsense":          http.StatusNotFound,
		"/metrics/":                      http.StatusNotFound,
		"/__heartbeat__":                 http.StatusNotFound,
		"/v1/ws/":                        http.StatusNotFound,
	} {
		if answer := ask(handler, "GET", target); answer.Code != status {
			t.Errorf("%s: status %d, want %d", target, answer.Code, status)
		}
	}
	if answer := ask(handler, "GET", "/metrics"); answer.Body.String() != "a_total 1\n" {
		t.Errorf("/metrics: %q", answer.Body)
	}
	if answer := ask(handler, "POST", "/metrics"); answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", answer.Code)
	}
}
