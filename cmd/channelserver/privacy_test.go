package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestPrivacy lets strangers tell the server what it must not tell others, and looks for that in
// all it writes: payload, channel ids, User-Agents, whole addresses, and what else they make up.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"default": nil, "verbose": {"--verbose"}, "debug": {"--debug"}, "human": {"--human_logs", "--debug"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, append(args, "--trusted_proxy_list=127.0.0.1", "--allowed_origins=https://pair.example", "--max_message_size=2000", "--mmdb_loc=")...)
			secrets := speakOfSecrets(p)

			shown := p.ask("/metrics") + p.ask("/debug/pprof/goroutine?debug=1") + p.ask("/debug/pprof/goroutine?debug=2") +
				p.ask("/debug/pprof/heap?debug=1") + p.ask("/debug/pprof/allocs?debug=1") + p.ask("/debug/pprof/") +
				p.ask("/debug/pprof/threadcreate?debug=1") + p.ask("/debug/pprof/block?debug=1") + p.ask("/debug/pprof/mutex?debug=1") +
				unzip(t, p.ask("/debug/pprof/heap")) + unzip(t, p.ask("/debug/pprof/goroutine")) + p.ask("/debug/pprof/trace?seconds=0.1") +
				p.get("/__heartbeat__").body + p.get("/__version__").body
			p.signal(syscall.SIGTERM)
			p.next("draining")
			p.signal(syscall.SIGTERM)
			exits0(p)
			logged := p.stdout.String() + p.stderr.String()
			for _, secret := range secrets {
				if strings.Contains(shown, secret) {
					t.Errorf("%s is in what the listeners show", secret)
				}
				if strings.Contains(logged, secret) {
					t.Errorf("%s is in the log:\n%s", secret, logged)
				}
			}
			// What may be told is told, else there would be nothing to be seen here.
			if tells := strings.Contains(logged, "198.18.77.0/24") && strings.Contains(logged, "2001:db8:77::/48") && strings.Contains(logged, "message-too-big"); tells != (args != nil) {
				t.Errorf("tells of connections: %t\n%s", tells, logged)
			}
		})
	}
}

// speakOfSecrets opens connections of all kinds and returns what only they know. One pair stays.
func speakOfSecrets(p *process) (secrets []string) {
	const (
		v4, v6  = "198.18.77.201", "2001:db8:77:1234:5678:9abc:def0:1"
		agent   = "canary-agent/1.0"
		payload = "canary-payload"
	)
	secrets = []string{v4, v6, "1234:5678:9abc", "canary"}
	know := func(c *client) *client {
		secrets = append(secrets, c.id)
		return c
	}
	a := know(p.join("/v1/ws/", "X-Forwarded-For", v4, "User-Agent", agent, "Accept-Language", "canary-language"))
	b := p.join(a.link, "X-Forwarded-For", v6, "User-Agent", agent+"\xff", "Cookie", "canary-cookie", "X-Client-Geo-Location", "canary-region,canary-city")
	talk(a, b)
	a.send(payload)
	b.hears(payload)

	other := know(p.join("/v1/ws/?canary=query", "X-Forwarded-For", v4))
	other.send(payload + strings.Repeat("x", 2000))
	other.closed(1009, "message-too-big")
	other = know(p.join("/v1/ws/", "X-Forwarded-For", v6))
	other.send(payload + "\xff")
	other.closed(1007, "bad-payload")
	know(p.join("/v1/ws/", "X-Forwarded-For", v6)).bye()
	p.refused("/v1/ws/canary-bad-id", 4001, "bad-channel-id")
	secret := "c4n4ryAAAAAAAAAAAAAAAA"
	secrets = append(secrets, secret)
	p.refused("/v1/ws/"+secret, 4004, "no-such-channel")
	p.dial("/v1/ws/", "X-Forwarded-For", "canary-address", "User-Agent", agent)
	p.dial("/v1/ws/", "Origin", "https://canary.example", "X-Forwarded-For", v4)
	p.get("/canary-path?canary")

	secrets = append(secrets, speakVersion2(p, v4, v6)...)

	// What is wrong with a header stands in no log, or is harmless there.
	for _, bad := range []string{"\r\n", "\r", "\x00", "\x1b[31m", "\xff\xfe", "\u202e\u2028", strings.Repeat("x", 40<<10)} {
		for _, name := range []string{"User-Agent", "X-Forwarded-For", "Host", "Accept-Language", "Origin", "canary"} {
			answers := p.raw(handshake + name + ": canary" + bad + "canary\r\nConnection: close\r\n\r\n")
			if _, err := answers.Peek(1); err != nil && err != io.EOF {
				p.t.Errorf("a header %s with %.20q is not answered: %v", name, bad, err)
			}
		}
	}
	return slices.Compact(secrets)
}

// speakVersion2 does the same in version 2, over WebSocket and HTTP, and returns ids and resume tokens. One
// seat that is away stays, and a stream of events.
func speakVersion2(p *process, v4, v6 string) (secrets []string) {
	const agent = "canary-agent/2.0"
	var welcome struct{ ChannelID, Resume string }
	know := func(read func(any) error) {
		p.t.Helper()
		if err := read(&welcome); err != nil || welcome.Resume == "" {
			p.t.Fatalf("no welcome: %v, %+v", err, welcome)
		}
		secrets = append(secrets, welcome.ChannelID, welcome.Resume)
	}
	say := func(c *client, frame string, args ...any) { c.send(fmt.Sprintf(frame, args...)) }

	a, _ := p.dial("/v2/ws/?canary=query", "X-Forwarded-For", v4, "User-Agent", agent)
	say(a, `{"type":"hello"}`)
	know(a.ws.ReadJSON)
	say(a, `{"type":"send","n":1,"message":"canary-payload"}`)
	say(a, `{"type":"canary-type","canary-key":1}`)
	say(a, `{"canary-no-json`)
	say(a, `{"type":"send","n":7,"message":"canary-payload"}`)
	a.ws.NetConn().Close()

	b, _ := p.dial("/v2/ws/"+welcome.ChannelID, "X-Forwarded-For", v6, "User-Agent", agent)
	say(b, `{"type":"hello","resume":%q,"after":0}`, welcome.Resume)
	know(b.ws.ReadJSON)
	say(b, `{"type":"hello","resume":"c4n4ryBAAAAAAAAAAAAAAA"}`)
	stranger, _ := p.dial("/v2/ws/"+welcome.ChannelID, "X-Forwarded-For", v6, "User-Agent", agent)
	say(stranger, `{"type":"hello","resume":"c4n4ryBAAAAAAAAAAAAAAA"}`)
	stranger.closed(4004, "no-such-channel")

	ask := func(method, path, token, body string, status int, more ...string) *http.Response {
		p.t.Helper()
		request, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.address+path, strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		request.Header.Set("X-Forwarded-For", v4)
		request.Header.Set("User-Agent", agent)
		request.Header.Set("Authorization", "Bearer "+token)
		for i := 0; i < len(more); i += 2 {
			request.Header.Set(more[i], more[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode != status {
			p.t.Fatalf("%s %s: %v, %+v; want the status %d", method, path, err, response, status)
		}
		p.t.Cleanup(func() { response.Body.Close() })
		return response
	}
	know(json.NewDecoder(ask("POST", "/v2/channels?canary=query", "canary-token", `{"canary":"body"}`, 201).Body).Decode)
	ask("POST", "/v2/channels", "canary-token", "canary-body", 400)
	channel := "/v2/channels/" + welcome.ChannelID
	ask("POST", channel+"/messages", welcome.Resume, `{"n":1,"message":"canary-payload"}`, 200)
	ask("POST", channel+"/messages", welcome.Resume, `{"n":9,"message":"canary-payload"}`, 400)
	ask("POST", channel+"/messages", welcome.Resume, `{"canary-no-json`, 400)
	ask("POST", channel+"/messages", "c4n4ryBAAAAAAAAAAAAAAA", `{"n":1,"message":"canary-payload"}`, 401)
	ask("POST", "/v2/channels/c4n4ryAAAAAAAAAAAAAAAA/members", "canary-token", "", 404)
	ask("POST", "/v2/channels/canary-bad-id/members", "canary-token", "", 400)
	ask("GET", channel+"/events", welcome.Resume, "", 400, "Last-Event-ID", "canary-event")
	ask("GET", channel+"/events?wait=canary", welcome.Resume, "", 400)
	ask("DELETE", channel+"/canary", welcome.Resume, "", 404)
	events := ask("GET", channel+"/events", welcome.Resume, "", 200, "Last-Event-ID", "0")
	if line, err := bufio.NewReader(events.Body).ReadString('\n'); err != nil {
		p.t.Errorf("the stream of events begins with %q, %v", line, err)
	}
	return append(secrets, "c4n4ryBAAAAAAAAAAAAAAA")
}

// unzip returns what is in a profile.
func unzip(t *testing.T, profile string) string {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(profile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Over TLS net/http has something to say about clients itself.
func TestPrivacyOverTLS(t *testing.T) {
	t.Parallel()
	files := newPEMPair(t)
	files.write(t, 1)
	p := start(t, "--debug", "--tls_cert="+files.cert, "--tls_key="+files.key)
	answers := p.raw("GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n")
	if text, _ := io.ReadAll(answers); !strings.Contains(string(text), "400 Bad Request") {
		t.Errorf("HTTP to an HTTPS server is answered %q", text)
	}
	line := p.next("TLS handshake error")
	hasAll(t, line, "127.0.0.0/24", `"Severity":7`)
	if strings.Contains(line, "127.0.0.1") || strings.Contains(line, "canary") {
		t.Errorf("the log tells too much: %s", line)
	}
}
