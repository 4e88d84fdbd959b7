package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/client"
	"channelserver/pairing"
)

// TestCloses tells the closes after which the seat is taken back from those that are the end.
func TestCloses(t *testing.T) {
	for code, final := range map[int]bool{
		1000: true, 1002: true, 1007: true, 1008: true, 1009: true, 4001: true, 4004: true, 4008: true, 4009: true,
		4011: true, 4012: true, 4013: true, 4014: true, 4015: true, 4016: true,
		1001: false, 1011: false, 1012: false, 1013: false, 4010: false,
	} {
		bubble(t, fmt.Sprint(code), func(t *testing.T) {
			var w *network
			w = newFake(t, func(path string, ws *websocket.Conn) {
				first := w.dials.Load() == 1
				want := `{"type":"hello"}`
				if !first {
					want = `{"type":"hello","resume":"1QIfY8OAA8TSmsSLBgcZ0w","after":0}`
				}
				if got := hear(ws); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				say(ws, welcome)
				if first {
					hang(ws, code, "why")
				} else {
					say(ws, `{"type":"message","seq":1,"from":2,"message":"again"}`)
					hear(ws)
				}
			})
			c := create(t, w.dialer(), place)
			if final {
				ended(t, c, code, "why")
			} else {
				e, err := c.Receive(context.Background())
				lost, ok := e.(client.Reconnecting)
				closed, _ := errors.AsType[*client.CloseError](lost.Cause)
				if err != nil || !ok || closed == nil || closed.Code != code {
					t.Errorf("got %#v, %v", e, err)
				}
				expect(t, c, client.Resumed{}, client.Message{Seq: 1, From: 2, Text: "again"})
			}
			c.Close()
			if dials := w.dials.Load(); final != (dials == 1) {
				t.Errorf("%d connections", dials)
			}
		})
	}
}

// TestGoodbye looks at the close frame that a server gets.
func TestGoodbye(t *testing.T) {
	for _, test := range []struct {
		version, code int
		end           func(*client.Channel) error
	}{
		{1, websocket.CloseNormalClosure, (*client.Channel).Close},
		{1, websocket.CloseNormalClosure, func(c *client.Channel) error { return c.Leave(context.Background()) }},
		{2, websocket.CloseGoingAway, (*client.Channel).Close}, // 1000 would give the seat up
	} {
		bubble(t, fmt.Sprint(test.version, " ", test.code), func(t *testing.T) {
			w := newFake(t, func(_ string, ws *websocket.Conn) {
				if test.version == 1 {
					say(ws, `{"link":"/v1/ws/`+fakeID+`","channelid":"`+fakeID+`"}`)
				} else {
					hear(ws)
					say(ws, welcome)
				}
				if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, test.code) {
					t.Errorf("got %v, want the close %d", err, test.code)
				}
			})
			d := w.dialer()
			d.Version = test.version
			if err := test.end(create(t, d, place)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		})
	}
}

// TestLeaveUnanswered leaves a server of version 1 that goes on as if nothing had happened.
func TestLeaveUnanswered(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			ws.SetCloseHandler(func(int, string) error { return nil })
			say(ws, `{"link":"/v1/ws/`+fakeID+`","channelid":"`+fakeID+`"}`)
			for ws.WriteMessage(websocket.TextMessage, []byte(`{"message":"a"}`)) == nil {
				time.Sleep(time.Second)
			}
		})
		d := w.dialer()
		d.Version = 1
		c := create(t, d, place)
		start := time.Now()
		if err := c.Leave(context.Background()); err != nil {
			t.Error(err)
		}
		if after := time.Since(start); after > 5*time.Second {
			t.Errorf("after %v", after)
		}
	})
}

func TestSilence(t *testing.T) {
	bubble(t, "a server that answers pings lives", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		c := create(t, w.dialer(), place)
		time.Sleep(time.Hour)
		send(t, c, "still there", 1)
		if dials := w.dials.Load(); dials != 1 {
			t.Errorf("%d connections", dials)
		}
	})
	bubble(t, "a server that does not is left", func(t *testing.T) {
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			ws.SetPingHandler(func(string) error { return nil })
			hear(ws)
			say(ws, welcome)
			hear(ws)
		})
		start := time.Now()
		c := create(t, w.dialer(), place)
		lost(t, c)
		if after := time.Since(start); after < time.Minute || after > time.Minute+200*time.Millisecond {
			t.Errorf("after %v", after)
		}
	})
	bubble(t, "a server that does not read is left", func(t *testing.T) {
		var w *network
		over := make(chan struct{})
		defer close(over)
		w = newFake(t, func(_ string, ws *websocket.Conn) {
			hear(ws)
			say(ws, welcome)
			if w.dials.Load() == 1 {
				<-over
				return
			}
			hear(ws)
			say(ws, `{"type":"accepted","n":1,"seq":1}`)
			hear(ws)
		})
		c := create(t, w.dialer(), place)
		start := time.Now()
		send(t, c, "hello?", 1)
		if after := time.Since(start); after < 20*time.Second || after > 23*time.Second {
			t.Errorf("after %v", after)
		}
		lost(t, c)
	})
}

func TestReconnect(t *testing.T) {
	bubble(t, "pauses grow, and end with the channel", func(t *testing.T) {
		limits := kept
		limits.Lifespan = 5 * time.Minute
		w, _ := newWorld(t, limits, pairing.Options{})
		c := create(t, w.dialer(), place)
		start := time.Now()
		w.down.Store(true)
		w.cut()
		e, err := c.Receive(context.Background())
		if _, ok := e.(client.Reconnecting); !ok || err != nil {
			t.Errorf("got %#v, %v", e, err)
		}
		ended(t, c, 4008, "channel-expired")
		if after := time.Since(start); after != 5*time.Minute {
			t.Errorf("after %v", after)
		}
		// The pauses reach 10 s after some ten attempts, and last 5 s on average then.
		if dials := w.dials.Load(); dials < 30 || dials > 120 {
			t.Errorf("%d attempts", dials)
		}
	})
	bubble(t, "a welcome alone does not shorten them", func(t *testing.T) {
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			hear(ws)
			say(ws, welcome)
		})
		c := create(t, w.dialer(), place)
		start := time.Now()
		for range 50 {
			lost(t, c)
		}
		if after := time.Since(start); after < time.Minute {
			t.Errorf("50 attempts in %v", after)
		}
	})
	bubble(t, "Retry-After is minded", func(t *testing.T) {
		door, _ := newDoor(t, kept, pairing.Options{})
		var at []time.Time
		w := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at = append(at, time.Now())
			switch len(at) {
			case 2:
				w.Header().Set("Retry-After", "7")
				http.Error(w, "not now", http.StatusServiceUnavailable)
			case 3:
				w.Header().Set("Retry-After", "86400")
				http.Error(w, "too fast", http.StatusTooManyRequests)
			default:
				door.ServeHTTP(w, r)
			}
		}))
		c := create(t, w.dialer(), place)
		w.cut()
		lost(t, c)
		if len(at) != 4 || at[2].Sub(at[1]) != 7*time.Second || at[3].Sub(at[2]) != 30*time.Second {
			t.Errorf("asked at %v", at)
		}
	})
	for status, final := range map[int]bool{200: false, 302: false, 403: true, 404: true, 408: false, 429: false, 502: false} {
		bubble(t, http.StatusText(status), func(t *testing.T) {
			door, _ := newDoor(t, kept, pairing.Options{})
			n := 0
			w := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n++; n == 2 {
					w.WriteHeader(status)
					return
				}
				door.ServeHTTP(w, r)
			}))
			c := create(t, w.dialer(), place)
			w.cut()
			if !final {
				lost(t, c)
				return
			}
			c.Receive(context.Background())
			_, err := c.Receive(context.Background())
			if refused, ok := errors.AsType[*client.StatusError](err); !ok || refused.Code != status {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestBroken has servers that break the protocol. They are told, and not asked again.
func TestBroken(t *testing.T) {
	for name, frame := range map[string]string{
		"no JSON":             `what`,
		"no object":           `[]`,
		"not UTF-8":           "{\"type\":\"\xff\"}",
		"too large":           `{"type":"message","seq":1,"from":2,"message":"` + strings.Repeat("a", 2000) + `"}`,
		"no seq":              `{"type":"message","from":2,"message":"a"}`,
		"no sender":           `{"type":"message","seq":1,"message":"a"}`,
		"no text":             `{"type":"message","seq":1,"from":2}`,
		"a negative seq":      `{"type":"message","seq":-1,"from":2,"message":"a"}`,
		"no member":           `{"type":"joined","sender":{}}`,
		"a member of a word":  `{"type":"away","member":"2"}`,
		"a large sender":      `{"type":"joined","member":2,"sender":{"ua":"` + strings.Repeat("a", 5000) + `"}}`,
		"nothing is accepted": `{"type":"accepted"}`,
	} {
		bubble(t, name, func(t *testing.T) {
			w := newFake(t, func(_ string, ws *websocket.Conn) {
				hear(ws)
				say(ws, welcome, frame)
				_, _, err := ws.ReadMessage()
				if want := map[bool]int{false: 1002, true: 1009}[name == "too large"]; !websocket.IsCloseError(err, want) {
					t.Errorf("the server got %v", err)
				}
			})
			d := w.dialer()
			if name == "too large" {
				d.MaxFrame = 1000
			}
			c := create(t, d, place)
			if e, err := c.Receive(context.Background()); err == nil || !strings.Contains(err.Error(), "broke the protocol") {
				t.Errorf("got %#v, %v", e, err)
			}
			synctest.Wait()
			if dials := w.dials.Load(); dials != 1 {
				t.Errorf("%d connections", dials)
			}
		})
	}
	for name, first := range map[string]string{
		"another frame":  `{"type":"joined","member":2,"sender":{}}`,
		"an error":       `{"type":"error","reason":"bad-payload","detail":"no"}`,
		"an unknown one": `{"type":"hey"}`,
		"a bad id":       strings.Replace(welcome, fakeID, "../../x", 1),
		"another id":     strings.Replace(welcome, fakeID, "A"+fakeID[1:], 1),
		"no token":       strings.Replace(welcome, `"resume"`, `"other"`, 1),
		"no member":      strings.Replace(welcome, `"member":1`, `"member":0`, 1),
	} {
		bubble(t, "instead of a welcome "+name, func(t *testing.T) {
			w := newFake(t, func(_ string, ws *websocket.Conn) {
				hear(ws)
				say(ws, first)
				hear(ws)
			})
			if _, err := w.dialer().Join(context.Background(), place+"/v2/ws/"+fakeID); err == nil || !strings.Contains(err.Error(), "broke the protocol") {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, first := range []string{`{"message":"a"}`, `{"channelid":"../../x"}`, `{}`} {
		bubble(t, "instead of the link "+first, func(t *testing.T) {
			w := newFake(t, func(_ string, ws *websocket.Conn) {
				say(ws, first)
				hear(ws)
			})
			d := w.dialer()
			d.Version = 1
			if _, err := d.Create(context.Background(), place); err == nil || !strings.Contains(err.Error(), "broke the protocol") {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, change := range map[string][2]string{
		"another member":    {`"member":1`, `"member":2`},
		"a message too few": {`"n":1`, `"n":0`},
		"one too many":      {`"n":1`, `"n":2`},
	} {
		bubble(t, "to a resume "+name, func(t *testing.T) {
			var w *network
			w = newFake(t, func(_ string, ws *websocket.Conn) {
				hear(ws)
				if w.dials.Load() > 1 {
					say(ws, strings.Replace(strings.Replace(welcome, `"n":0`, `"n":1`, 1), change[0], change[1], 1))
					hear(ws)
					return
				}
				say(ws, welcome)
				hear(ws)
				say(ws, `{"type":"accepted","n":1,"seq":1}`)
			})
			c := create(t, w.dialer(), place)
			send(t, c, "one", 1)
			c.Receive(context.Background())
			if e, err := c.Receive(context.Background()); err == nil || !strings.Contains(err.Error(), "broke the protocol") {
				t.Errorf("got %#v, %v", e, err)
			}
		})
	}
}

func TestServerThatForgot(t *testing.T) {
	bubble(t, "messages", func(t *testing.T) {
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			hear(ws)
			say(ws, welcome)
			hear(ws)
		})
		state := client.State{Link: place + "/v2/ws/" + fakeID, Token: "secret", Sent: 1}
		if _, err := w.dialer().Resume(context.Background(), state); err == nil || !strings.Contains(err.Error(), "broke the protocol") {
			t.Errorf("got %v", err)
		}
	})
}

func TestUnknownIsIgnored(t *testing.T) {
	bubble(t, "version 2", func(t *testing.T) {
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			hear(ws)
			say(ws, welcome, `{"type":"weather","member":"sunny"}`, `{}`, `{"type":"accepted","n":9,"seq":9}`,
				`{"type":"left","member":9}`, `{"type":"error","reason":"flood"}`)
			ws.WriteMessage(websocket.BinaryMessage, []byte("x"))
			say(ws, `{"type":"message","seq":3,"from":2,"message":"a","colour":1}`, `{"type":"message","seq":3,"from":2,"message":"a"}`,
				`{"type":"message","seq":5,"from":2,"message":"b"}`)
			hear(ws)
		})
		c := create(t, w.dialer(), place)
		expect(t, c, client.Message{Seq: 3, From: 2, Text: "a"}, client.Message{Seq: 5, From: 2, Text: "b"})
	})
	bubble(t, "version 1", func(t *testing.T) {
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			say(ws, `{"link":"/v1/ws/`+fakeID+`","channelid":"`+fakeID+`","member":7,"expires_in_ms":1}`, `{"error":true}`, `{"message":"a","sender":{"city":null,"x":1}}`)
			hear(ws)
		})
		d := w.dialer()
		d.Version = 1
		c := create(t, d, place)
		expect(t, c, client.Message{Text: "a"})
		if c.Member() != 0 || !c.Expires().IsZero() {
			t.Errorf("member %d, until %v", c.Member(), c.Expires())
		}
	})
}
