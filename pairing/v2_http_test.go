package pairing

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"channelserver/relay"
)

// A seat is a member of version 2 over plain HTTP.
type seat struct {
	w      *world
	client *http.Client
	welcome
}

// ask makes a request and returns the status and the body.
func (s *seat) ask(method, path, body string) (int, string) {
	s.w.t.Helper()
	response := s.open(method, path, body)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (s *seat) open(method, path, body string) *http.Response {
	s.w.t.Helper()
	request, err := http.NewRequest(method, "http://relay.test"+path, strings.NewReader(body))
	if err != nil {
		s.w.t.Fatal(err)
	}
	if s.Resume != "" {
		request.Header.Set("Authorization", "Bearer "+s.Resume)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return response
}

// channel returns the path of something in the member's channel.
func (s *seat) channel(what string) string { return pathHTTP + "/" + s.ChannelID + what }

// post takes a seat from an address.
func (w *world) post(path, from string) *seat {
	w.t.Helper()
	s := &seat{w: w, client: &http.Client{Transport: &http.Transport{DialContext: w.dialer(from), DisableKeepAlives: true}}}
	status, body := s.ask("POST", path, "")
	if err := json.Unmarshal([]byte(body), &s.welcome); status != 201 || err != nil || s.Type != "welcome" {
		w.t.Fatalf("%d: %s", status, body)
	}
	return s
}

// want checks an answer.
func (s *seat) want(status int, part, method, path, body string) {
	s.w.t.Helper()
	if gotStatus, got := s.ask(method, path, body); gotStatus != status || !strings.Contains(got, part) {
		s.w.t.Errorf("%s %s: %d %s, want %d %s", method, path, gotStatus, got, status, part)
	}
}

func TestV2OverHTTP(t *testing.T) {
	bubble(t, "a pairing by long polls", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		a.want(200, `{"type":"accepted","n":1,"seq":1}`, "POST", a.channel("/messages"), `{"n":1,"message":"hello"}`)
		a.want(200, `{"type":"accepted","n":1,"seq":1}`, "POST", a.channel("/messages"), `{"n":1,"message":"hello"}`)
		b := w.post(a.channel("/members"), "192.0.2.2")
		b.want(200, `[{"type":"message","seq":1,"from":1,"message":"hello"}]`, "GET", b.channel("/events?wait=10"), "")
		start := time.Now()
		b.want(200, `[]`, "GET", b.channel("/events?after=1&wait=10"), "")
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("the poll took %v", waited)
		}
		a.want(200, `{"type":"delivered","member":2,"seq":1}]`, "GET", a.channel("/events?wait=10"), "")
		a.want(200, `[]`, "GET", a.channel("/events?wait=10"), "")
		b.want(403, `creator`, "DELETE", b.channel(""), "")
		b.want(204, ``, "DELETE", b.channel("/members/me"), "")
		b.want(401, `Bearer`, "GET", b.channel("/events"), "")
		a.want(204, ``, "DELETE", a.channel(""), "")
		a.want(404, `"reason":"no-such-channel"`, "POST", a.channel("/messages"), `{"n":2,"message":"x"}`)
	})
	bubble(t, "more exchanges are asked for", func(t *testing.T) {
		limits := kept
		limits.MaxExchanges, limits.MaxExchangesAsked = 1, 2
		w := newWorld(t, limits, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		a.want(201, `"max_exchanges":1,`, "POST", "/v2/channels", `{}`)
		a.want(201, `"max_exchanges":2,`, "POST", "/v2/channels", `{"max_exchanges":5}`)
		a.want(400, `"reason":"bad-payload"`, "POST", "/v2/channels", `{"max_exchanges":-1}`)
		a.want(400, `"reason":"bad-payload"`, "POST", "/v2/channels", `max`)
	})
	bubble(t, "a stream beside a WebSocket", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		response := a.open("GET", a.channel("/events"), "")
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		expect := func(parts ...string) {
			t.Helper()
			for _, part := range parts {
				if !lines.Scan() || !strings.Contains(lines.Text(), part) {
					t.Fatalf("got %q, %v; want %s", lines.Text(), lines.Err(), part)
				}
			}
		}
		expect("retry: 1000", `data: {"type":"welcome",`, "")
		b := w.hello("/v2/ws/"+a.ChannelID, "192.0.2.2", hello)
		b.welcome()
		expect(`data: {"type":"joined","member":2,`, "")
		b.send(`{"type":"send","n":1,"message":"hi"}`)
		b.expect(`{"type":"accepted","n":1,"seq":1}`)
		expect("id: 1", `data: {"type":"message","seq":1,"from":2,"message":"hi"}`, "")
		expect(":", "") // after a while
		a.want(204, "", "DELETE", a.channel(""), "")
		expect("event: close", `data: {"code":4015,"reason":"channel-ended"}`, "")
		if lines.Scan() {
			t.Errorf("more after the end: %s", lines.Text())
		}
		b.closed(relay.ChannelEnded)
	})
	bubble(t, "what is refused", func(t *testing.T) {
		limits := kept
		limits.MaxConnections, limits.MaxExchanges = 2, 1
		w := newWorld(t, limits, Options{MaxMessageSize: 10})
		a := w.post("/v2/channels", "192.0.2.1")
		for _, c := range []struct {
			status             int
			part               string
			method, path, body string
		}{
			{400, "bad-payload", "POST", a.channel("/messages"), `nonsense`},
			{400, "bad-payload", "POST", a.channel("/messages"), `[]`},
			{400, "from 1", "POST", a.channel("/messages"), `{"message":"x"}`},
			{400, "1 comes next", "POST", a.channel("/messages"), `{"n":2,"message":"x"}`},
			{400, "string", "POST", a.channel("/messages"), `{"n":1,"message":null}`},
			{413, "message-too-big", "POST", a.channel("/messages"), `{"n":1,"message":"01234567890"}`},
			{413, "message-too-big", "POST", a.channel("/messages"), strings.Repeat(" ", 2000)},
			{400, "bad-payload", "GET", a.channel("/events?after=x"), ``},
			{400, "bad-payload", "GET", a.channel("/events?wait=x"), ``},
			{400, "bad-channel-id", "GET", pathHTTP + "/x/events", ``},
			{404, "no-such-channel", "GET", pathHTTP + "/AAAAAAAAAAAAAAAAAAAAAA/events", ``},
			{404, "no-such-channel", "POST", pathHTTP + "/AAAAAAAAAAAAAAAAAAAAAA/members", ``},
			{404, "no such resource", "GET", "/v2/channels", ``},
			{404, "no such resource", "PUT", a.channel(""), ``},
		} {
			a.want(c.status, c.part, c.method, c.path, c.body)
		}
		stranger := &seat{w: w, client: a.client, welcome: welcome{ChannelID: a.ChannelID, Resume: "AAAAAAAAAAAAAAAAAAAAAA"}}
		stranger.want(401, "Bearer", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`)
		w.post(a.channel("/members"), "192.0.2.2")
		a.want(409, "channel-full", "POST", a.channel("/members"), "")
		a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`)
		a.want(410, "too-many-messages", "POST", a.channel("/messages"), `{"n":2,"message":"x"}`)
		a.want(404, "no-such-channel", "GET", a.channel("/events"), "")
		w.hub.Drain(0)
		a.want(503, "restart", "POST", "/v2/channels", "")
		time.Sleep(time.Second) // net/http lingers over the body that was too large
	})
}

func TestCrossOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		patterns                []string
		method, origin, allowed string
		status                  int
	}{
		"any":         {nil, "POST", "https://example.com", "*", 201},
		"listed":      {[]string{"https://example.com"}, "POST", "https://example.com", "https://example.com", 201},
		"preflight":   {[]string{"https://example.com"}, "OPTIONS", "https://example.com", "https://example.com", 204},
		"not listed":  {[]string{"https://example.com"}, "POST", "https://example.org", "", 403},
		"not listed,": {[]string{"https://example.com"}, "OPTIONS", "https://example.org", "", 403},
		"no origin":   {[]string{"https://example.com"}, "POST", "", "", 201},
	} {
		bubble(t, name, func(t *testing.T) {
			w := newWorld(t, kept, Options{AllowedOrigins: c.patterns})
			client := http.Client{Transport: &http.Transport{DialContext: w.dialer("192.0.2.1"), DisableKeepAlives: true}}
			request, err := http.NewRequest(c.method, "http://relay.test/v2/channels", bytes.NewReader(nil))
			if err != nil {
				t.Fatal(err)
			}
			if c.origin != "" {
				request.Header.Set("Origin", c.origin)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != c.status || got != c.allowed {
				t.Errorf("%d, %q", response.StatusCode, got)
			}
			if c.method == "OPTIONS" && c.status == 204 && !strings.Contains(response.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
				t.Error("the preflight does not allow Authorization")
			}
		})
	}
}
