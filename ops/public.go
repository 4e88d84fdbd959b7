package ops

import (
	"encoding/json"
	"net/http"
)

// A Version says what is running. Its form is that of Dockerflow's version object
// (github.com/mozilla-services/Dockerflow, docs/version_object.md).
type Version struct {
	Source  string `json:"source"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Build   string `json:"build"` // what built it
}

// Public answers the health and version endpoints and adds security headers to every answer on
// the public listener. Its fields must not change once it is in use.
type Public struct {
	Version  Version
	Draining func() bool              // whether load balancers should look elsewhere
	Checks   func() map[string]string // each check by name: "ok", or what is to be known; never an address or an id
	Pages    map[string]http.Handler  // what else is to be had with GET and HEAD, by path; they set their own headers over those of secure
}

// Handler returns the handler of the public listener. A request goes to door when handles says
// that its path is the door's; else to an endpoint of Public, or is answered 404.
func (p *Public) Handler(handles func(path string) bool, door http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /__lbheartbeat__", p.lbHeartbeat)
	mux.HandleFunc("GET /__heartbeat__", p.heartbeat)
	mux.HandleFunc("GET /__version__", p.version)
	for path, page := range p.Pages {
		mux.Handle("GET "+path, page)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if handles(r.URL.Path) {
			door.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// secure sets the headers of an answer that is not a page: nothing may be loaded or framed, the
// type is what it says, and browsers come back over TLS only. Browsers ignore the last over plain
// HTTP (RFC 6797 section 8.1); it is sent all the same, since TLS often ends in a proxy before us.
func secure(h http.Header) {
	for i := range security {
		h[security[i].name] = security[i].value
	}
}

// security is not to be modified. Each value has room for itself only, so that whoever adds another copies it.
var security = [...]struct {
	name  string // in canonical form
	value []string
}{
	{"Strict-Transport-Security", []string{"max-age=31536000; includeSubDomains"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cache-Control", []string{"no-store"}},
}

// lbHeartbeat tells a load balancer whether to send new clients here.
func (p *Public) lbHeartbeat(w http.ResponseWriter, _ *http.Request) {
	if p.Draining() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// heartbeat tells whether the server works, and what there is to know about its parts. A server
// that drains, or has no database of places, works.
func (p *Public) heartbeat(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, struct {
		Status  string            `json:"status"`
		Version string            `json:"version"`
		Checks  map[string]string `json:"checks"`
	}{"ok", p.Version.Version, p.Checks()})
}

func (p *Public) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, p.Version)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // strings and maps of strings: only the client can fail
}
