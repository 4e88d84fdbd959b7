package pairing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"channelserver/geo"
	"channelserver/relay"
)

// newDoor returns a server without a network, and what it logs at any level.
func newDoor(limits relay.Limits, options Options) (*Server, *logged) {
	out := new(logged)
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.Level(-100)}))
	if options.MaxMessageSize == 0 {
		options.MaxMessageSize = 1000
	}
	return NewServer(relay.New(limits, relay.Nobody{}), &geo.Locator{DefaultLang: "en"}, relay.Nobody{}, log, options), out
}

// A logged is what has been logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// answer answers a request whose client is gone already, so that none for events waits. Headers are names
// and values in turn.
func (s *Server) answer(method, path, body string, header ...string) *httptest.ResponseRecorder {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	return s.answerTo(gone, method, path, body, header...)
}

// answerTo is answer for a client that waits as long as ctx lasts.
func (s *Server) answerTo(ctx context.Context, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, "http://relay.test/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, r)
	return answer
}

// mint opens a channel and returns its seat and the header that stands for that.
func (s *Server) mint(t testing.TB) (seat welcome, bearer []string) {
	t.Helper()
	answer := s.answer("POST", pathHTTP, "")
	if err := json.Unmarshal(answer.Body.Bytes(), &seat); err != nil || answer.Code != 201 {
		t.Fatalf("%d, %s", answer.Code, answer.Body)
	}
	if got, want := answer.Header().Get("Location"), pathHTTP+"/"+seat.ChannelID; got != want {
		t.Errorf("Location is %s, want %s", got, want)
	}
	return seat, []string{"Authorization", "Bearer " + seat.Resume}
}

// No answer may be kept by a cache, and the pages of any origin may read each, when any may come.
func TestHTTPHeaders(t *testing.T) {
	s, _ := newDoor(kept, Options{})
	seat, bearer := s.mint(t)
	channel := pathHTTP + "/" + seat.ChannelID
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		kind               string
	}{
		{"POST", pathHTTP, "", nil, 201, "application/json"},
		{"POST", channel + "/members", "", nil, 201, "application/json"},
		{"POST", channel + "/messages", `{"n":1,"message":"x"}`, bearer, 200, "application/json"},
		{"POST", channel + "/messages", `{"n":1,"message":"x"}`, nil, 401, "application/problem+json"},
		{"GET", channel + "/events", "", bearer, 200, "text/event-stream"},
		{"GET", channel + "/events", "", nil, 401, "application/problem+json"},
		{"GET", pathHTTP, "", nil, 404, "application/problem+json"},
		{"HEAD", pathHTTP, "", nil, 404, "application/problem+json"},
		{"HEAD", channel + "/events", "", bearer, 404, "application/problem+json"},
		{"PATCH", channel, "", bearer, 404, "application/problem+json"},
		{"DELETE", channel, "", bearer, 204, ""},
		{"DELETE", channel, "", bearer, 404, "application/problem+json"},
	} {
		answer := s.answer(c.method, c.path, c.body, c.header...)
		h := answer.Header()
		if answer.Code != c.status || h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %d, %v", c.method, c.path, answer.Code, h)
		}
		if got := h.Get("WWW-Authenticate"); (c.status == 401) != (got == "Bearer") {
			t.Errorf("%s %s: WWW-Authenticate is %q", c.method, c.path, got)
		}
	}
}

// What is for one origin is not for another, not even the refusal.
func TestRefusedOrigin(t *testing.T) {
	s, _ := newDoor(kept, Options{AllowedOrigins: []string{"https://example.com"}})
	answer := s.answer("POST", pathHTTP, "", "Origin", "https://example.org")
	if h := answer.Header(); answer.Code != 403 || h.Get("Vary") != "Origin" || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d, %v", answer.Code, h)
	}
}

// A preflight is answered without a look at the channel, and without a side effect.
func TestOptions(t *testing.T) {
	s, _ := newDoor(kept, Options{AllowedOrigins: []string{"https://example.com"}})
	for _, path := range []string{"", "/AAAAAAAAAAAAAAAAAAAAAA", "/AAAAAAAAAAAAAAAAAAAAAA/events", "/x/messages"} {
		answer := s.answer("OPTIONS", pathHTTP+path, "", "Origin", "https://example.com", "Access-Control-Request-Method", "DELETE")
		h := answer.Header()
		if answer.Code != 204 || answer.Body.Len() != 0 || h.Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" ||
			h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, Last-Event-ID" || h.Get("Access-Control-Max-Age") != "600" || h.Get("Vary") != "Origin" {
			t.Errorf("%s: %d, %v", path, answer.Code, h)
		}
	}
	if n := s.hub.Stats().Channels; n != 0 {
		t.Errorf("%d channels", n)
	}
}

// Whatever is wrong with a request that has a token, nobody gets to see the token again.
func TestTokensAreNotRepeated(t *testing.T) {
	s, log := newDoor(kept, Options{MaxMessageSize: 100})
	seat, _ := s.mint(t)
	token := seat.Resume
	other, _ := s.mint(t)
	channel := pathHTTP + "/" + seat.ChannelID
	for _, bearer := range []string{"Bearer " + token, "bearer " + token, "Bearer  " + token, "Bearer " + token + "=", "Bearer x" + token, "Basic " + token, token, "Bearer"} {
		for _, c := range [][3]string{
			{"GET", channel + "/events?wait=x", ""},
			{"GET", channel + "/events?after=" + token, ""},
			{"GET", channel + "/events?token=" + token + "&wait=0", ""},
			{"GET", pathHTTP + "/" + token + "/events", ""},
			{"GET", pathHTTP + "/" + other.ChannelID + "/events", ""},
			{"POST", channel + "/messages", token},
			{"POST", channel + "/messages", `{"n":"` + token + `","message":"x"}`},
			{"POST", channel + "/messages", `{"n":1,"message":{"` + token + `":1}}`},
			{"POST", channel + "/messages", `{"n":1,"` + token + `":}`},
			{"POST", channel + "/messages", strings.Repeat(token, 100)},
			{"PUT", channel + "/" + token, ""},
			{"DELETE", channel + "/members/" + token, ""},
			{"DELETE", pathHTTP + "/" + other.ChannelID, ""},
		} {
			answer := s.answer(c[0], c[1], c[2], "Authorization", bearer)
			if answer.Code < 400 && answer.Header().Get("Content-Type") != "text/event-stream" && !strings.Contains(c[1], "wait=0") {
				t.Errorf("%s %s with %q: %d, %s", c[0], c[1], bearer, answer.Code, answer.Body)
			}
			if all := answer.Body.String() + fmt.Sprint(answer.Header()); answer.Code >= 400 && strings.Contains(all, token) {
				t.Errorf("%s %s with %q: %d, %s", c[0], c[1], bearer, answer.Code, all)
			}
		}
	}
	if strings.Contains(log.text.String(), token) || strings.Contains(log.text.String(), seat.ChannelID) {
		t.Errorf("the log has it: %s", log.text.String())
	}
}

func TestBodySizes(t *testing.T) {
	const most = 100 // octets of a message
	s, _ := newDoor(kept, Options{MaxMessageSize: most})
	seat, bearer := s.mint(t)
	post := func(body string) *httptest.ResponseRecorder {
		return s.answer("POST", pathHTTP+"/"+seat.ChannelID+"/messages", body, bearer...)
	}
	padded := func(body string, size int64) string { return body + strings.Repeat(" ", int(size)-len(body)) }
	escaped := `{"n":1,"message":"` + strings.Repeat(`\u0041`, most) + `"}`
	for _, c := range []struct {
		body   string
		status int
	}{
		{`{"n":1,"message":"` + strings.Repeat("x", most+1) + `"}`, 413},
		{`{"n":1,"message":"` + strings.Repeat("é", most/2) + `x"}`, 413}, // octets, not characters
		{padded(escaped, maxFrameV2(most)+1), 413},
		{padded(escaped, maxFrameV2(most)), 200},
		{`{"n":2,"message":"` + strings.Repeat("é", most/2) + `"}`, 200},
		{`{"n":3,"message":""}`, 200},
		{"{\"n\":4,\"message\":\"\xff\"}", 400},
	} {
		if answer := post(c.body); answer.Code != c.status || c.status == 413 && !strings.Contains(answer.Body.String(), `"reason":"message-too-big"`) {
			t.Errorf("%.60s, %d octets: %d, %s", c.body, len(c.body), answer.Code, answer.Body)
		}
	}
}

// FuzzHTTP sends requests of any form to the door. Each is answered with JSON, or a stream, of valid
// UTF-8; and whoever reads the channel over HTTP reads valid JSON.
func FuzzHTTP(f *testing.F) {
	for _, seed := range [][4]string{
		{"POST", "/messages", `{"n":1,"message":"aGVsbG8"}`, "1"},
		{"POST", "/messages", `{"n":1,"message":"\ud800 é"}`, "x"},
		{"POST", "/messages", `[]`, ""},
		{"POST", "/messages", "{\"n\":1,\"message\":\"\xff\"}", ""},
		{"POST", "/members", "", ""},
		{"GET", "/events", "", "0"},
		{"GET", "/events?after=1&wait=0", "", ""},
		{"GET", "/events?wait=-1", "", ""},
		{"DELETE", "/members/me", "", ""},
		{"DELETE", "", "", ""},
		{"OPTIONS", "/x", "", ""},
		{"GET", "//../%00", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, path, body, last string) {
		if strings.ContainsFunc(method, func(c rune) bool { return c < 'A' || c > 'Z' }) || method == "" || method == "CONNECT" {
			return // net/http lets no others through, or has its own way with them
		}
		s, _ := newDoor(relay.Limits{MaxConnections: 3, MaxExchanges: 10, Lifespan: time.Minute, ResumeTimeout: time.Minute}, Options{})
		defer s.hub.EndAll(context.Background(), relay.Shutdown, 0)
		seat, bearer := s.mint(t)
		channel := pathHTTP + "/" + seat.ChannelID
		var reader welcome
		if err := json.Unmarshal(s.answer("POST", channel+"/members", "").Body.Bytes(), &reader); err != nil {
			t.Fatal(err)
		}
		answer := s.answer(method, channel+path, body, append(bearer, "Last-Event-ID", last)...)
		text := answer.Body.Bytes()
		switch kind := answer.Header().Get("Content-Type"); {
		case answer.Code >= 300 && answer.Code < 400, answer.Code == 204: // a path that is not clean; done
		case method == "GET" && kind == "" && len(text) == 0: // a poll whose client is gone
		case kind == "text/event-stream":
			if !utf8.Valid(text) {
				t.Errorf("a stream of %q", text)
			}
		case kind == "application/json" && answer.Code < 300, kind == "application/problem+json" && answer.Code >= 400:
			if !json.Valid(text) || !utf8.Valid(text) {
				t.Errorf("%d, %q", answer.Code, text)
			}
		default:
			t.Errorf("%d, %v, %q", answer.Code, answer.Header(), text)
		}
		events := s.answerTo(t.Context(), "GET", pathHTTP+"/"+seat.ChannelID+"/events?wait=0", "", "Authorization", "Bearer "+reader.Resume)
		if text := events.Body.Bytes(); events.Code != http.StatusNotFound && (events.Code != 200 || !json.Valid(text) || !utf8.Valid(text)) {
			t.Errorf("%d, %q", events.Code, text)
		}
	})
}
