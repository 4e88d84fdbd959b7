package pairing

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// pairV2 opens a channel with two members of version 2, and reads what that brings.
func (w *world) pairV2() (a, b *client, welcomeA, welcomeB welcome) {
	w.t.Helper()
	a = w.hello("/v2/ws/", "192.0.2.1", hello, "User-Agent", "one")
	welcomeA = a.welcome()
	b = w.hello(a.link, "192.0.2.2", hello, "User-Agent", "two")
	welcomeB = b.welcome()
	a.expect(`{"type":"joined","member":2,"sender":{"ua":"two","remote":"192.0.2.2"}}`)
	return a, b, welcomeA, welcomeB
}

// says sends message n and waits for its receipt.
func (c *client) says(n, seq int, message string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"type":"send","n":%d,"message":%q}`, n, message))
	c.expect(fmt.Sprintf(`{"type":"accepted","n":%d,"seq":%d}`, n, seq))
}

// close says goodbye with a close code, and waits for the answer.
func (c *client) close(code int) {
	c.t.Helper()
	c.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
	if _, text, err := c.ws.ReadMessage(); !websocket.IsCloseError(err, code) {
		c.t.Errorf("got %q, %v; want the answer to the close", text, err)
	}
}

// A seat outlives its connection, however that ends, and is taken back.
func TestV2Resume(t *testing.T) {
	lively := Options{HeartbeatInterval: 10 * time.Second, ClientTimeout: 30 * time.Second, WriteTimeout: time.Hour}
	for name, end := range map[string]struct {
		options Options
		lose    func(t *testing.T, w *world, b *client)
		why     relay.Reason
		after   time.Duration // when the others hear of it
	}{
		"the peer goes away": {Options{}, func(_ *testing.T, _ *world, b *client) { b.close(websocket.CloseGoingAway) }, relay.Lost, 0},
		"a close without a code": {Options{}, func(_ *testing.T, _ *world, b *client) {
			b.ws.WriteMessage(websocket.CloseMessage, nil)
			b.ws.ReadMessage()
		}, relay.Lost, 0},
		"a cut": {Options{}, func(_ *testing.T, _ *world, b *client) { b.cut() }, relay.Lost, 0},
		"a cut in a frame": {Options{}, func(_ *testing.T, _ *world, b *client) {
			half := frame(finalBit|opText, `{"type":"send","n":1,"message":"never whole"}`)
			b.raw.Write(half[:len(half)-1])
			b.cut()
		}, relay.Lost, 0},
		"silence":     {lively, func(*testing.T, *world, *client) {}, relay.ClientTimeout, 30 * time.Second},
		"not reading": {Options{WriteTimeout: 7 * time.Second}, func(_ *testing.T, _ *world, b *client) { b.send(`{"type":"hello"}`) }, relay.Slow, 7 * time.Second},
		"a broken rule": {Options{}, func(_ *testing.T, _ *world, b *client) {
			b.raw.Write([]byte{finalBit | opText, 0}) // no mask
			b.closed(relay.ProtocolError)
		}, relay.ProtocolError, 0},
		"not UTF-8": {Options{}, func(_ *testing.T, _ *world, b *client) {
			b.send("\xff")
			b.closed(relay.BadPayload)
		}, relay.BadPayload, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			w := newWorld(t, kept, end.options)
			a, b, _, welcomeB := w.pairV2()
			a.says(1, 1, "before")
			b.expect(`{"type":"message","seq":1,"from":1,"message":"before"}`)
			start := time.Now()
			end.lose(t, w, b)
			a.expect(fmt.Sprintf(`{"type":"away","member":2,"reason":"%s"}`, end.why))
			if took := time.Since(start); took < end.after || took > end.after+time.Second {
				t.Errorf("told after %v, want %v", took, end.after)
			}
			a.says(2, 2, "while away")
			if end.options.ClientTimeout == 0 { // else a would be missed too
				time.Sleep(kept.ResumeTimeout - time.Nanosecond)
			}
			b = w.hello(a.link, "203.0.113.9", resume(welcomeB, 1))
			again := b.welcome()
			if again.Member != 2 || again.Resume != welcomeB.Resume || again.N != 0 || again.ChannelID != welcomeB.ChannelID {
				t.Errorf("welcomed with %+v", again)
			}
			b.expect(`{"type":"message","seq":2,"from":1,"message":"while away"}`)
			a.expect(`{"type":"back","member":2}`, `{"type":"delivered","member":2,"seq":1}`)
			b.says(1, 3, "after")
			a.expect(`{"type":"message","seq":3,"from":2,"message":"after"}`)
		})
	}
}

func TestV2SeatIsGivenUp(t *testing.T) {
	bubble(t, "after the resume timeout, exactly", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		start := time.Now()
		a.expect(`{"type":"left","member":2,"reason":"lost"}`)
		if waited := time.Since(start); waited != kept.ResumeTimeout {
			t.Errorf("given up after %v", waited)
		}
		w.hello(a.link, "192.0.2.2", resume(welcomeB, 0)).closed(relay.NoSuchChannel)
	})
	bubble(t, "at once, with a close of 1000 or leave", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.close(websocket.CloseNormalClosure)
		a.expect(`{"type":"left","member":2,"reason":"bye"}`)
		w.hello(a.link, "192.0.2.2", resume(welcomeB, 0)).closed(relay.NoSuchChannel)
		c := w.hello(a.link, "192.0.2.2", hello)
		if number := c.welcome().Member; number != 3 {
			t.Errorf("a seat has the number %d again", number)
		}
		a.expect(`{"type":"joined","member":3,"sender":{"ua":"Go-http-client/1.1","remote":"192.0.2.2"}}`)
		c.expect(`{"type":"joined","member":2,"sender":{"ua":"two","remote":"192.0.2.2"}}`, `{"type":"left","member":2,"reason":"bye"}`) // it may have sent something
		c.send(`{"type":"leave"}`)
		c.closed(relay.Bye)
		a.expect(`{"type":"left","member":3,"reason":"bye"}`)
	})
	bubble(t, "and the channel with the last", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, welcomeA, _ := w.pairV2()
		a.says(1, 1, "kept")
		b.cut()
		a.cut()
		if got := w.hub.Stats(); got.Channels != 1 || got.Connections != 0 || got.Octets == 0 {
			t.Errorf("both away: %+v", got)
		}
		time.Sleep(kept.ResumeTimeout)
		synctest.Wait()
		if got := w.hub.Stats(); got != (relay.Stats{}) {
			t.Errorf("both given up: %+v", got)
		}
		w.hello(a.link, "192.0.2.1", resume(welcomeA, 0)).closed(relay.NoSuchChannel)
	})
	bubble(t, "with the other's resume it is not", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, welcomeA, welcomeB := w.pairV2()
		a.cut()
		b.expect(`{"type":"away","member":1,"reason":"lost"}`)
		time.Sleep(kept.ResumeTimeout - time.Second)
		w.hello(b.link, "192.0.2.1", resume(welcomeA, 0)).welcome()
		b.expect(`{"type":"back","member":1}`)
		time.Sleep(kept.ResumeTimeout)
		b.cut()
		if again := w.hello(b.link, "192.0.2.2", resume(welcomeB, 0)).welcome(); len(again.Members) != 1 || !again.Members[0].Present {
			t.Errorf("welcomed with %+v", again)
		}
	})
}

func TestV2Tokens(t *testing.T) {
	limits := kept
	limits.MaxConnections = 2
	bubble(t, "only a seat's own takes it", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, welcomeA, welcomeB := w.pairV2()
		other := w.hello("/v2/ws/", "192.0.2.3", hello).welcome()
		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		for name, hello := range map[string]string{
			"no token":                "x",
			"a token of nobody":       strings.Repeat("A", 22),
			"of another channel":      other.Resume,
			"not canonical":           welcomeB.Resume[:21] + "B",
			"the id of the channel":   welcomeA.ChannelID,
			"with something after it": welcomeB.Resume + "A",
		} {
			w.hello(a.link, "192.0.2.2", fmt.Sprintf(`{"type":"hello","resume":%q}`, hello)).closed(relay.NoSuchChannel)
			if t.Failed() {
				t.Fatal(name)
			}
		}
		w.hello("/v2/ws/", "192.0.2.2", resume(welcomeB, 0)).closed(relay.NoSuchChannel)
		w.hello(other.Link, "192.0.2.2", resume(welcomeB, 0)).closed(relay.NoSuchChannel)
		w.hello(a.link, "192.0.2.2", hello).closed(relay.ChannelFull) // away seats count
		w.hello(a.link, "203.0.113.9", resume(welcomeB, 0)).welcome() // from an address not seen before
		a.expect(`{"type":"back","member":2}`)
	})
	bubble(t, "not after the end of the channel", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		a.send(`{"type":"end"}`)
		a.closed(relay.ChannelEnded)
		w.hello(a.link, "192.0.2.2", resume(welcomeB, 0)).closed(relay.NoSuchChannel)
		if got := w.hub.Stats(); got != (relay.Stats{}) {
			t.Errorf("something is kept: %+v", got)
		}
	})
	bubble(t, "a chain of connections", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, welcomeB := w.pairV2()
		for n := range 5 {
			newer := w.hello(a.link, "192.0.2.2", resume(welcomeB, n))
			newer.welcome()
			b.closed(relay.Replaced)
			b = newer
			if n > 0 {
				a.expect(fmt.Sprintf(`{"type":"delivered","member":2,"seq":%d}`, n))
			}
			a.says(n+1, n+1, "on")
			b.expect(fmt.Sprintf(`{"type":"message","seq":%d,"from":1,"message":"on"}`, n+1))
		}
	})
	bubble(t, "the replaced connection has no say", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.ws.SetCloseHandler(func(int, string) error { return nil })
		newer := w.hello(a.link, "192.0.2.2", resume(welcomeB, 0))
		newer.welcome()
		b.closed(relay.Replaced)
		b.raw.Write(frame(finalBit|opText, `{"type":"send","n":1,"message":"from the old"}`))
		b.raw.Write(frame(finalBit|opText, `{"type":"leave"}`))
		b.cut()
		newer.says(1, 1, "from the new")
		a.expect(`{"type":"message","seq":1,"from":2,"message":"from the new"}`)
	})
	bubble(t, "none is taken at a path of version 1", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		old, _, err := w.dial(pathV1+"/"+welcomeB.ChannelID, "192.0.2.2", nil)
		if err != nil {
			t.Fatal(err)
		}
		old.closed(relay.ChannelFull)
		a.send(`{"type":"leave"}`)
		a.closed(relay.Bye)
		old = w.connect(pathV1+"/"+welcomeB.ChannelID, "192.0.2.2")
		old.send(resume(welcomeB, 0)) // is a message like any other
		b = w.hello(a.link, "192.0.2.2", resume(welcomeB, 0))
		if again := b.welcome(); len(again.Members) != 1 || again.Members[0].Member != 3 {
			t.Errorf("welcomed with %+v", again)
		}
	})
}

// A seat that cannot be kept whole is ended, and its owner told when it comes back.
func TestV2Laggard(t *testing.T) {
	limits := kept
	limits.MaxLag = 5000
	big := strings.Repeat("x", 1000)
	bubble(t, "away", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		for n := 1; n <= 5; n++ {
			a.says(n, n, big)
		}
		a.send(fmt.Sprintf(`{"type":"send","n":6,"message":%q}`, big))
		a.expect(`{"type":"accepted","n":6,"seq":6}`, `{"type":"left","member":2,"reason":"missed-messages"}`)
		w.hello(a.link, "192.0.2.2", resume(welcomeB, 0)).closed(relay.MissedMessages)
		w.hello(a.link, "192.0.2.2", resume(welcomeB, 5)).closed(relay.MissedMessages)
	})
	bubble(t, "present, but not acknowledging", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, _ := w.pairV2()
		for n := 1; n <= 5; n++ {
			a.says(n, n, big)
			b.read()
		}
		a.send(fmt.Sprintf(`{"type":"send","n":6,"message":%q}`, big))
		a.expect(`{"type":"accepted","n":6,"seq":6}`, `{"type":"left","member":2,"reason":"missed-messages"}`)
		b.closed(relay.MissedMessages)
	})
	bubble(t, "who acknowledges stays", func(t *testing.T) {
		w := newWorld(t, limits, Options{})
		a, b, _, _ := w.pairV2()
		for n := 1; n <= 50; n++ {
			a.says(n, n, big)
			b.expect(fmt.Sprintf(`{"type":"message","seq":%d,"from":1,"message":%q}`, n, big))
			b.send(fmt.Sprintf(`{"type":"ack","seq":%d}`, n))
			a.expect(fmt.Sprintf(`{"type":"delivered","member":2,"seq":%d}`, n))
		}
		if held := w.hub.Stats().Octets; held > limits.MaxLag+1100 {
			t.Errorf("%d octets are held", held)
		}
	})
}

// Limits of the channel and its other ends are told to those who are present, after what was accepted before.
func TestV2Ends(t *testing.T) {
	for why, limit := range map[relay.Reason]func(*relay.Limits){
		relay.TooManyMessages: func(l *relay.Limits) { l.MaxExchanges = 2 },
		relay.TooMuchData:     func(l *relay.Limits) { l.MaxData = 7 },
	} {
		bubble(t, why.String(), func(t *testing.T) {
			limits := kept
			limit(&limits)
			w := newWorld(t, limits, Options{})
			a, b, _, welcomeB := w.pairV2()
			old := w.connect(pathV1+"/"+welcomeB.ChannelID, "192.0.2.2")
			b.read() // joined
			a.read()
			b.cut()
			a.expect(`{"type":"away","member":2,"reason":"lost"}`)
			late := w.hello(a.link, "192.0.2.2", resume(welcomeB, 0))
			late.welcome()
			a.expect(`{"type":"back","member":2}`)
			go a.raw.Write(join( // nobody else reads before the end
				frame(finalBit|opText, `{"type":"send","n":1,"message":"\u0031"}`),
				frame(finalBit|opText, `{"type":"send","n":2,"message":"\u00e9\ud83d\ude00"}`), // 6 octets
				frame(finalBit|opText, `{"type":"send","n":3,"message":"3"}`),
			))
			a.expect(`{"type":"accepted","n":1,"seq":1}`, `{"type":"accepted","n":2,"seq":2}`)
			a.closed(why)
			late.expect(`{"type":"message","seq":1,"from":1,"message":"\u0031"}`, `{"type":"message","seq":2,"from":1,"message":"\u00e9\ud83d\ude00"}`)
			late.closed(why)
			old.message()
			old.message()
			old.closed(why)
		})
	}
	bubble(t, "a warning before expiry", func(t *testing.T) {
		limits := kept
		limits.Lifespan = 5 * time.Minute
		w := newWorld(t, limits, Options{})
		start := time.Now()
		a, b, _, welcomeB := w.pairV2()
		old := w.connect(pathV1+"/"+welcomeB.ChannelID, "192.0.2.2")
		a.read() // joined
		b.read()
		a.expect(`{"type":"ending","in_ms":30000,"reason":"channel-expired"}`)
		if at := time.Since(start); at != 270*time.Second {
			t.Errorf("warned at %v", at)
		}
		b = w.hello(a.link, "192.0.2.2", resume(welcomeB, 0)) // from here on its welcome says it
		if again := b.welcome(); again.ExpiresIn != 30_000 {
			t.Errorf("welcomed with %+v", again)
		}
		a.closed(relay.ChannelExpired)
		old.closed(relay.ChannelExpired)
		b.closed(relay.ChannelExpired)
		if at := time.Since(start); at != 300*time.Second {
			t.Errorf("ended at %v", at)
		}
	})
	bubble(t, "a drain", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, welcomeA, _ := w.pairV2()
		fresh, _, err := w.dial("/v2/ws/", "192.0.2.3", nil) // upgraded before, but greeted after
		if err != nil {
			t.Fatal(err)
		}
		w.hub.Drain(time.Minute)
		for _, c := range []*client{a, b} {
			c.expect(`{"type":"ending","in_ms":60000,"reason":"restart"}`)
		}
		fresh.send(hello)
		fresh.closed(relay.Restart)
		if _, response, _ := w.dial("/v2/ws/", "192.0.2.3", nil); response == nil || response.StatusCode != 503 {
			t.Errorf("a new channel: %v", response)
		}
		a.cut()
		b.expect(`{"type":"away","member":1,"reason":"lost"}`)
		w.hello(b.link, "192.0.2.1", resume(welcomeA, 0)).welcome()
		b.expect(`{"type":"back","member":1}`)
		go w.hub.EndAll(context.Background(), relay.Restart, 0)
		b.closed(relay.Restart)
	})
}
