package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// injected are things that would be a line, a colour or no text in a log that took them as they are.
func injected() []string {
	return []string{
		"\r\n{\"Forged\":1}\r\n", "\n{\"Forged\":2}\n", "\r{\"Forged\":3}\r", "\x00{\"Forged\":4}", "\x1b[31m{\"Forged\":5}\x1b[0m", "\x9b31m",
		"\xff\xfe", "\xc3\x28", "\u2028{\"Forged\":6}\u2029", "\u202e\u2066", "\x7f\x08\x08", `"}}` + "\t", `\n{"Forged":7}`, "%0d%0a{\"Forged\":8}", "$(id);`id`", "%s%n%d",
	}
}

// TestInjection puts what does harm in logs into every part of a request that the server reads. It must not
// get beyond one line of the log, and is nothing but a piece of that. That all lines are good ones, launch
// checks.
func TestInjection(t *testing.T) {
	t.Parallel()
	headers := []string{
		"Accept-Language", "Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Expect", "Forwarded", "Host",
		"Last-Event-ID", "Origin", "Referer", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol",
		"Sec-WebSocket-Version", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Client-Geo-Location", "X-Forwarded-For", "X-Real-IP",
	}
	for name, args := range map[string][]string{"mozlog": {"--debug"}, "human": {"--debug", "--human_logs"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, append(args, "--trusted_proxy_list=127.0.0.1")...)
			before := names(p.series())
			var requests []string
			for _, bad := range injected() {
				escaped := strings.ReplaceAll(url.PathEscape(bad), "%25", "%")
				for _, where := range []string{
					"/" + bad, "/v1/ws/" + bad, "/v1/ws/" + escaped, "/v1/ws/?" + bad, "/v1/ws/?" + escaped, "/v1/ws/AAAAAAAAAAAAAAAAAAAAAA" + escaped,
					"/v2/ws/" + escaped, "/__version__?" + bad, "/__version__/" + escaped, "//" + escaped, "http://" + bad + "/v1/ws/",
				} {
					requests = append(requests, strings.Replace(handshake, "/v1/ws/", where, 1)+"\r\n")
				}
				for _, path := range []string{
					"POST /v2/channels/" + escaped + "/members", "GET /v2/channels/" + escaped + "/events?after=" + escaped + "&wait=" + escaped,
					"POST /v2/channels/" + escaped + "/messages", "DELETE /v2/channels/" + escaped, bad + " /", "GET / " + bad,
				} {
					requests = append(requests, path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+bad+"\r\nContent-Length: 0\r\n\r\n")
				}
				for _, header := range headers {
					requests = append(requests, handshake+header+": "+bad+"\r\n\r\n", "POST /v2/channels HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"+header+": 1"+bad+"\r\n\r\n")
				}
				requests = append(requests, handshake+bad+": x\r\n\r\n")
			}
			for _, request := range requests {
				// An answer begins with what it is; then the client goes, if the server has not.
				conn, err := p.dialRaw()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, request); err != nil {
					t.Fatal(err)
				}
				if begin := make([]byte, 5); true {
					if n, err := io.ReadFull(conn, begin); err != nil || string(begin) != "HTTP/" {
						t.Errorf("%.300q is answered %q, %v", request, begin[:n], err)
					}
				}
				conn.Close()
			}
			p.becomes("channelserver_connections", 0)
			if after := names(p.series()); !slices.Equal(before, after) {
				t.Errorf("series came or went: before %q, after %q", before, after)
			}
			p.signal(syscall.SIGTERM)
			p.next("draining")
			p.signal(syscall.SIGTERM) // seats over HTTP wait for their owners
			exits0(p)
			lines, _ := p.stdout.lines()
			if len(lines) > 2*len(requests)+10 {
				t.Errorf("%d lines for %d requests", len(lines), len(requests))
			}
			for _, line := range lines {
				if at := strings.Index(line, "Forged"); at >= 0 && at < 10 {
					t.Errorf("a line of strangers: %q", line)
				}
			}
		})
	}
}

// names returns the names of series with their labels, in order, but for those of the Go runtime.
func names(series map[string]float64) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(series)), func(name string) bool { return !strings.HasPrefix(name, "channelserver_") })
}

// However many addresses and User-Agents there are, the series stay the same.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	const strangers, clients, perWrite = 100_000, 4, 100
	p := start(t, "--trusted_proxy_list=127.0.0.1")
	for range 2 { // all kinds once, so that everything is there that comes with the first
		p.pair("X-Forwarded-For", "198.51.100.1")
		p.refused("/v1/ws/AAAAAAAAAAAAAAAAAAAAAA", 4004, "no-such-channel")
		p.refused("/v1/ws/no-id", 4001, "bad-channel-id")
	}
	before := names(p.series())
	var tasks sync.WaitGroup
	for client := range clients {
		tasks.Go(func() {
			conn, err := p.dialRaw()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			for n := 0; n < strangers/clients; n += perWrite {
				conn.SetDeadline(time.Now().Add(patience))
				var requests strings.Builder
				for i := range perWrite {
					who := client*strangers/clients + n + i
					fmt.Fprintf(&requests, "POST /v2/channels/AAAAAAAAAAAAAAAAAAAAAA/members HTTP/1.1\r\nHost: x%d\r\nX-Forwarded-For: 198.%d.%d.%d\r\nUser-Agent: agent/%d\r\nContent-Length: 0\r\n\r\n",
						who, 18+who>>16&1, who>>8&255, who&255, who)
				}
				var sending sync.WaitGroup
				sending.Go(func() { _, _ = io.WriteString(conn, requests.String()) })
				for range perWrite {
					response, err := http.ReadResponse(answers, nil)
					if err != nil || response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusTooManyRequests {
						t.Errorf("%v, %+v", err, response)
						return
					}
					_, _ = io.Copy(io.Discard, response.Body)
				}
				sending.Wait()
			}
		})
	}
	tasks.Wait()
	for n := range 200 { // some get a seat
		c := p.join("/v1/ws/", "X-Forwarded-For", fmt.Sprint("203.0.113.", n), "User-Agent", fmt.Sprint("agent/", n))
		c.bye()
	}
	after := names(p.series())
	if !slices.Equal(before, after) {
		t.Errorf("%d series have become %d: %q", len(before), len(after), after)
	}
}
