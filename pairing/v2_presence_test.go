package pairing

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/geo"
	"channelserver/geo/geotest"
	"channelserver/relay"
)

// What happened is told in the order in which it happened, also to who was away meanwhile.
func TestV2PresenceOrder(t *testing.T) {
	bubble(t, "between messages", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.says(1, 1, "one")
		c := w.hello(a.link, "192.0.2.1", hello, "User-Agent", "three")
		welcomeC := c.welcome()
		if got := string(marshal(welcomeC.Members)); got != `[{"member":1,"sender":{"ua":"one","remote":"192.0.2.1"},"present":true},{"member":2,"sender":{"ua":"two","remote":"192.0.2.2"},"present":true}]` {
			t.Errorf("members: %s", got)
		}
		b.expect(`{"type":"joined","member":3,"sender":{"ua":"three","remote":"192.0.2.1"}}`)
		b.says(2, 2, "two")
		b.close(websocket.CloseGoingAway)
		c.expect(`{"type":"message","seq":1,"from":2,"message":"one"}`, `{"type":"message","seq":2,"from":2,"message":"two"}`, `{"type":"away","member":2,"reason":"lost"}`)
		c.says(1, 3, "three")
		b = w.hello(a.link, "192.0.2.2", resume(welcomeB, 0))
		again := b.welcome()
		if got := string(marshal(again.Members)); again.N != 2 || got != `[{"member":1,"sender":{"ua":"one","remote":"192.0.2.1"},"present":true},{"member":3,"sender":{"ua":"three","remote":"192.0.2.1"},"present":true}]` {
			t.Errorf("n %d, members: %s", again.N, got)
		}
		b.expect(`{"type":"message","seq":3,"from":3,"message":"three"}`)
		b.says(3, 4, "four")
		b.send(`{"type":"leave"}`)
		b.closed(relay.Bye)
		a.expect(
			`{"type":"message","seq":1,"from":2,"message":"one"}`,
			`{"type":"joined","member":3,"sender":{"ua":"three","remote":"192.0.2.1"}}`,
			`{"type":"message","seq":2,"from":2,"message":"two"}`,
			`{"type":"away","member":2,"reason":"lost"}`,
			`{"type":"message","seq":3,"from":3,"message":"three"}`,
			`{"type":"back","member":2}`,
			`{"type":"message","seq":4,"from":2,"message":"four"}`,
			`{"type":"left","member":2,"reason":"bye"}`,
		)
	})
	bubble(t, "to a joiner, only what its welcome does not say", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, welcomeA, _ := w.pairV2()
		a.says(1, 1, "one")
		b.expect(`{"type":"message","seq":1,"from":1,"message":"one"}`)
		a.cut()
		b.expect(`{"type":"away","member":1,"reason":"lost"}`)
		c := w.hello(b.link, "192.0.2.2", hello)
		if again := c.welcome(); again.Members[0].Present || !again.Members[1].Present {
			t.Errorf("welcomed with %+v", again)
		}
		c.expect(`{"type":"message","seq":1,"from":1,"message":"one"}`)
		w.hello(b.link, "192.0.2.1", resume(welcomeA, 0)).welcome()
		c.expect(`{"type":"back","member":1}`)
	})
	bubble(t, "a receipt before the end of a seat", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, _, _ := w.pairV2()
		a.says(1, 1, "one")
		b.read()
		b.raw.Write(join(frame(finalBit|opText, `{"type":"ack","seq":1}`), frame(finalBit|opText, `{"type":"leave"}`)))
		a.expect(`{"type":"delivered","member":2,"seq":1}`, `{"type":"left","member":2,"reason":"bye"}`)
	})
	bubble(t, "a receipt and the end of a seat, to who was away", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, welcomeA, _ := w.pairV2()
		a.says(1, 1, "one")
		b.read()
		a.cut()
		b.expect(`{"type":"away","member":1,"reason":"lost"}`)
		b.send(`{"type":"ack","seq":1}`)
		b.send(`{"type":"leave"}`)
		b.closed(relay.Bye)
		a = w.hello(a.link, "192.0.2.1", resume(welcomeA, 0))
		if again := a.welcome(); len(again.Members) != 0 {
			t.Errorf("welcomed with %+v", again)
		}
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"two","remote":"192.0.2.2"}}`, `{"type":"delivered","member":2,"seq":1}`, `{"type":"left","member":2,"reason":"bye"}`)
	})
	bubble(t, "acknowledging what has not been sent", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, _, _ := w.pairV2()
		b.send(`{"type":"ack","seq":18446744073709551615}`)
		a.says(1, 1, "one")
		b.expect(`{"type":"message","seq":1,"from":1,"message":"one"}`)
		b.send(`{"type":"ack","seq":18446744073709551615}`)
		a.expect(`{"type":"delivered","member":2,"seq":1}`)
		b.send(`{"type":"ack","seq":0}`) // changes nothing
		a.says(2, 2, "two")
		b.expect(`{"type":"message","seq":2,"from":1,"message":"two"}`)
	})
}

// locate gives a world places.
func (w *world) locate() {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "places.mmdb")
	geotest.Write(w.t, path)
	database, err := geo.Open(path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server.locator.Database = database
}

// Place names are in the language of who reads them, wherever the sender comes from.
func TestV2Places(t *testing.T) {
	munich := map[string]string{"de": `"city":"München","region":"Bayern","country":"Deutschland"`, "fr": `"city":"Munich","region":"Bavière","country":"Allemagne"`, "en": `"city":"Munich","region":"Bavaria","country":"Germany"`}
	bubble(t, "readers", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		w.locate()
		a := w.hello("/v2/ws/", "192.0.2.1", hello, "User-Agent", "a", "Accept-Language", "fr-CH, de;q=0.5")
		if self := string(a.welcome().Self); self != `{"ua":"a","remote":"192.0.2.1",`+munich["fr"]+`}` {
			t.Errorf("self: %s", self)
		}
		// Behind two proxies, of which the first is trusted and the second is the client's own word.
		b := w.hello(a.link, "10.0.0.1", hello, "User-Agent", "b", "Accept-Language", "de", "X-Forwarded-For", "198.51.100.7, 192.0.2.77, 10.1.1.1")
		welcomeB := b.welcome()
		if got := string(marshal(welcomeB.Members)); got != `[{"member":1,"sender":{"ua":"a","remote":"192.0.2.1",`+munich["de"]+`},"present":true}]` {
			t.Errorf("members: %s", got)
		}
		if self := string(welcomeB.Self); self != `{"ua":"b","remote":"192.0.2.77",`+munich["de"]+`}` {
			t.Errorf("self: %s", self)
		}
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"b","remote":"192.0.2.77",` + munich["fr"] + `}}`)
		b.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		b = w.hello(a.link, "203.0.113.9", resume(welcomeB, 0), "Accept-Language", "xx") // it reads another language now
		if got := string(marshal(b.welcome().Members)); !strings.Contains(got, munich["en"]) {
			t.Errorf("members: %s", got)
		}
		a.expect(`{"type":"back","member":2}`)
	})
	bubble(t, "with a member of version 1", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		w.locate()
		a := w.hello("/v2/ws/", "192.0.2.1", hello, "User-Agent", "a", "Accept-Language", "fr")
		id := a.welcome().ChannelID
		old := w.connect("/v1/ws/"+id, "192.0.2.2", "User-Agent", "old", "Accept-Language", "de")
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"old","remote":"192.0.2.2",` + munich["fr"] + `}}`)
		a.says(1, 1, "one")
		if got, want := old.read(), `{"message":"one","sender":{"ua":"a","remote":"192.0.2.1",`+munich["fr"]+`}}`; got != want { // the sender's language
			t.Errorf("got %s, want %s", got, want)
		}
	})
	bubble(t, "never in the sender's language instead", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		w.locate()
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		a.welcome()
		w.hello(a.link, "198.51.100.200", hello, "User-Agent", "b", "Accept-Language", "ja").welcome() // the city has a name in ja only
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"b","remote":"198.51.100.200","region":"Nara","country":"Japan"}}`)
	})
	bubble(t, "from a proxy, in whatever language it has", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		w.locate()
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		a.welcome()
		w.hello(a.link, "10.0.0.1", hello, "User-Agent", "b", "X-Forwarded-For", "203.0.113.5", "X-Client-Geo-Location", "ZH,Zürich").welcome()
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"b","remote":"203.0.113.5","city":"Zürich","region":"ZH","country":"Switzerland"}}`)
	})
}

// Members of version 1 are shown, and never sent a frame of version 2.
func TestV2BesideV1(t *testing.T) {
	bubble(t, "every frame", func(t *testing.T) {
		limits := kept
		limits.Lifespan = 5 * time.Minute
		w := newWorld(t, limits, Options{})
		old := w.connect("/v1/ws/", "192.0.2.1", "User-Agent", "old")
		_, id, _ := strings.Cut(old.link, pathV1)
		old.send("before any seat of version 2: nobody keeps it")
		synctest.Wait() // until it has arrived
		b := w.hello("/v2/ws"+id, "192.0.2.2", hello, "User-Agent", "new")
		welcomeB := b.welcome()
		if got := string(marshal(welcomeB.Members)); welcomeB.Member != 2 || got != `[{"member":1,"sender":{"ua":"old","remote":"192.0.2.1"},"present":true}]` {
			t.Errorf("member %d, members %s", welcomeB.Member, got)
		}
		old.send(" from the old \n")
		b.expect(`{"type":"message","seq":2,"from":1,"message":"from the old"}`)
		b.send(`{"type":"ack","seq":2}`)
		b.send(`{"type":"nonsense"}`)
		b.send(`nonsense`)
		b.read()
		b.cut()
		old.send("while away")
		b = w.hello("/v2/ws"+id, "192.0.2.2", resume(welcomeB, 2))
		b.welcome()
		b.expect(`{"type":"message","seq":3,"from":1,"message":"while away"}`)
		b.send(`{"type":"end"}`) // it is not the creator
		b.expect(`{"type":"error","reason":"protocol-error","detail":"only the creator of the channel may end it"}`)
		c := w.hello("/v2/ws"+id, "192.0.2.2", hello)
		c.welcome()
		b.expect(`{"type":"joined","member":3,"sender":{"ua":"Go-http-client/1.1","remote":"192.0.2.2"}}`)
		c.send(`{"type":"leave"}`)
		b.expect(`{"type":"left","member":3,"reason":"bye"}`)
		b.says(1, 4, "\u00e9")
		want := `{"message":"é","sender":{"ua":"new","remote":"192.0.2.2"}}`
		if got := old.read(); got != want || wellFormedV1([]byte(got)) != nil { // and it has got nothing else
			t.Errorf("got %s, want %s", got, want)
		}
		b.expect(`{"type":"ending","in_ms":30000,"reason":"channel-expired"}`)
		b.closed(relay.ChannelExpired)
		old.closed(relay.ChannelExpired)
	})
	bubble(t, "it leaves with its connection", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		id := a.welcome().ChannelID
		for n := 2; n < 4; n++ {
			old := w.connect("/v1/ws/"+id, "192.0.2.1", "User-Agent", "old")
			a.read() // joined
			old.cut()
			a.expect(`{"type":"left","member":` + string(rune('0'+n)) + `,"reason":"lost"}`)
		}
	})
	bubble(t, "alone with a kept message", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		id := a.welcome().ChannelID
		a.says(1, 1, "early")
		old := w.connect("/v1/ws/"+id, "192.0.2.2")
		a.read() // joined
		a.says(2, 2, "live")
		if got := old.message(); got != "live" {
			t.Errorf("got %q", got)
		}
		c := w.hello("/v2/ws/"+id, "192.0.2.2", hello)
		c.welcome()
		c.expect(`{"type":"message","seq":1,"from":1,"message":"early"}`, `{"type":"message","seq":2,"from":1,"message":"live"}`)
	})
}
