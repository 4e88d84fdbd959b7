// Package apidocs serves the documentation of the API: /openapi.json, an OpenAPI 3.1 document of what
// is served over HTTP; /asyncapi.json, an AsyncAPI 3.0 document of the WebSocket protocols; and /docs,
// a page made of both for people.
//
// The two documents are written by hand, and held to the server by tests: those of package pairing compare
// schemas, events, reasons and routes with its types; those here replay every example and every answer.
// For that the documents have extensions. x-conversations lists what people do, in steps that name
// examples; x-people says who these people are; x-close-codes has the close codes, for which AsyncAPI
// has no place. The page shows them too.
package apidocs

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"time"
)

//go:embed openapi.json
var openAPI []byte

//go:embed asyncapi.json
var asyncAPI []byte

// Pages returns the handlers of the documents, by path. They answer GET and HEAD and may be used at
// the same time. It panics when a document does not have the form that the page is made for.
func Pages() map[string]http.Handler {
	page, style := render()
	return map[string]http.Handler{
		"/docs": document(page, http.Header{
			"Content-Type":            {"text/html; charset=utf-8"},
			"Content-Security-Policy": {"default-src 'none'; style-src " + source(style) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		}),
		"/openapi.json":  document(openAPI, data()),
		"/asyncapi.json": document(asyncAPI, data()),
	}
}

// data returns the headers of a document that tools read, from any origin (Fetch Standard, section 3.3).
func data() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Access-Control-Allow-Origin": {"*"}}
}

// document serves octets that do not change while the server runs. Browsers ask each time whether they
// are the same (RFC 9111 section 5.2.2.4), since the next server may have others.
func document(octets []byte, header http.Header) http.Handler {
	sum := sha256.Sum256(octets)
	header.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	header.Set("Cache-Control", "no-cache")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), header)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(octets))
	})
}

// source returns what allows one inline style (Content Security Policy Level 3, section 2.3.1).
func source(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
