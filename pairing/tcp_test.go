package pairing

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"channelserver/geo"
	"channelserver/relay"
)

// newTCP starts a server on a loopback port and returns its URL.
func newTCP(t testing.TB, overTLS bool, limits relay.Limits, options Options) (string, *counts) {
	t.Helper()
	counts := new(counts)
	hub := relay.New(limits, counts)
	door := NewServer(hub, &geo.Locator{}, counts, slog.New(slog.DiscardHandler), options)
	server := httptest.NewUnstartedServer(door)
	scheme := "ws"
	if overTLS {
		scheme = "wss"
		server.Listener = Wires(server.Listener)
		server.StartTLS()
	} else {
		server.Start()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sweeping sync.WaitGroup
	sweeping.Go(func() { door.Sweep(ctx) })
	t.Cleanup(func() {
		hub.EndAll(context.Background(), relay.Shutdown, 0)
		server.Close()
		door.Wait(context.Background())
		cancel()
		sweeping.Wait()
	})
	return scheme + "://" + server.Listener.Addr().String(), counts
}

func dialTCP(t testing.TB, url string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: time.Minute}
	ws, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

// pairTCP opens a channel with two members and more, and returns them with the first frame read.
func pairTCP(t testing.TB, url string, members int) []*websocket.Conn {
	t.Helper()
	all := []*websocket.Conn{dialTCP(t, url+"/v1/ws/")}
	var first struct{ Link string }
	if err := all[0].ReadJSON(&first); err != nil {
		t.Fatal(err)
	}
	for len(all) < members {
		ws := dialTCP(t, url+first.Link)
		if _, _, err := ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		all = append(all, ws)
	}
	return all
}

type envelope struct{ Message string }

func TestBothWaysAtOnce(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		t.Run(map[bool]string{false: "ws", true: "wss"}[overTLS], func(t *testing.T) {
			url, _ := newTCP(t, overTLS, relay.Limits{}, Options{})
			members := pairTCP(t, url, 2)
			const n = 2000
			padding := strings.Repeat("x", 300)
			var tasks sync.WaitGroup
			for _, ws := range members {
				tasks.Go(func() {
					for i := range n {
						if err := ws.WriteMessage(websocket.TextMessage, fmt.Append(nil, i, padding)); err != nil {
							t.Errorf("message %d: %v", i, err)
							return
						}
					}
				})
				tasks.Go(func() {
					for i := range n {
						var got envelope
						if err := ws.ReadJSON(&got); err != nil || got.Message != fmt.Sprint(i, padding) {
							t.Errorf("message %d: %q, %v", i, got.Message, err)
							return
						}
					}
				})
			}
			tasks.Wait()
			for _, ws := range members { // the answer to a close frame arrives
				ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
				if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000) {
					t.Errorf("closing: %v", err)
				}
			}
		})
	}
}

// A client with a full receive buffer is closed as slow; what the others get is whole.
func TestZeroWindow(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		t.Run(map[bool]string{false: "ws", true: "wss"}[overTLS], func(t *testing.T) {
			url, counts := newTCP(t, overTLS, relay.Limits{}, Options{WriteTimeout: time.Second})
			members := pairTCP(t, url, 3)
			a, b := members[0], members[1] // the third reads no more
			conn := members[2].NetConn()
			if secure, ok := conn.(*tls.Conn); ok {
				conn = secure.NetConn()
			}
			if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
			// So short that the system takes it at once for who reads, for whom then no time runs.
			text := bytes.Repeat([]byte("x"), 2000)
			sent := 0
			for ; counts.last() == relay.None; sent++ { // until the third has been closed
				if err := a.WriteMessage(websocket.TextMessage, append(fmt.Appendf(nil, "%d ", sent), text...)); err != nil {
					t.Fatal(err)
				}
				var got envelope
				if err := b.ReadJSON(&got); err != nil || !strings.HasPrefix(got.Message, fmt.Sprintf("%d ", sent)) {
					t.Fatalf("message %d: %.10q, %v", sent, got.Message, err)
				}
			}
			if why := counts.all(); len(why) != 1 || why[0] != relay.Slow {
				t.Errorf("closed: %v", why)
			}
		})
	}
}

// A reset in the middle of a message loses that connection only.
func TestReset(t *testing.T) {
	url, counts := newTCP(t, false, relay.Limits{}, Options{})
	members := pairTCP(t, url, 3)
	half := frame(finalBit|opText, "never whole")
	members[2].NetConn().Write(half[:10])
	members[2].NetConn().(*net.TCPConn).SetLinger(0)
	members[2].NetConn().Close()
	for counts.last() == relay.None {
		members[0].WriteMessage(websocket.TextMessage, []byte("go on"))
		if _, _, err := members[1].ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	if why := counts.all(); len(why) != 1 || why[0] != relay.Lost {
		t.Errorf("closed: %v", why)
	}
}

// witness is a peer that takes what comes at once.
type witness struct {
	member *relay.Attachment
	bodies [][]byte
}

func (w *witness) Wake() {
	var entries [4]relay.Entry
	for {
		n, _ := w.member.Take(entries[:])
		if n == 0 {
			return
		}
		for _, e := range entries[:n] {
			w.bodies = append(w.bodies, bytes.Clone(e.Body))
		}
	}
}

// FuzzDoor sends octets through the door. Whatever they are, no goroutine panics, the connection
// ends, and what its peers get is JSON of valid UTF-8 within the limit.
func FuzzDoor(f *testing.F) {
	for _, c := range gateCases {
		f.Add(c.octets)
	}
	f.Add(join(frame(opText, "caf\xc3"), frame(finalBit|opContinuation, "\xa9")))
	f.Add(join(frame(finalBit|opText, "\x00\"\\\u2028"), frame(finalBit|opBinary, "x"), frame(finalBit|opText, " \n")))
	f.Fuzz(func(t *testing.T, octets []byte) {
		counts := new(counts)
		hub := relay.New(relay.Limits{}, counts)
		door := NewServer(hub, &geo.Locator{}, counts, slog.New(slog.DiscardHandler), Options{MaxMessageSize: 1000})
		w := new(witness)
		w.member, _ = hub.Create(geo.Sender{}.Addr, newCard(geo.Sender{}), w, relay.Live, 0)
		w.Wake()
		request := httptest.NewRequest("GET", "/v1/ws/"+w.member.ChannelID().String(), nil)
		for key, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			request.Header.Set(key, value)
		}
		var response http.ResponseWriter = tape{bytes.NewReader(octets)}
		door.ServeHTTP(response, request)
		for door.registry.count() > 0 {
			runtime.Gosched() // Wait would look once in 10 ms
		}
		if counts.panics > 0 || counts.last() == relay.None || hub.Stats().Connections != 1 {
			t.Errorf("%d panics, closed with %s, %+v", counts.panics, counts.last(), hub.Stats())
		}
		for _, body := range w.bodies {
			var text string
			if err := json.Unmarshal(body, &text); err != nil || !utf8.Valid(body) || len(text) > 1000 {
				t.Errorf("body %q: %v", body, err)
			}
		}
	})
}

// FuzzQuote holds appendQuoted against encoding/json.
func FuzzQuote(f *testing.F) {
	for _, text := range []string{"", "aBc_-", "\"\\\x00\x1f\x7f<>&\u2028\u2029é\U0001F600"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // refused before
		}
		var back string
		if err := json.Unmarshal(appendQuoted(nil, text), &back); err != nil || back != text {
			t.Errorf("appendQuoted(%q) = %s: %q, %v", text, appendQuoted(nil, text), back, err)
		}
	})
}
