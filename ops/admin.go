package ops

import (
	"net/http"
	"net/http/pprof"
)

// Admin returns the handler of the admin listener: statistics at /metrics, and the profiles of
// net/http/pprof below /debug/pprof/. It is for operators, not for strangers: profiles tell what a
// server is doing, and taking one costs.
func Admin(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound) // arguments may hold what profiles need not
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("/metrics\n/debug/pprof/\n"))
	})
	return mux
}
