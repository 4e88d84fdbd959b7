package pairing

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// kept are the limits that tests of version 2 begin with.
var kept = relay.Limits{ResumeTimeout: 5 * time.Minute}

// hello opens a connection of version 2 and says hello in the given words.
func (w *world) hello(path, from, hello string, header ...string) *client {
	w.t.Helper()
	h := make(map[string][]string)
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = []string{header[i+1]}
	}
	c, _, err := w.dial(path, from, h)
	if err != nil {
		w.t.Fatal(err)
	}
	c.send(hello)
	return c
}

const hello = `{"type":"hello"}`

// welcome reads a welcome, which must come next.
func (c *client) welcome() (frame welcome) {
	c.t.Helper()
	text := c.read()
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Type != "welcome" {
		c.t.Fatalf("want a welcome, got %s", text)
	}
	c.link = frame.Link
	return frame
}

// expect reads frames, which must be these.
func (c *client) expect(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		if got := c.read(); got != want {
			c.t.Errorf("got %s, want %s", got, want)
		}
	}
}

// cut ends the connection without a word.
func (c *client) cut() {
	c.raw.Close()
	synctest.Wait()
}

func resume(w welcome, after int) string {
	return fmt.Sprintf(`{"type":"hello","resume":%q,"after":%d}`, w.Resume, after)
}

func TestV2(t *testing.T) {
	bubble(t, "a pairing", func(t *testing.T) {
		limits := kept
		limits.Lifespan = 5 * time.Minute
		w := newWorld(t, limits, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", hello, "User-Agent", "one")
		welcomeA := a.welcome()
		if welcomeA.Member != 1 || welcomeA.ExpiresIn != 300_000 || len(welcomeA.Members) != 0 || welcomeA.N != 0 || string(welcomeA.Self) != `{"ua":"one","remote":"192.0.2.1"}` {
			t.Errorf("%+v", welcomeA)
		}
		a.send(`{"type":"send","n":1,"message":"early \u00e9"}`)
		a.expect(`{"type":"accepted","n":1,"seq":1}`)
		b := w.hello(a.link, "192.0.2.2", hello, "User-Agent", "two")
		welcomeB := b.welcome()
		if got := string(marshal(welcomeB.Members)); got != `[{"member":1,"sender":{"ua":"one","remote":"192.0.2.1"},"present":true}]` {
			t.Errorf("members: %s", got)
		}
		b.expect(`{"type":"message","seq":1,"from":1,"message":"early \u00e9"}`)
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"two","remote":"192.0.2.2"}}`)
		b.send(`{"type":"ack","seq":1}`)
		a.expect(`{"type":"delivered","member":2,"seq":1}`)
		b.send(`{"type":"send","n":1,"message":"answer"}`)
		b.expect(`{"type":"accepted","n":1,"seq":2}`)
		a.expect(`{"type":"message","seq":2,"from":2,"message":"answer"}`)

		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		a.send(`{"type":"send","n":2,"message":"while away"}`)
		a.expect(`{"type":"accepted","n":2,"seq":3}`)
		b = w.hello(a.link, "203.0.113.9", resume(welcomeB, 1))
		if again := b.welcome(); again.Member != 2 || again.N != 1 || again.Resume != welcomeB.Resume {
			t.Errorf("%+v", again)
		}
		a.expect(`{"type":"back","member":2}`)
		b.expect(`{"type":"message","seq":3,"from":1,"message":"while away"}`)
		b.send(`{"type":"send","n":1,"message":"answer"}`)
		b.expect(`{"type":"accepted","n":1,"seq":2}`)

		newer := w.hello(a.link, "192.0.2.2", resume(welcomeB, 3))
		newer.welcome()
		b.closed(relay.Replaced)
		newer.send(`{"type":"leave"}`)
		newer.closed(relay.Bye)
		a.expect(`{"type":"delivered","member":2,"seq":3}`, `{"type":"left","member":2,"reason":"bye"}`)
		a.send(`{"type":"end"}`)
		a.closed(relay.ChannelEnded)
	})
	bubble(t, "more exchanges are asked for", func(t *testing.T) {
		limits := kept
		limits.MaxExchanges, limits.MaxExchangesAsked = 1, 2
		w := newWorld(t, limits, Options{})
		for frame, want := range map[string]int{
			hello: 1, `{"type":"hello","max_exchanges":1000}`: 2, `{"type":"hello","max_exchanges":18446744073709551615}`: 2,
		} {
			a := w.hello("/v2/ws/", "192.0.2.1", frame)
			if got := a.welcome().Limits.MaxExchanges; got != want {
				t.Errorf("%s: the limit is %d, want %d", frame, got, want)
			}
			for n := range want {
				a.send(fmt.Sprintf(`{"type":"send","n":%d,"message":""}`, n+1))
				a.expect(fmt.Sprintf(`{"type":"accepted","n":%d,"seq":%d}`, n+1, n+1))
			}
			a.send(fmt.Sprintf(`{"type":"send","n":%d,"message":""}`, want+1))
			a.closed(relay.TooManyMessages)
		}
	})
	bubble(t, "with a member of version 1", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		id := a.welcome().ChannelID
		a.send(`{"type":"send","n":1,"message":"not for the old"}`)
		a.expect(`{"type":"accepted","n":1,"seq":1}`)
		b := w.connect("/v1/ws/"+id, "192.0.2.2")
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"Go-http-client/1.1","remote":"192.0.2.2"}}`)
		a.send(`{"type":"send","n":2,"message":"é"}`)
		a.expect(`{"type":"accepted","n":2,"seq":2}`)
		if got := b.message(); got != "é" {
			t.Errorf("got %q", got)
		}
		b.send("from the old")
		a.expect(`{"type":"message","seq":3,"from":2,"message":"from the old"}`)
		b.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""))
		a.expect(`{"type":"left","member":2,"reason":"bye"}`)
	})
}
