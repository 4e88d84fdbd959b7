package encrypted_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"channelserver/client"
	"channelserver/client/encrypted"
)

// wire writes a message of the channel: its type, and so many octets.
func wire(kind byte, octets int) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{kind}, make([]byte, octets)...))
}

// TestHostileMember has a member that has no secret say all it can before, while and after two others pair.
func TestHostileMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newDoor(t, roomy, 65536))
		d := n.dialer(2)
		a := create(t, d)
		m := seat(t, d, a.Link())
		var mu sync.Mutex
		refused := 0
		heardA, heardB := make(chan string, 1), make(chan string, 1)
		hear := func(c *encrypted.Channel, heard chan string) {
			for {
				switch e, err := next(c); e := e.(type) {
				case encrypted.Refused:
					mu.Lock()
					refused++
					mu.Unlock()
				case encrypted.Message:
					heard <- string(e.Data)
				case nil:
					close(heard)
					if !strings.Contains(err.Error(), "closed by this program") {
						t.Error(err)
					}
					return
				}
			}
		}
		go hear(a, heardA)
		// It cannot make others take it for the creator, which is member 1.
		for _, text := range []string{
			"garbage", wire(0, 0), wire(1, 1248), wire(1, 3), wire(2, 1148), wire(3, 37), wire(4, 17), wire(5, 0), wire(6, 76), wire(7, 9),
		} {
			if _, err := m.Send(context.Background(), text); err != nil {
				t.Fatal(err)
			}
		}
		b := join(t, d, a.Link())
		go hear(b, heardB)
		synctest.Wait()
		if a.ShortString() == "" || a.ShortString() != b.ShortString() {
			t.Fatalf("the short strings are %q and %q", a.ShortString(), b.ShortString())
		}
		say := func(from *encrypted.Channel, what string, heard chan string) {
			t.Helper()
			if _, err := from.SendText(context.Background(), what); err != nil {
				t.Error(err)
			}
			if got := <-heard; got != what {
				t.Errorf("got %q, want %q", got, what)
			}
		}
		say(a, "one", heardB)
		say(b, "two", heardA)
		// What it has heard, it says itself.
		copied := 0
		ctx, cancel := context.WithCancel(context.Background())
		var copying sync.WaitGroup
		copying.Go(func() {
			for {
				e, err := m.Receive(ctx)
				if err != nil {
					return
				}
				if heard, ok := e.(client.Message); ok && copied < 50 { // some are answered
					copied++
					if _, err := m.Send(context.Background(), heard.Text); err != nil {
						t.Error(err)
					}
				}
			}
		})
		synctest.Wait()
		cancel()
		copying.Wait()
		say(a, "three", heardB)
		say(b, "four", heardA)
		mu.Lock()
		defer mu.Unlock()
		if copied < 6 || refused == 0 {
			t.Errorf("%d messages were copied, %d devices refused", copied, refused)
		}
		a.Close()
		b.Close()
		<-heardA
		<-heardB
	})
}

// A relayer is a server of version 1 that passes on what it likes.
type relayer struct {
	id string // of the channel
	// pass returns what goes to the other member in place of a sealed message, the one with number i, from 0,
	// of a member, and what goes back to that one.
	pass func(creator bool, i int, text string) (to, back []string)

	mu     sync.Mutex
	seats  []*websocket.Conn // guarded by mu, like all below
	sealed [2]int
}

const relayID = "b7ZHsuZ9RIWVYKJDxqmAOg"

func (r *relayer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	upgrader := websocket.Upgrader{}
	ws, err := upgrader.Upgrade(w, request, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	r.mu.Lock()
	mine := len(r.seats)
	r.seats = append(r.seats, ws)
	ws.WriteJSON(map[string]string{"link": "/v1/ws/" + r.id, "channelid": r.id})
	r.mu.Unlock()
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		r.mu.Lock()
		to, back := []string{string(text)}, []string(nil)
		if strings.HasPrefix(string(text), "Aw") { // base64 of the type 3
			to, back = r.pass(mine == 0, r.sealed[mine], string(text))
			r.sealed[mine]++
		}
		for i, seat := range r.seats {
			texts := to
			if i == mine {
				texts = back
			}
			for _, text := range texts {
				seat.WriteJSON(map[string]string{"message": text})
			}
		}
		r.mu.Unlock()
	}
}

// flip changes a bit of the octet at an index, which may count from the end.
func flip(text string, at int) string {
	octets, _ := base64.RawURLEncoding.DecodeString(text)
	octets[(at+len(octets))%len(octets)] ^= 1
	return base64.RawURLEncoding.EncodeToString(octets)
}

// TestHostileRelay looks at what a server can do to those who talk by it: nothing but to end their talk.
func TestHostileRelay(t *testing.T) {
	held := make(map[bool]string) // what was held back, by whether it is the creator's
	for _, test := range []struct {
		name    string
		pass    func(creator bool, i int, text string) (to, back []string)
		missing bool // at the second message, instead of which the relay has none to pass on
	}{
		{"tampered copies", func(_ bool, _ int, text string) ([]string, []string) {
			return []string{flip(text, -1), flip(text, 8), flip(text, 1), flip(text, 9), flip(text, 21), "A" + text, text[1:], text}, nil
		}, false},
		{"replayed", func(_ bool, _ int, text string) ([]string, []string) {
			return []string{text, text}, nil
		}, false},
		{"reflected", func(_ bool, _ int, text string) ([]string, []string) {
			return []string{text}, []string{text}
		}, false},
		{"withheld", func(_ bool, i int, text string) ([]string, []string) {
			if i == 0 {
				return nil, nil
			}
			return []string{text}, nil
		}, true},
		{"changed", func(_ bool, i int, text string) ([]string, []string) {
			if i == 0 {
				return []string{flip(text, 25)}, nil
			}
			return []string{text}, nil
		}, true},
		{"reordered", func(creator bool, i int, text string) ([]string, []string) {
			if i == 0 {
				held[creator] = text
				return nil, nil
			}
			return []string{text, held[creator]}, nil
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, &relayer{id: relayID, pass: test.pass})
				a := create(t, n.dialer(1))
				b := join(t, n.dialer(1), a.Link())
				paired(t, a, b)
				for _, way := range [][2]*encrypted.Channel{{a, b}, {b, a}} {
					from, to := way[0], way[1]
					for _, what := range []string{"one", "two"} {
						if _, err := from.SendText(context.Background(), what); err != nil {
							t.Error(err)
						}
					}
					if test.missing {
						ended(t, to, encrypted.ErrMissing)
						break // it has left
					}
					expect(t, to, text("one"), text("two"))
				}
			})
		})
	}
}

// TestOtherIDs looks at a server whose ids do not fit into a link.
func TestOtherIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, &relayer{id: relayID[1:]})
		if c, err := encrypted.Create(context.Background(), n.dialer(1), place); err == nil {
			t.Errorf("got %s", c.Link())
			c.Close()
		}
	})
}

// TestReadyComesFirst has a program send as soon as it is told Paired, while the network takes nothing.
func TestReadyComesFirst(t *testing.T) {
	for range 20 { // if not, it is a matter of chance
		synctest.Test(t, func(t *testing.T) {
			creators := make(chan *websocket.Conn, 1)
			shut, reopened := make(chan bool), make(chan bool)
			var order []byte // types of messages
			n := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				upgrader := websocket.Upgrader{}
				ws, err := upgrader.Upgrade(w, request, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer ws.Close()
				tell := func(ws *websocket.Conn, text string) { ws.WriteJSON(map[string]string{"message": text}) }
				hear := func(ws *websocket.Conn) string {
					_, text, _ := ws.ReadMessage()
					return string(text)
				}
				ws.WriteJSON(map[string]string{"link": "/v1/ws/" + relayID, "channelid": relayID})
				if !strings.HasSuffix(request.URL.Path, relayID) {
					creators <- ws
					<-reopened
					return
				}
				creator := <-creators
				tell(creator, hear(ws)) // ask
				tell(ws, hear(creator)) // key
				open := hear(ws)
				tell(creator, wire(2, 1148)) // whose answer is not read
				tell(creator, open)
				<-shut
				for range 3 {
					text := hear(creator)
					octets, _ := base64.RawURLEncoding.DecodeString(text)
					order = append(order, octets[0])
					tell(ws, text)
				}
				close(reopened)
			}))
			a := create(t, n.dialer(1))
			b := join(t, n.dialer(1), a.Link())
			go next(b)
			expect(t, a, encrypted.Refused{Reason: encrypted.ReasonWrongSecret})
			if e, err := next(a); err != nil {
				t.Errorf("got %#v, %v", e, err)
			}
			go a.SendText(context.Background(), "at once")
			synctest.Wait()
			close(shut)
			<-reopened
			if want := []byte{4, 6, 3}; !bytes.Equal(order, want) {
				t.Fatalf("the network got the types %v, want %v", order, want)
			}
		})
	}
}
