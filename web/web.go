// Package web serves the pairing page: one HTML file, with its script and its style inside, that
// page/build.mjs builds from page/. The browser library beside it, channel.js, is for other people's pages.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page/dist/index.html
var page string

// Page returns the handler of the pairing page, whatever the path. It answers GET and HEAD, and 405 to other
// methods, and may be used at the same time. It panics when the page has not one script and one style.
//
// The page holds the secret of a pairing, so its Content-Security-Policy (Level 3) lets nothing run or
// style it but what is in the file, by hash, and lets it connect to its own origin only. That 'self' covers
// WebSockets of the same host (section 6.7.2.8) holds for Safari from version 16 on. The icon is a data: URL.
// Trusted Types make the browser refuse whatever would turn text into markup.
func Page() http.Handler {
	header := map[string]string{
		"Content-Type":                 "text/html; charset=utf-8",
		"Content-Security-Policy":      policy(page),
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "no-cache", // the next version of the server may have another
		"Vary":                         "Accept-Encoding",
	}
	plain := newForm("", []byte(page))
	zipped := newForm("gzip", compress(page))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The page can be had with GET.", http.StatusMethodNotAllowed)
			return
		}
		for key, value := range header {
			w.Header().Set(key, value)
		}
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			zipped.serve(w, r)
		} else {
			plain.serve(w, r)
		}
	})
}

// A form is the page as it is sent: as it is, or compressed.
type form struct {
	encoding string // of the content; empty is none
	octets   []byte
	tag      string // for If-None-Match
}

func newForm(encoding string, octets []byte) form {
	sum := sha256.Sum256(octets)
	return form{encoding, octets, `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// serve answers GET and HEAD, with 304 where the client has this form already (RFC 9110 section 13.1.2).
func (f form) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", f.tag)
	if matches(r.Header.Values("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if f.encoding != "" {
		h.Set("Content-Encoding", f.encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(f.octets)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.octets)
	}
}

// matches tells whether a list of entity tags names this one, weakly compared (RFC 9110 section 8.8.3.2).
func matches(lists []string, tag string) bool {
	for each := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		each = strings.TrimSpace(each)
		if each == "*" || strings.TrimPrefix(each, "W/") == tag {
			return true
		}
	}
	return false
}

// acceptsGzip tells whether gzip may be used (RFC 9110 section 12.5.3).
func acceptsGzip(lists []string) bool {
	named, others := -1.0, -1.0 // weights; below 0: not mentioned
	for each := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		coding, weight, _ := strings.Cut(each, ";")
		q := 1.0
		if name, value, found := strings.Cut(strings.TrimSpace(weight), "="); found && strings.EqualFold(name, "q") {
			q, _ = strconv.ParseFloat(strings.TrimSpace(value), 64) // what cannot be read is 0: not wanted
		}
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			named = q
		case "*":
			others = q
		}
	}
	return named > 0 || named < 0 && others > 0
}

func compress(text string) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a good one
	}
	_, _ = w.Write([]byte(text)) // a Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// policy returns the Content-Security-Policy of a page with one script and one style.
func policy(page string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + source(only(page, "script")),
		"style-src " + source(only(page, "style")),
		"img-src data:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
}

// only returns what is in the one element of a name.
func only(page, name string) string {
	_, rest, found := strings.Cut(page, "<"+name+">")
	text, rest, closed := strings.Cut(rest, "</"+name+">")
	if !found || !closed || strings.Contains(rest, "<"+name+">") {
		panic("page/dist/index.html must have one <" + name + "> without attributes; build it with npm run build:page in web/")
	}
	return text
}

// source returns what allows one inline script or style (Content Security Policy Level 3, section 2.3.1).
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
