package pairing

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// refused reads an error frame, which must have this reason and speak of all this.
func (c *client) refused(why relay.Reason, parts ...string) {
	c.t.Helper()
	text := c.read()
	var frame struct{ Type, Reason, Detail string }
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Type != "error" || frame.Reason != why.String() {
		c.t.Errorf("got %s, want an error %s", text, why)
	}
	if len(frame.Detail) > 100 {
		c.t.Errorf("the detail has %d octets", len(frame.Detail))
	}
	for _, part := range parts {
		if !strings.Contains(frame.Detail, part) {
			c.t.Errorf("the error %q does not speak of %q", frame.Detail, part)
		}
	}
}

func TestV2Errors(t *testing.T) {
	const limit = 20
	for _, c := range []struct {
		name, frame string
		base64      bool
		why         relay.Reason
		part        string
	}{
		{"no JSON", `nonsense`, false, relay.BadPayload, "JSON"},
		{"nothing", ``, false, relay.BadPayload, "JSON"},
		{"half an object", `{"type":"send","n":1`, false, relay.BadPayload, "JSON"},
		{"two objects", `{"type":"leave"}{"type":"leave"}`, false, relay.BadPayload, "JSON"},
		{"an array", `[{"type":"leave"}]`, false, relay.BadPayload, "object"},
		{"a string", `"leave"`, false, relay.BadPayload, "object"},
		{"null at the top", ` null`, false, relay.BadPayload, "object"},
		{"a seq that is no number", `{"type":"ack","seq":"1"}`, false, relay.BadPayload, `"seq" must not be a string`},
		{"a number of many digits", `{"type":"ack","seq":` + strings.Repeat("1", 150) + `}`, false, relay.BadPayload, "number 11111"},
		{"a deep nest", strings.Repeat(`[`, 1100), false, relay.BadPayload, ""},
		{"a type that is no string", `{"type":7}`, false, relay.BadPayload, ""},
		{"no n", `{"type":"send","message":"x"}`, false, relay.BadPayload, "from 1"},
		{"n of zero", `{"type":"send","n":0,"message":"x"}`, false, relay.BadPayload, "from 1"},
		{"n below zero", `{"type":"send","n":-1,"message":"x"}`, false, relay.BadPayload, "-1"},
		{"half an n", `{"type":"send","n":1.5,"message":"x"}`, false, relay.BadPayload, "1.5"},
		{"a gap", `{"type":"send","n":3,"message":"x"}`, false, relay.BadPayload, `3, but 2 comes next`},
		{"the greatest n", `{"type":"send","n":18446744073709551615,"message":"x"}`, false, relay.BadPayload, `18446744073709551615, but 2`},
		{"a greater n", `{"type":"send","n":18446744073709551616,"message":"x"}`, false, relay.BadPayload, "18446744073709551616"},
		{"no message", `{"type":"send","n":2}`, false, relay.BadPayload, `"message"`},
		{"null", `{"type":"send","n":2,"message":null}`, false, relay.BadPayload, `"message"`},
		{"a number", `{"type":"send","n":2,"message":7}`, false, relay.BadPayload, `"message"`},
		{"an object", `{"type":"send","n":2,"message":{}}`, false, relay.BadPayload, `"message"`},
		{"too large", `{"type":"send","n":2,"message":"012345678901234567890"}`, false, relay.MessageTooBig, "21 octets; 20"},
		{"too large when read", `{"type":"send","n":2,"message":"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"}`, false, relay.MessageTooBig, "22 octets; 20"},
		{"not base64", `{"type":"send","n":2,"message":"a+b/"}`, true, relay.BadPayload, "base64"},
		{"a second hello", hello, false, relay.ProtocolError, "already"},
		{"end by another", `{"type":"end"}`, false, relay.ProtocolError, "creator"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			w := newWorld(t, kept, Options{MaxMessageSize: limit, RequireBase64: c.base64})
			a, b, _, _ := w.pairV2()
			b.says(1, 1, "base64_-")
			a.expect(`{"type":"message","seq":1,"from":2,"message":"base64_-"}`)
			b.send(c.frame)
			b.refused(c.why, c.part)
			b.says(2, 2, "on") // nothing of it was stored, and the connection lives
			a.expect(`{"type":"message","seq":2,"from":2,"message":"on"}`)
		})
	}
}

func TestV2Hello(t *testing.T) {
	bubble(t, "comes first", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", `{"type":"future"}`)
		for _, frame := range []string{`{"type":"send","n":1,"message":"x"}`, `{"type":"ack","seq":1}`, `{"type":"leave"}`, `{"type":"end"}`} {
			a.send(frame)
			a.refused(relay.ProtocolError, "hello")
		}
		if got := w.hub.Stats(); got != (relay.Stats{}) {
			t.Errorf("something was made: %+v", got)
		}
		a.send(hello)
		a.welcome()
	})
	bubble(t, "within 10 s", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		start := time.Now()
		a := w.hello("/v2/ws/", "192.0.2.1", `{"type":"future"}`)
		late := w.hello("/v2/ws/", "192.0.2.1", `{"type":"future"}`)
		for range 9 { // frames that are no hello earn no time
			time.Sleep(time.Second)
			a.send(`{"type":"future"}`)
		}
		time.Sleep(time.Second - 1)
		late.send(hello)
		synctest.Wait()
		a.closed(relay.ClientTimeout)
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("closed after %v", waited)
		}
		late.welcome()
		time.Sleep(10 * time.Second)
		late.says(1, 1, "it stays")
	})
	bubble(t, "may be the last word", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, _, err := w.dial("/v2/ws/", "192.0.2.1", nil)
		if err != nil {
			t.Fatal(err)
		}
		a.cut()
		time.Sleep(helloTimeout)
		synctest.Wait()
		if why := w.counts.all(); len(why) != 1 || why[0] != relay.Lost {
			t.Errorf("closed: %v", why)
		}
	})
	bubble(t, "ids", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		for path, why := range map[string]relay.Reason{
			"/v2/ws/AAAAAAAAAAAAAAAAAAAAAA":  relay.NoSuchChannel,
			"/v2/ws/AAAAAAAAAAAAAAAAAAAAAB":  relay.BadChannelID, // not canonical
			"/v2/ws/AAAAAAAAAAAAAAAAAAAAAA/": relay.BadChannelID,
			"/v2/ws/a/b":                     relay.BadChannelID,
		} {
			c, _, err := w.dial(path, "192.0.2.1", nil)
			if err != nil {
				t.Fatal(err)
			}
			if why == relay.NoSuchChannel {
				c.send(hello)
			}
			c.closed(why)
		}
		if got := w.hub.Stats(); got != (relay.Stats{}) {
			t.Errorf("something was made: %+v", got)
		}
	})
}

// Types and keys that this version does not know are for later versions to use.
func TestV2Unknown(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", `{"later":[{}],"type":"hello","type2":null}`)
		a.welcome()
		for _, frame := range []string{`{}`, `{"type":null}`, `{"type":""}`, `{"type":"future","later":1e999}`, `{"type":"future","n":"x","seq":-1}`, `{"type":"Send","n":1,"message":"x"}`, ` {"type":"welcome"} `} {
			a.send(frame)
		}
		a.ws.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"leave"}`))
		a.send("\n{ \"message\" : \"x\" , \"n\":1, \"later\":{\"type\":\"leave\"},\t\"type\":\"s\\u0065nd\" }\n")
		a.expect(`{"type":"accepted","n":1,"seq":1}`)
		if w.counts.binary != 1 {
			t.Errorf("%d binary messages were counted", w.counts.binary)
		}
	})
}

// A message that is sent again is answered again, and stored once.
func TestV2Repeats(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		limits := kept
		limits.MaxExchanges = 4
		w := newWorld(t, limits, Options{})
		a, b, _, welcomeB := w.pairV2()
		b.says(1, 1, "one")
		a.expect(`{"type":"message","seq":1,"from":2,"message":"one"}`)
		a.says(1, 2, "two")
		b.read()
		b.says(2, 3, "three")
		for range 5 { // they do not count as exchanges
			b.says(1, 1, "one")
			b.says(2, 3, "something else")
		}
		b.cut()
		b = w.hello(a.link, "192.0.2.2", resume(welcomeB, 2))
		b.welcome()
		b.says(2, 3, "three")
		b.says(3, 4, "four")
		a.expect(
			`{"type":"message","seq":3,"from":2,"message":"three"}`,
			`{"type":"away","member":2,"reason":"lost"}`,
			`{"type":"back","member":2}`,
			`{"type":"message","seq":4,"from":2,"message":"four"}`,
			`{"type":"delivered","member":2,"seq":2}`,
		)
		b.says(3, 4, "four") // also when no more would be carried
	})
}

// A message is passed on as its sender spelled it, which is JSON for every reader.
func TestV2Spellings(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b, _, welcomeB := w.pairV2()
		old := w.connect("/v1/ws/"+welcomeB.ChannelID, "192.0.2.1", "User-Agent", "old")
		a.read() // joined
		b.read()
		for i, spelling := range []string{
			`""`, `" x "`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, "\"\U0001F600\"", `"\/\b\f\n\r\t\"\\"`, `"\u0000\u001f"`,
			"\"\u007f\u2028\u2029\"", `"<script>&"`, `"\u003cscript\u003e"`, `"{\"type\":\"left\"}"`,
		} {
			a.send(fmt.Sprintf(`{"type":"send","n":%d,"message": %s }`, i+1, spelling))
			a.expect(fmt.Sprintf(`{"type":"accepted","n":%d,"seq":%d}`, i+1, i+1))
			b.expect(fmt.Sprintf(`{"type":"message","seq":%d,"from":1,"message":%s}`, i+1, spelling))
			if got, want := old.read(), `{"message":`+spelling+`,"sender":{"ua":"one","remote":"192.0.2.1"}}`; got != want {
				t.Errorf("version 1 got %s, want %s", got, want)
			}
		}
		old.send(`\u0041 "é"`)
		b.expect(`{"type":"message","seq":14,"from":3,"message":"\\u0041 \"é\""}`)
	})
}

// A frame has room for a message of the greatest size, however it is spelled, and for little more.
func TestV2FrameSize(t *testing.T) {
	const limit = 1000
	if maxFrameV2(0) < 1<<62 {
		t.Error("frames are bounded where messages are not")
	}
	bubble(t, "all", func(t *testing.T) {
		w := newWorld(t, kept, Options{MaxMessageSize: limit})
		a, b, _, welcomeB := w.pairV2()
		spelling := strings.Repeat(`\u0041`, limit)
		b.send(`{"type":"send","n":1,"message":"` + spelling + `"}`)
		b.expect(`{"type":"accepted","n":1,"seq":1}`)
		a.expect(`{"type":"message","seq":1,"from":2,"message":"` + spelling + `"}`)
		most := int(maxFrameV2(limit))
		b.send(`{}` + strings.Repeat(" ", most-2))
		b.says(2, 2, "on")
		a.expect(`{"type":"message","seq":2,"from":2,"message":"on"}`)
		header := frame(opText, strings.Repeat(" ", most))
		go b.raw.Write(append(header, frame(finalBit|opContinuation, " ")...))
		b.closed(relay.MessageTooBig)
		a.expect(`{"type":"away","member":2,"reason":"message-too-big"}`)
		w.hello(a.link, "192.0.2.2", resume(welcomeB, 0)).welcome()
	})
}
