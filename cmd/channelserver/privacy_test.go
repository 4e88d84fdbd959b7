package main

import (
	"io"
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
