package ops

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

// ask answers a request without a network.
func ask(handler http.Handler, method, target string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(method, target, nil))
	return answer
}

// newPublic returns the handler of a server whose door says teapot, and what makes it drain.
func newPublic() (handler http.Handler, draining *bool) {
	draining = new(bool)
	public := Public{
		Version:  Version{Source: "source", Version: "1.2.3", Commit: "abc", Build: "go"},
		Draining: func() bool { return *draining },
		Checks:   func() map[string]string { return map[string]string{"channels": "ok"} },
	}
	door := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	return public.Handler(func(path string) bool { return path == "/door" || path == "/__version__/door" }, door), draining
}

func TestPublicAnswers(t *testing.T) {
	handler, _ := newPublic()
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/door", http.StatusTeapot},
		{"POST", "/door", http.StatusTeapot},
		{"GET", "/__version__/door", http.StatusTeapot},
		{"GET", "/door/", http.StatusNotFound},
		{"GET", "/", http.StatusNotFound},
		{"GET", "/metrics", http.StatusNotFound},
		{"HEAD", "/__version__", http.StatusOK},
		{"POST", "/__version__", http.StatusMethodNotAllowed},
		{"POST", "/__heartbeat__", http.StatusMethodNotAllowed},
		{"PUT", "/__lbheartbeat__", http.StatusMethodNotAllowed},
	} {
		answer := ask(handler, c.method, c.target)
		if answer.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.target, answer.Code, c.status)
		}
		header := answer.Header()
		if header.Get("Strict-Transport-Security") == "" || header.Get("X-Content-Type-Options") != "nosniff" ||
			header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.target, header)
		}
		if c.status == http.StatusMethodNotAllowed && header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow is %q", c.method, c.target, header.Get("Allow"))
		}
	}
}

func TestLBHeartbeat(t *testing.T) {
	handler, draining := newPublic()
	if answer := ask(handler, "GET", "/__lbheartbeat__"); answer.Code != http.StatusOK || answer.Body.String() != "ok\n" {
		t.Errorf("status %d, %q", answer.Code, answer.Body)
	}
	*draining = true
	if answer := ask(handler, "GET", "/__lbheartbeat__"); answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") != "1" {
		t.Errorf("draining: status %d, headers %v", answer.Code, answer.Header())
	}
	if answer := ask(handler, "GET", "/__heartbeat__"); answer.Code != http.StatusOK {
		t.Errorf("draining: /__heartbeat__ has status %d", answer.Code)
	}
}

func TestJSON(t *testing.T) {
	handler, _ := newPublic()
	for target, want := range map[string]map[string]any{
		"/__version__":   {"source": "source", "version": "1.2.3", "commit": "abc", "build": "go"},
		"/__heartbeat__": {"status": "ok", "version": "1.2.3", "checks": map[string]any{"channels": "ok"}},
	} {
		answer := ask(handler, "GET", target)
		var got map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v, %v", target, err, answer.Header())
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", target, got, want)
		}
	}
}
