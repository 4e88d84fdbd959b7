package pairing

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// bubble runs a test in which time is made by synctest.
func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestRelay(t *testing.T) {
	bubble(t, "envelope", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		a.send("  hello \n")
		if got, want := b.read(), `{"message":"hello","sender":{"ua":"one","remote":"192.0.2.1"}}`; got != want {
			t.Errorf("b got %s, want %s", got, want)
		}
		b.send(`"quoted" \ <ü>`)
		if got, want := a.read(), `{"message":"\"quoted\" \\ <ü>","sender":{"ua":"two","remote":"192.0.2.2"}}`; got != want {
			t.Errorf("a got %s, want %s", got, want)
		}
	})
	bubble(t, "to all others and never back", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		c := w.connect(a.link, "192.0.2.1")
		a.send("from a")
		b.send("from b")
		for name, got := range map[string]string{"a": a.message(), "b": b.message()} {
			if want := map[string]string{"a": "from b", "b": "from a"}[name]; got != want {
				t.Errorf("%s got %q, want %q", name, got, want)
			}
		}
		if first, second := c.message(), c.message(); first == second {
			t.Errorf("c got %q twice", first)
		}
	})
	bubble(t, "channels are apart", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		c, d := w.pair()
		if a.link == c.link {
			t.Fatal("two channels have one id")
		}
		a.send("one")
		c.send("two")
		if got := b.message() + " " + d.message(); got != "one two" {
			t.Errorf("got %q", got)
		}
	})
	bubble(t, "both paths mint", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		w.connect("/v1/ws", "192.0.2.1")
		w.connect("/v1/ws/", "192.0.2.1")
		if got := w.hub.Stats().Channels; got != 2 {
			t.Errorf("%d channels, want 2", got)
		}
	})
	bubble(t, "fragments are joined, pings may come between", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		a.raw.Write(frame(opText, "hel"))
		a.raw.Write(frame(finalBit|opPing, "?"))
		a.raw.Write(frame(opContinuation, ""))
		a.raw.Write(frame(finalBit|opContinuation, "lo"))
		if got := b.message(); got != "hello" {
			t.Errorf("got %q", got)
		}
	})
	bubble(t, "binary messages are ignored and counted", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxExchanges: 1}, Options{})
		a, b := w.pair()
		a.ws.WriteMessage(websocket.BinaryMessage, []byte("binary"))
		a.send("text")
		if got := b.message(); got != "text" || w.counts.binary != 1 {
			t.Errorf("got %q, counted %d", got, w.counts.binary)
		}
	})
	bubble(t, "a member that leaves does not end the others", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		b.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "done"))
		if _, _, err := b.ws.ReadMessage(); !websocket.IsCloseError(err, 1000) {
			t.Errorf("the close was not answered: %v", err)
		}
		synctest.Wait()
		if why := w.counts.last(); why != relay.Bye {
			t.Errorf("it left with %s", why)
		}
		c := w.connect(a.link, "192.0.2.2")
		a.send("again")
		if got := c.message(); got != "again" {
			t.Errorf("got %q", got)
		}
	})
	bubble(t, "a burst keeps its order", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		const n = 100
		go func() {
			for i := range n {
				a.send(fmt.Sprint(i))
			}
		}()
		for i := range n {
			if got := b.message(); got != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, got)
			}
		}
		synctest.Wait()
		if held := w.hub.Stats().Octets; held != 0 {
			t.Errorf("%d octets are held though all is read", held)
		}
	})
}

func TestLimits(t *testing.T) {
	bubble(t, "exchanges", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxExchanges: 10}, Options{})
		a, b := w.pair()
		for i := range 10 {
			a.send(fmt.Sprint(i))
			if got := b.message(); got != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, got)
			}
		}
		b.send("one too many")
		a.closed(relay.TooManyMessages)
		b.closed(relay.TooManyMessages)
	})
	bubble(t, "data", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxData: 10}, Options{})
		a, b := w.pair()
		a.send("12345")
		a.send(" äöx ") // 5 octets, the spaces aside
		a.send("1")
		for _, want := range []string{"12345", "äöx"} {
			if got := b.message(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		a.closed(relay.TooMuchData)
		b.closed(relay.TooMuchData)
	})
	bubble(t, "lifespan counts from creation, whatever is sent", func(t *testing.T) {
		w := newWorld(t, relay.Limits{Lifespan: 5 * time.Minute}, Options{HeartbeatInterval: 10 * time.Second, ClientTimeout: 30 * time.Second})
		start := time.Now()
		a, b := w.pair()
		var reading sync.WaitGroup
		reading.Go(func() { a.closed(relay.ChannelExpired) }) // and answers pings meanwhile
		go func() {
			for range 4 {
				time.Sleep(time.Minute)
				a.send("still here")
			}
		}()
		for range 4 {
			b.message()
		}
		b.closed(relay.ChannelExpired)
		if lived := time.Since(start); lived != 5*time.Minute {
			t.Errorf("the channel lived %v", lived)
		}
		late, _, err := w.dial(a.link, "192.0.2.1", nil)
		if err != nil {
			t.Fatal(err)
		}
		late.closed(relay.NoSuchChannel)
		reading.Wait()
	})
	bubble(t, "message size", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{MaxMessageSize: 8})
		a, b := w.pair()
		a.send("12345678")
		if got := b.message(); got != "12345678" {
			t.Errorf("got %q", got)
		}
		a.raw.Write(frame(opText, "12345"))
		go a.raw.Write(frame(opContinuation, "6789"))
		a.closed(relay.MessageTooBig)
		b.send("I am still here")
	})
	bubble(t, "seats and addresses", func(t *testing.T) {
		w := newWorld(t, relay.Limits{MaxConnections: 3}, Options{})
		a, b := w.pair()
		refused := func(from string, why relay.Reason) {
			t.Helper()
			c, _, err := w.dial(a.link, from, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.closed(why)
		}
		refused("192.0.2.3", relay.AddressRefused)
		w.connect(a.link, "192.0.2.2")
		refused("192.0.2.2", relay.ChannelFull)
		a.send("nobody was disturbed")
		b.message()
	})
	bubble(t, "ids", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		for path, why := range map[string]relay.Reason{
			"/v1/ws/AAAAAAAAAAAAAAAAAAAAAA":  relay.NoSuchChannel,
			"/v1/ws/AAAAAAAAAAAAAAAAAAAAAB":  relay.BadChannelID, // not canonical
			"/v1/ws/AAAAAAAAAAAAAAAAAAAAA":   relay.BadChannelID,
			"/v1/ws/AAAAAAAAAAAAAAAAAAAAAA/": relay.BadChannelID,
			"/v1/ws/a/b":                     relay.BadChannelID,
			"/v1/ws/%00":                     relay.BadChannelID,
		} {
			c, _, err := w.dial(path, "192.0.2.1", nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			c.closed(why)
		}
		if got := w.hub.Stats(); got != (relay.Stats{}) {
			t.Errorf("something was made: %+v", got)
		}
	})
}

func TestPayload(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		base64 bool
		why    relay.Reason
	}{
		"UTF-8":                  {"pâté \u2028 \x00 \U0001F600", false, relay.None},
		"cut character":          {"caf\xc3", false, relay.BadPayload},
		"surrogate":              {"\xed\xa0\x80", false, relay.BadPayload},
		"base64url":              {"aBc_-9", true, relay.None},
		"base64url, padded":      {"aBc_-w==", true, relay.None},
		"base64":                 {"aBc+", true, relay.BadPayload},
		"base64url in two lines": {"aBc_\naBc_", true, relay.BadPayload},
		"one character":          {"a", true, relay.BadPayload},
		"prose":                  {"hello there", true, relay.BadPayload},
	} {
		bubble(t, name, func(t *testing.T) {
			w := newWorld(t, relay.Limits{}, Options{RequireBase64: c.base64})
			a, b := w.pair()
			go a.raw.Write(frame(finalBit|opText, c.text))
			if c.why != relay.None {
				a.closed(c.why)
				b.send("I am still here")
				return
			}
			if got := b.message(); got != c.text {
				t.Errorf("got %q, want %q", got, c.text)
			}
		})
	}
}

func TestBeforeTheUpgrade(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{AllowedOrigins: []string{"https://example.com"}})
		a := w.connect("/v1/ws/", "192.0.2.1", "Origin", "https://example.com")
		client := http.Client{Transport: &http.Transport{DialContext: w.dialer("192.0.2.1"), DisableKeepAlives: true}}
		status := func(method string, header ...string) int {
			t.Helper()
			request, err := http.NewRequest(method, "http://relay.test/v1/ws/", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(header); i += 2 {
				request.Header.Set(header[i], header[i+1])
			}
			if request.Header.Get("Content-Length") != "" {
				request.Body, request.ContentLength = io.NopCloser(strings.NewReader("x")), 1
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode == http.StatusUpgradeRequired && response.Header.Get("Upgrade")+response.Header.Get("Sec-Websocket-Version") == "" {
				t.Error("426 does not say to what")
			}
			return response.StatusCode
		}
		upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version", "13"}
		for _, c := range []struct {
			name, method string
			header       []string
			want         int
		}{
			{"no upgrade", "GET", nil, 426},
			{"HEAD", "HEAD", nil, 426},
			{"another protocol", "GET", []string{"Connection", "Upgrade", "Upgrade", "h2c"}, 426},
			{"POST", "POST", upgrade, 405},
			{"a body", "GET", append(upgrade[:8:8], "Content-Length", "1"), 400},
			{"another version", "GET", append(upgrade[:6:6], "Sec-WebSocket-Version", "8"), 426},
			{"a bad key", "GET", append(upgrade[:4:4], "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "short"), 400},
			{"another origin", "GET", append(upgrade[:8:8], "Origin", "https://example.org"), 403},
		} {
			if got := status(c.method, c.header...); got != c.want {
				t.Errorf("%s: %d, want %d", c.name, got, c.want)
			}
		}
		w.hub.Drain(0)
		if got := status("GET", upgrade...); got != 503 {
			t.Errorf("a new channel while draining: %d, want 503", got)
		}
		b := w.connect(a.link, "192.0.2.2")
		a.send("living channels go on")
		b.message()
		if got := w.hub.Stats(); got.Channels != 1 || got.Connections != 2 {
			t.Errorf("something was made: %+v", got)
		}
	})
}

// A client need not wait for the answer to its handshake.
func TestFramesBehindTheHandshake(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a := w.connect("/v1/ws/", "192.0.2.1")
		conn, err := w.dialer("192.0.2.2")(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.Copy(io.Discard, conn)
		conn.Write(append([]byte("GET "+a.link+" HTTP/1.1\r\nHost: relay.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"), join(frame(finalBit|opText, "one"), frame(finalBit|opText, "two"))...))
		if got := a.message() + " " + a.message(); got != "one two" {
			t.Errorf("got %q", got)
		}
	})
}

func TestCompressionIsNotNegotiated(t *testing.T) {
	bubble(t, "asked for", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		conn, err := w.dialer("192.0.2.1")(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET /v1/ws/ HTTP/1.1\r\nHost: relay.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != 101 || response.Header.Get("Sec-Websocket-Extensions") != "" {
			t.Errorf("%v, %v", response, err)
		}
	})
}

func TestEndAll(t *testing.T) {
	bubble(t, "restart", func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		go w.hub.EndAll(context.Background(), relay.Restart, 0)
		a.closed(relay.Restart)
		b.closed(relay.Restart)
	})
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":           `""`,
		"aBc_-":      `"aBc_-"`,
		"a\"b\\c":    `"a\"b\\c"`,
		"a\x00\nb":   `"a\u0000\nb"`,
		"<&>":        `"<&>"`,
		"ü\u2028":    `"ü\u2028"`,
		"\U0001F600": `"` + "\U0001F600" + `"`,
		"\x7f":       `"` + "\x7f" + `"`,
	} {
		if got := string(appendQuoted(nil, text)); got != want && !strings.EqualFold(got, want) {
			t.Errorf("appendQuoted(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestOriginAllowed(t *testing.T) {
	patterns := []string{"https://example.com", "https://*.example.org", "https://*.example.net:8443", "null"}
	for origin, want := range map[string]bool{
		"https://example.com":            true,
		"HTTPS://Example.com":            true,
		"http://example.com":             false,
		"https://example.com:444":        false,
		"https://www.example.com":        false,
		"https://example.com.evil.test":  false,
		"https://a.example.org":          true,
		"https://a.b.example.org":        true,
		"https://example.org":            false,
		"https://.example.org":           false,
		"https://evilexample.org":        false,
		"https://a.example.org:444":      false,
		"https://evil.test/.example.org": false,
		"https://evil@a.example.org":     false,
		"https://a.example.net:8443":     true,
		"https://a.example.net":          false,
		"null":                           true,
		"":                               false,
	} {
		if got := OriginAllowed(patterns, []string{origin}); got != want {
			t.Errorf("OriginAllowed(%q) = %v", origin, got)
		}
	}
	if !OriginAllowed(nil, []string{"null"}) || !OriginAllowed(patterns, nil) || OriginAllowed(patterns, []string{"https://example.com", "https://evil.test"}) {
		t.Error("no patterns, no origin, or two origins")
	}
}

// Each octet is judged by itself, wherever it is.
func TestBare(t *testing.T) {
	for c := range 256 {
		want := ' ' <= c && c <= '~' && c != '"' && c != '\\'
		for at := range 19 {
			text := bytes.Repeat([]byte(" "), 19)
			text[at] = byte(c)
			if isBare(text) != want {
				t.Errorf("an octet %#x at %d: %t", c, at, !want)
			}
		}
	}
}
