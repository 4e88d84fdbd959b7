package pairing

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/admission"
	"channelserver/relay"
)

// guarded starts a server with a guard.
func guarded(t *testing.T, limits relay.Limits, bounds admission.Limits) *world {
	t.Helper()
	var w *world
	w = newWorld(t, limits, Options{Guard: admission.New(admission.Options{
		Limits: bounds,
		Holds: func() admission.Holdings {
			stats := w.hub.Stats()
			return admission.Holdings{Channels: stats.Channels, Kept: stats.Octets}
		},
	})})
	return w
}

// turnedAway opens a WebSocket that is to be refused before the upgrade.
func (w *world) turnedAway(status int, retryAfter, detail, path, from string, header http.Header) {
	w.t.Helper()
	_, response, err := w.dial(path, from, header)
	if err != websocket.ErrBadHandshake {
		w.t.Fatalf("%s from %s is let in: %v", path, from, err)
	}
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != status || response.Header.Get("Retry-After") != retryAfter || !strings.Contains(string(body), detail) {
		w.t.Errorf("%d, Retry-After %q: %s; want %d, %s: %s", response.StatusCode, response.Header.Get("Retry-After"), body, status, retryAfter, detail)
	}
}

const nowhere = "/AAAAAAAAAAAAAAAAAAAAAA"

func TestQuotasAtTheDoors(t *testing.T) {
	for _, path := range []string{"/v1/ws/", "/v2/ws/"} {
		bubble(t, "openings at "+path, func(t *testing.T) {
			w := guarded(t, kept, admission.Limits{OpeningsPerMinute: 3})
			for range 3 {
				if _, _, err := w.dial(path, "192.0.2.1", nil); err != nil {
					t.Fatal(err)
				}
			}
			w.turnedAway(429, "20", "too many channels", path, "192.0.2.1", nil)
			w.turnedAway(429, "20", "too many channels", path, "10.0.0.1", http.Header{"X-Forwarded-For": {"192.0.2.1"}}) // who it really is
			w.connect("/v1/ws/", "192.0.2.2")
			time.Sleep(20 * time.Second)
			w.connect("/v1/ws/", "192.0.2.1")
			w.turnedAway(429, "20", "too many channels", path, "192.0.2.1", nil)
		})
		bubble(t, "connections at "+path, func(t *testing.T) {
			w := guarded(t, kept, admission.Limits{Connections: 2})
			a, b := w.connect("/v1/ws/", "192.0.2.1"), w.connect("/v1/ws/", "192.0.2.1")
			w.turnedAway(429, "10", "too many connections", path, "192.0.2.1", nil)
			w.turnedAway(429, "10", "too many connections", strings.TrimSuffix(path, "/")+nowhere, "192.0.2.1", nil)
			b.raw.Close() // its place is free again, however it ends
			time.Sleep(time.Second)
			w.connect(a.link, "192.0.2.1")
			w.turnedAway(429, "10", "too many connections", path, "192.0.2.1", nil)
		})
		bubble(t, "wrong ids at "+path, func(t *testing.T) {
			w := guarded(t, kept, admission.Limits{WrongIDsPerMinute: 3})
			open := w.connect("/v1/ws/", "192.0.2.1")
			for _, wrong := range []string{nowhere, "/x", nowhere} {
				c, _, err := w.dial(strings.TrimSuffix(path, "/")+wrong, "192.0.2.1", nil)
				if err != nil {
					t.Fatal(err)
				}
				if wrong == "/x" {
					c.closed(relay.BadChannelID)
					continue
				}
				if path == "/v2/ws/" {
					c.send(hello)
				}
				c.closed(relay.NoSuchChannel)
			}
			w.turnedAway(429, "20", "do not exist", strings.TrimSuffix(path, "/")+nowhere, "192.0.2.1", nil)
			w.turnedAway(429, "20", "do not exist", strings.TrimSuffix(path, "/")+"/x", "192.0.2.1", nil)
			w.connect(open.link, "192.0.2.1") // whoever knows an id is let in, whatever its neighbours do
		})
	}
	bubble(t, "wrong tokens in version 2", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{WrongIDsPerMinute: 2})
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		token := a.welcome()
		for range 2 {
			wrong := token
			wrong.Resume = nowhere[1:]
			w.hello(token.Link, "192.0.2.1", resume(wrong, 0)).closed(relay.NoSuchChannel)
		}
		w.turnedAway(429, "30", "do not exist", "/v2/ws"+nowhere, "192.0.2.1", nil)
		w.hello(token.Link, "192.0.2.1", resume(token, 0)).welcome()
	})
}

// Health checks of the operator's own proxies, and loopback, have no quota; clients that a proxy fails to name
// have one for all of them.
func TestWhoHasNoQuota(t *testing.T) {
	for _, c := range []struct {
		name, from string
		header     http.Header
		exempt     bool
	}{
		{"loopback", "127.0.0.1", nil, true},
		{"a trusted proxy's own", "10.0.0.1", nil, true},
		{"through a proxy that names nobody", "10.0.0.1", http.Header{"X-Forwarded-For": {"nobody"}}, false},
		{"through another proxy that names nobody", "10.0.0.2", http.Header{"X-Forwarded-For": {""}}, false},
		{"a stranger", "192.0.2.1", nil, false},
		{"a stranger who claims to be at home", "192.0.2.1", http.Header{"X-Forwarded-For": {"127.0.0.1"}}, false},
	} {
		bubble(t, c.name, func(t *testing.T) {
			w := guarded(t, kept, admission.Limits{OpeningsPerMinute: 1})
			for i := range 3 {
				_, response, err := w.dial("/v1/ws/", c.from, c.header)
				if (err == nil) != (i == 0 || c.exempt) {
					t.Errorf("attempt %d: %v, %v", i+1, err, response)
				}
			}
			if !c.exempt && c.header != nil && c.from != "192.0.2.1" {
				w.turnedAway(429, "60", "too many channels", "/v1/ws/", "10.9.9.9", http.Header{"X-Forwarded-For": {"?"}})
			}
		})
	}
}

func TestQuotasOverHTTP(t *testing.T) {
	const tooMany = `"title":"Too Many Requests","status":429`
	bubble(t, "openings", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{OpeningsPerMinute: 2})
		a := w.post("/v2/channels", "192.0.2.1")
		w.post("/v2/channels", "192.0.2.1")
		a.want(429, tooMany, "POST", "/v2/channels", "")
		response := a.open("POST", "/v2/channels", "")
		response.Body.Close()
		if got := response.Header; got.Get("Retry-After") != "30" || got.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v", got)
		}
		w.turnedAway(429, "30", "too many channels", "/v1/ws/", "192.0.2.1", nil) // one quota for all doors
		a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`)
	})
	bubble(t, "connections", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{Connections: 2})
		a, b := w.post("/v2/channels", "192.0.2.1"), w.post("/v2/channels", "192.0.2.1")
		first := a.open("GET", a.channel("/events"), "")
		second := b.open("GET", b.channel("/events"), "")
		defer second.Body.Close()
		a.want(429, tooMany, "GET", a.channel("/events"), "")
		w.turnedAway(429, "10", "too many connections", "/v1/ws/", "192.0.2.1", nil)
		a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`) // holds no connection
		first.Body.Close()
		time.Sleep(time.Second)
		a.want(200, `[]`, "GET", a.channel("/events?wait=0"), "")
		a.want(200, `[]`, "GET", a.channel("/events?wait=0"), "") // each gives its place back
	})
	bubble(t, "wrong ids and tokens", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{WrongIDsPerMinute: 5})
		a := w.post("/v2/channels", "192.0.2.1")
		stranger := &seat{w: w, client: a.client, welcome: welcome{ChannelID: a.ChannelID, Resume: nowhere[1:]}}
		stranger.want(401, "Bearer", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`)
		stranger.want(401, "Bearer", "GET", a.channel("/events"), "")
		stranger.want(404, "no-such-channel", "POST", pathHTTP+nowhere+"/members", "")
		stranger.want(404, "no-such-channel", "DELETE", pathHTTP+nowhere, "")
		stranger.want(400, "bad-channel-id", "GET", pathHTTP+"/x/events", "")
		for _, path := range []string{a.channel("/messages"), pathHTTP + nowhere + "/members", pathHTTP + nowhere + "/messages", pathHTTP + "/x/members"} {
			stranger.want(429, tooMany, "POST", path, "{}")
		}
		stranger.want(429, tooMany, "GET", a.channel("/events"), "")
		stranger.want(429, tooMany, "DELETE", pathHTTP+nowhere+"/members/me", "")
		w.turnedAway(429, "12", "do not exist", "/v1/ws"+nowhere, "192.0.2.1", nil)
		a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`) // who knows the secrets goes on
		a.want(200, "[]", "GET", a.channel("/events?wait=0"), "")
	})
}

// At the bounds of the server no channel is opened, and those that live go on and may be joined.
func TestServerBounds(t *testing.T) {
	bubble(t, "channels", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{TotalChannels: 2})
		a, b := w.connect("/v1/ws/", "192.0.2.1"), w.post("/v2/channels", "192.0.2.2")
		w.turnedAway(503, "5", "all the channels", "/v1/ws/", "192.0.2.3", nil)
		w.turnedAway(503, "5", "all the channels", "/v2/ws/", "192.0.2.3", nil)
		b.want(503, `"status":503`, "POST", "/v2/channels", "")
		peer := w.connect(a.link, "192.0.2.4")
		a.send("hello")
		if got := peer.message(); got != "hello" {
			t.Errorf("got %q", got)
		}
		b.want(204, "", "DELETE", b.channel(""), "")
		w.connect("/v1/ws/", "192.0.2.3")
	})
	bubble(t, "kept octets", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{TotalKept: 1000})
		a := w.post("/v2/channels", "192.0.2.1")
		a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"`+strings.Repeat("x", 900)+`"}`)
		w.turnedAway(503, "5", "all the messages", "/v2/ws/", "192.0.2.3", nil)
		w.post(a.channel("/members"), "192.0.2.4")
		a.want(204, "", "DELETE", a.channel(""), "")
		w.connect("/v1/ws/", "192.0.2.3")
	})
	bubble(t, "connections", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{TotalConnections: 2})
		a := w.connect("/v1/ws/", "192.0.2.1")
		w.connect(a.link, "192.0.2.2")
		w.turnedAway(503, "5", "all the connections", a.link, "192.0.2.3", nil)
	})
	bubble(t, "a handshake that fails gives its place back", func(t *testing.T) {
		w := guarded(t, kept, admission.Limits{TotalConnections: 1, TotalChannels: 1})
		for range 3 {
			conn, err := w.dialer("192.0.2.1")(context.Background(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			go io.WriteString(conn, "GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n\r\n")
			if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 426 ") {
				t.Errorf("%s", answer)
			}
			conn.Close()
		}
		w.connect("/v1/ws/", "192.0.2.1")
	})
}

// Ids that never were, that have ended and that have expired are answered with the same octets, at every
// door. They take the same time too, since they are the same to the code: none is in the table of channels,
// and nothing remembers that it was.
func TestWrongIDsLookTheSame(t *testing.T) {
	limits := kept
	limits.Lifespan = time.Minute
	bubble(t, "all doors", func(t *testing.T) {
		w := guarded(t, limits, admission.Limits{})
		ended, expired := w.post("/v2/channels", "192.0.2.1"), w.post("/v2/channels", "192.0.2.1")
		ended.want(204, "", "DELETE", ended.channel(""), "")
		time.Sleep(time.Hour)
		const upgrade = "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		const plain = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n"
		date := regexp.MustCompile("Date: .*\r\n")
		for name, format := range map[string]string{
			"/v1/ws":                  fmt.Sprintf(upgrade, "/v1/ws/%s"),
			"/v2/ws":                  fmt.Sprintf(upgrade, "/v2/ws/%s") + string(frame(0x81, hello)),
			"POST members":            "POST /v2/channels/%s/members" + plain,
			"GET events":              "GET /v2/channels/%s/events" + plain,
			"POST messages":           "POST /v2/channels/%s/messages" + plain,
			"DELETE members/me":       "DELETE /v2/channels/%s/members/me" + plain,
			"DELETE the channel":      "DELETE /v2/channels/%s" + plain,
			"/v2/ws, with a token":    fmt.Sprintf(upgrade, "/v2/ws/%s") + string(frame(0x81, resume(ended.welcome, 0))),
			"/v2/ws, another's token": fmt.Sprintf(upgrade, "/v2/ws/%s") + string(frame(0x81, resume(expired.welcome, 0))),
		} {
			var answers []string
			for _, s := range []welcome{{ChannelID: nowhere[1:], Resume: nowhere[1:]}, ended.welcome, expired.welcome} {
				conn, err := w.dialer("192.0.2.1")(context.Background(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				request := strings.Replace(strings.Replace(format, "%s", s.ChannelID, 1), "%s", s.Resume, 1)
				go io.WriteString(conn, request)
				answer, _ := io.ReadAll(conn)
				conn.Close()
				answers = append(answers, date.ReplaceAllString(string(answer), ""))
			}
			if !strings.Contains(answers[0], "no-such-channel") || answers[1] != answers[0] || answers[2] != answers[0] {
				t.Errorf("%s: never was:\n%q\nended:\n%q\nexpired:\n%q", name, answers[0], answers[1], answers[2])
			}
		}
		if stats := w.hub.Stats(); stats != (relay.Stats{}) {
			t.Errorf("wrong ids have left %+v", stats)
		}
	})
}
