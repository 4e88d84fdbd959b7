package encrypted_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/client"
	"channelserver/client/encrypted"
)

// TestPairing has two devices pair, say things of all sizes both ways, and part.
func TestPairing(t *testing.T) {
	inBothVersions(t, func(t *testing.T, _ *network, d *client.Dialer) {
		ctx := context.Background()
		a := create(t, d)
		if a.ShortString() != "" {
			t.Errorf("the short string is %q before pairing", a.ShortString())
		}
		for _, send := range []func() (uint64, error){
			func() (uint64, error) { return a.SendText(ctx, "too early") },
			func() (uint64, error) { return a.SendBinary(ctx, nil) },
		} {
			if _, err := send(); !errors.Is(err, encrypted.ErrNotPaired) {
				t.Errorf("got %v, want ErrNotPaired", err)
			}
		}
		b := join(t, d, a.Link())
		paired(t, a, b)
		if a.Link() != b.Link() || !strings.HasPrefix(a.Link(), place+"/#") {
			t.Errorf("the links are %q and %q", a.Link(), b.Link())
		}
		if v2 := d.Version == 2; a.Expires().IsZero() == v2 || a.Version() != d.Version {
			t.Errorf("version %d until %v", a.Version(), a.Expires())
		}
		if want := 49152 - 38; a.MaxData() != want {
			t.Errorf("%d octets fit, want %d", a.MaxData(), want)
		}
		much := bytes.Repeat([]byte{0xff}, a.MaxData())
		for _, way := range [][2]*encrypted.Channel{{a, b}, {b, a}} {
			from, to := way[0], way[1]
			for _, data := range [][]byte{{}, {0}, []byte("text too"), much} {
				if _, err := from.SendBinary(ctx, data); err != nil {
					t.Fatal(err)
				}
				expect(t, to, octets(data))
			}
			for _, data := range []string{"", "\ufeff日本", strings.Repeat("a", a.MaxData())} {
				talk(t, from, to, data)
			}
			refused, _ := errors.AsType[*client.RefusedError](second(from.SendBinary(ctx, append(much, 0))))
			if refused == nil || refused.Reason != "message-too-big" {
				t.Errorf("got %v", refused)
			}
			refused, _ = errors.AsType[*client.RefusedError](second(from.SendText(ctx, "\xff")))
			if refused == nil || refused.Reason != "bad-payload" {
				t.Errorf("got %v", refused)
			}
			talk(t, from, to, "goes on")
		}
		if err := b.Leave(ctx); err != nil {
			t.Error(err)
		}
		if _, err := b.SendText(ctx, "too late"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		ended(t, b, client.ErrClosed)
		if err := b.End(ctx); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want ErrUnsupported", err)
		}
	})
}

func second(_ uint64, err error) error { return err }

// TestWho looks at what is told about the others, and at the end for all.
func TestWho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newDoor(t, roomy, 65536))
		d := n.dialer(2)
		d.Header = map[string][]string{"User-Agent": {"a browser"}}
		a := create(t, d)
		b := join(t, d, a.Link())
		e, err := b.Receive(context.Background())
		if joined, ok := e.(client.Joined); !ok || joined.Member != 1 || err != nil {
			t.Errorf("got %#v, %v", e, err)
		}
		for _, c := range []struct {
			channel *encrypted.Channel
			peer    int
		}{{b, 0}, {a, 2}, {b, 1}} { // b answers the key first
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			for {
				e, err := c.channel.Receive(ctx)
				if p, ok := e.(encrypted.Paired); ok {
					if p.Member != c.peer || p.Sender.UserAgent != "a browser" {
						t.Errorf("got %#v, want member %d", p, c.peer)
					}
					break
				}
				if err != nil {
					if c.peer != 0 || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("member %d is not told of, but %v", c.peer, err)
					}
					break
				}
			}
			cancel()
		}
		if err := a.End(context.Background()); err != nil {
			t.Error(err)
		}
		_, err = next(b)
		if closed, _ := errors.AsType[*client.CloseError](err); closed == nil || closed.Reason != "channel-ended" {
			t.Errorf("got %v", err)
		}
		if _, err := b.SendText(context.Background(), ""); err == nil || errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v, want why the channel is over", err)
		}
	})
}

// spoil changes one character of a link, counted from the dot.
func spoil(link string, at int) string {
	at += strings.LastIndex(link, ".") + 1
	other := "A"
	if link[at] == 'A' {
		other = "B"
	}
	return link[:at] + other + link[at+1:]
}

// TestWrongSecret has devices come with other secrets before the right one.
func TestWrongSecret(t *testing.T) {
	inBothVersions(t, func(t *testing.T, _ *network, d *client.Dialer) {
		a := create(t, d)
		events := make(chan encrypted.Event)
		go func() {
			defer close(events)
			for {
				e, err := next(a)
				if err != nil {
					return
				}
				events <- e
			}
		}()
		b := join(t, d, spoil(a.Link(), 63)) // the end of the key's hash
		ended(t, b, encrypted.ErrWrongSecret)

		b = join(t, d, spoil(a.Link(), 0))
		go ended(t, b, encrypted.ErrWrongSecret)
		if e := <-events; e != (encrypted.Refused{Reason: encrypted.ReasonWrongSecret}) {
			t.Errorf("got %#v", e)
		}
		synctest.Wait()

		b = join(t, d, a.Link())
		go next(b)
		if p, ok := (<-events).(encrypted.Paired); !ok || p.ShortString != a.ShortString() {
			t.Errorf("got %#v", p)
		}
		synctest.Wait()
		if a.ShortString() != b.ShortString() {
			t.Errorf("the short strings are %q and %q", a.ShortString(), b.ShortString())
		}
		a.Close()
		<-events
	})
}

// TestSecondJoiner has a device come by the link of two that are paired.
func TestSecondJoiner(t *testing.T) {
	inBothVersions(t, func(t *testing.T, _ *network, d *client.Dialer) {
		a := create(t, d)
		b := join(t, d, a.Link())
		paired(t, a, b)
		talk(t, a, b, "what the third may not read")
		c := join(t, d, a.Link())
		go func() {
			for range 1 {
				expect(t, a, encrypted.Refused{Reason: encrypted.ReasonAlreadyPaired})
			}
			a.SendText(context.Background(), "goes on")
			next(a)
		}()
		ended(t, c, encrypted.ErrAlreadyPaired)
		expect(t, b, text("goes on"))
		if c.ShortString() != "" {
			t.Errorf("the third has the short string %q", c.ShortString())
		}
	})
}

// TestCuts cuts connections at any octet, after the seats were taken, while much is said both ways.
func TestCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newDoor(t, roomy, 65536))
		var made atomic.Int64
		n.wrap = func(conn net.Conn) net.Conn {
			i := int(made.Add(1))
			return &cutConn{Conn: conn, in: 8000 + i*997%5000, out: 8000 + i*1499%5000}
		}
		a := create(t, n.dialer(2))
		b := join(t, n.dialer(2), a.Link())
		paired(t, a, b)
		const messages = 300
		done := make(chan bool)
		for _, way := range [][2]*encrypted.Channel{{a, b}, {b, a}} {
			go func() {
				for i := range messages {
					if _, err := way[0].SendBinary(context.Background(), []byte{byte(i), byte(i >> 8)}); err != nil {
						t.Error(err)
					}
				}
				done <- true
			}()
			go func() {
				for i := range messages {
					expect(t, way[1], octets([]byte{byte(i), byte(i >> 8)}))
				}
				done <- true
			}()
		}
		for range 4 {
			<-done
		}
		if made.Load() < 10 {
			t.Errorf("%d connections", made.Load())
		}
	})
}

// A cutConn ends when it has carried so many octets in one of the directions.
type cutConn struct {
	net.Conn
	in  int // owned by the reader
	out int // owned by whoever may write
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.in)])
	if c.in -= n; c.in == 0 {
		c.Conn.Close()
	}
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), c.out)])
	c.out -= n
	if n < len(p) && err == nil {
		c.Conn.Close()
		err = errors.New("cut")
	}
	return n, err
}

// TestGivenUp sends while there is no connection, gives the call up, and goes on: no number is left out.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, newDoor(t, roomy, 65536))
		a := create(t, n.dialer(2))
		b := join(t, n.dialer(2), a.Link()) // whose connection is the last one
		paired(t, a, b)
		n.down.Store(true)
		n.cut()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := b.SendText(ctx, "on its way"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := b.SendText(ctx, "not taken"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		n.down.Store(false)
		if _, err := b.SendText(context.Background(), "later"); err != nil {
			t.Error(err)
		}
		expect(t, a, text("on its way"), text("later"))

		n.down.Store(true)
		n.cut()
		waits := make(chan error)
		go func() { waits <- second(b.SendText(context.Background(), "never")) }()
		synctest.Wait()
		b.Close()
		if err := <-waits; !errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v", err)
		}
		ended(t, b, client.ErrClosed)
	})
}

// TestManyExchanges looks at channels that carry more when they are asked to.
func TestManyExchanges(t *testing.T) {
	for asked, ok := range map[int]bool{0: true, 13: true, 12: false} { // key, open, ready, and 10 messages
		synctest.Test(t, func(t *testing.T) {
			limits := roomy
			limits.MaxExchanges, limits.MaxExchangesAsked = 3, 1000
			n := newNetwork(t, newDoor(t, limits, 65536))
			d := n.dialer(2)
			d.MaxExchanges = asked
			a := create(t, d)
			b := join(t, d, a.Link())
			paired(t, a, b)
			for i := range 10 {
				_, err := a.SendText(context.Background(), "more")
				if last := i == 9; err != nil && (ok || !last) || err == nil && !ok && last {
					t.Errorf("message %d of %d: got %v", i, asked, err)
				}
			}
		})
	}
}

// TestRefusedAnswer has a server refuse the joiner's answer to the key of a known pairing.
func TestRefusedAnswer(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Link      string
		Handshake []struct{ Octets string }
	}
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(vectors[0].Link, "#")
	id, _, _ := strings.Cut(fragment, ".")
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			upgrader := websocket.Upgrader{}
			ws, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer ws.Close()
			ws.ReadMessage()
			for _, frame := range []string{
				`{"type":"welcome","channelid":"` + id + `","member":2,"resume":"1QIfY8OAA8TSmsSLBgcZ0w","members":[],"self":{},"n":0}`,
				`{"type":"message","seq":1,"from":1,"message":"` + vectors[0].Handshake[0].Octets + `"}`,
			} {
				ws.WriteMessage(websocket.TextMessage, []byte(frame))
			}
			for {
				_, frame, err := ws.ReadMessage()
				if err != nil {
					return
				}
				if bytes.Contains(frame, []byte(`"send"`)) {
					ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"error","reason":"message-too-big","detail":"no"}`))
				}
			}
		}))
		c := join(t, n.dialer(2), place+"/#"+fragment)
		for range 2 {
			_, err := next(c)
			if refused, _ := errors.AsType[*client.RefusedError](err); refused == nil || refused.Reason != "message-too-big" {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestTooSmall looks at servers whose messages are too small to pair with.
func TestTooSmall(t *testing.T) {
	for size, ok := range map[int]bool{1665: false, 1666: true} { // what 1249 octets take in base64
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, newDoor(t, roomy, size))
			c, err := encrypted.Create(context.Background(), n.dialer(2), place)
			refused, _ := errors.AsType[*client.RefusedError](err)
			if (err == nil) != ok || (refused == nil) != ok {
				t.Errorf("%d octets: got %v", size, err)
			}
			if ok {
				c.Close()
			}
		})
	}
}
