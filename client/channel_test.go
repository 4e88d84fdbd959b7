package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/client"
	"channelserver/pairing"
	"channelserver/relay"
)

func TestPair(t *testing.T) {
	bubble(t, "all events", func(t *testing.T) {
		limits := kept
		limits.Lifespan = 5 * time.Minute
		w, hub := newWorld(t, limits, pairing.Options{})
		d := w.dialer()
		d.Header = http.Header{"User-Agent": {"test"}}
		who := client.Sender{UserAgent: "test"}
		start := time.Now()
		a := create(t, d, place)
		if a.Version() != 2 || a.Member() != 1 || a.Self() != who || a.Link() != place+"/v2/ws/"+a.ID() ||
			!a.Expires().Equal(start.Add(5*time.Minute)) {
			t.Errorf("%d, %d, %+v, %s, %v", a.Version(), a.Member(), a.Self(), a.Link(), a.Expires())
		}
		send(t, a, "early <\u2028é", 1)
		b := join(t, d, a.Link())
		expect(t, a, client.Joined{Member: 2, Sender: who})
		expect(t, b, client.Joined{Member: 1, Sender: who},
			client.Message{Seq: 1, From: 1, Text: "early <\u2028é", Sender: who})
		send(t, b, "answer", 2)
		expect(t, a, client.Message{Seq: 2, From: 2, Text: "answer", Sender: who})

		b.Close()
		synctest.Wait()
		expect(t, a, client.Away{Member: 2, Reason: "lost"})
		b, err := d.Resume(context.Background(), b.State())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		expect(t, a, client.Back{Member: 2})
		expect(t, b, client.Joined{Member: 1, Sender: who},
			client.Message{Seq: 1, From: 1, Text: "early <\u2028é", Sender: who}, client.Delivered{Member: 1, Seq: 2})
		if err := b.Leave(context.Background()); err != nil {
			t.Errorf("leave: %v", err)
		}
		ended(t, b, 1000, "bye")
		expect(t, a, client.Delivered{Member: 2, Seq: 1}, client.Left{Member: 2, Reason: "bye"})

		time.Sleep(time.Until(start.Add(4*time.Minute + 30*time.Second)))
		expect(t, a, client.Ending{At: start.Add(5 * time.Minute), Reason: "channel-expired"})
		if err := a.End(context.Background()); err != nil {
			t.Errorf("end: %v", err)
		}
		ended(t, a, 4015, "channel-ended")
		if hub.Stats().Channels != 0 {
			t.Error("the channel lives")
		}
		_, err = a.Send(context.Background(), "late")
		if _, ok := errors.AsType[*client.CloseError](err); !ok {
			t.Errorf("sent to a channel that had ended: %v", err)
		}
	})
	bubble(t, "only the creator ends the channel", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		a := create(t, w.dialer(), place)
		b := join(t, w.dialer(), a.Link())
		if err := b.End(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("end: %v", err)
		}
		send(t, b, "goes on", 1)
	})
	bubble(t, "a limit ends the channel", func(t *testing.T) {
		limits := kept
		limits.MaxExchanges = 1
		w, _ := newWorld(t, limits, pairing.Options{})
		a := create(t, w.dialer(), place)
		send(t, a, "first", 1)
		_, err := a.Send(context.Background(), "second")
		if closed, ok := errors.AsType[*client.CloseError](err); !ok || closed.Reason != "too-many-messages" {
			t.Errorf("got %v", err)
		}
		ended(t, a, 4013, "too-many-messages")
		if err := a.Leave(context.Background()); err != nil {
			t.Errorf("leave: %v", err)
		}
	})
}

// TestLeftWhileAway has a member leave while another has no connection, which then learns of that after
// what the first had sent, and also if it has processed that meanwhile.
func TestLeftWhileAway(t *testing.T) {
	for name, processed := range map[string]bool{"before its message is processed": false, "after": true} {
		bubble(t, name, func(t *testing.T) {
			who := client.Sender{UserAgent: "Go-http-client/1.1"}
			message := client.Message{Seq: 1, From: 1, Text: "last words", Sender: who}
			w, _ := newWorld(t, kept, pairing.Options{})
			a := create(t, w.dialer(), place)
			b := join(t, w.dialer(), a.Link())
			expect(t, b, client.Joined{Member: 1, Sender: who})
			if processed {
				send(t, a, "last words", 1)
				expect(t, b, message)
			}
			w.cut()
			synctest.Wait()
			e, err := b.Receive(context.Background())
			if _, ok := e.(client.Reconnecting); !ok {
				t.Fatalf("got %#v, %v", e, err)
			}
			if !processed {
				send(t, a, "last words", 1)
			}
			if err := a.Leave(context.Background()); err != nil {
				t.Error(err)
			}
			expect(t, b, client.Resumed{})
			if !processed {
				expect(t, b, message)
			}
			expect(t, b, client.Left{Member: 1, Reason: "bye"})
		})
	}
}

func TestTLS(t *testing.T) {
	door, _ := newDoor(t, kept, pairing.Options{})
	server := httptest.NewUnstartedServer(door)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that is refused
	server.StartTLS()
	t.Cleanup(server.Close)
	if _, err := new(client.Dialer).Create(context.Background(), server.URL); err == nil {
		t.Error("a certificate was trusted that nobody vouches for")
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	d := &client.Dialer{TLS: &tls.Config{RootCAs: roots}}
	a := create(t, d, server.URL)
	if !strings.HasPrefix(a.Link(), "wss://") {
		t.Errorf("link %s", a.Link())
	}
	send(t, a, "over TLS", 1)
	b := join(t, d, a.Link())
	b.Receive(context.Background())
	e, err := b.Receive(context.Background())
	if m, ok := e.(client.Message); !ok || m.Text != "over TLS" {
		t.Errorf("got %#v, %v", e, err)
	}
	if err := b.Leave(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct{ name, text, reason string }{
		{"not UTF-8", "\xff", "bad-payload"},
		{"not base64", "?", "bad-payload"},
		{"too large", "aaaaaaaaa", "message-too-big"},
		{"too large for a frame", strings.Repeat("a", 5000), "message-too-big"},
	} {
		bubble(t, test.name, func(t *testing.T) {
			limits := kept
			limits.MaxMessageSize = 8
			w, _ := newWorld(t, limits, pairing.Options{MaxMessageSize: 8, RequireBase64: test.text == "?"})
			a := create(t, w.dialer(), place)
			send(t, a, "good", 1)
			_, err := a.Send(context.Background(), test.text)
			if refused, ok := errors.AsType[*client.RefusedError](err); !ok || refused.Reason != test.reason {
				t.Errorf("got %v", err)
			}
			send(t, a, "goodgood", 2)
			if a.Sent() != 2 {
				t.Errorf("sent %d", a.Sent())
			}
		})
	}
	bubble(t, "a seat", func(t *testing.T) {
		limits := kept
		limits.MaxConnections = 1
		w, _ := newWorld(t, limits, pairing.Options{})
		a := create(t, w.dialer(), place)
		for link, want := range map[string]client.CloseError{
			a.Link():                   {Code: 4011, Reason: "channel-full"},
			place + "/v2/ws/" + fakeID: {Code: 4004, Reason: "no-such-channel"},
			place + "/v1/ws/short":     {Code: 4001, Reason: "bad-channel-id"},
		} {
			_, err := w.dialer().Join(context.Background(), link)
			if closed, ok := errors.AsType[*client.CloseError](err); !ok || *closed != want {
				t.Errorf("%s: %v, want %v", link, err, want)
			}
		}
	})
	bubble(t, "a new channel while the server drains", func(t *testing.T) {
		w, hub := newWorld(t, kept, pairing.Options{})
		hub.Drain(time.Minute)
		_, err := w.dialer().Create(context.Background(), place)
		if status, ok := errors.AsType[*client.StatusError](err); !ok || status.Code != 503 || status.RetryAfter != time.Second || status.Detail == "" {
			t.Errorf("got %v", err)
		}
	})
}

// TestState goes on with a seat as a program does after a restart.
func TestState(t *testing.T) {
	restart := func(t *testing.T, w *network, c *client.Channel, change func(*client.State)) *client.Channel {
		t.Helper()
		c.Close()
		text, err := json.Marshal(c.State())
		if err != nil {
			t.Fatal(err)
		}
		var state client.State
		if err := json.Unmarshal(text, &state); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&state)
		}
		again, err := w.dialer().Resume(context.Background(), state)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { again.Close() })
		return again
	}
	who := client.Sender{UserAgent: "Go-http-client/1.1"}
	message := func(seq uint64, text string) client.Message {
		return client.Message{Seq: seq, From: 1, Text: text, Sender: who}
	}
	bubble(t, "what was not processed comes again", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		a := create(t, w.dialer(), place)
		b := join(t, w.dialer(), a.Link())
		send(t, a, "one", 1)
		send(t, a, "two", 2)
		send(t, a, "three", 3)
		expect(t, b, client.Joined{Member: 1, Sender: who}, message(1, "one"), message(2, "two"))
		b = restart(t, w, b, nil)
		if b.Member() != 2 {
			t.Errorf("member %d", b.Member())
		}
		expect(t, b, client.Joined{Member: 1, Sender: who}, message(2, "two"))
		b = restart(t, w, b, func(s *client.State) { s.Processed = 2 })
		expect(t, b, client.Joined{Member: 1, Sender: who}, message(3, "three"))
		send(t, b, "answer", 4)
	})
	bubble(t, "whether a message was stored is known", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		a := create(t, w.dialer(), place)
		before := a.State()
		send(t, a, "one", 1)
		a = restart(t, w, a, func(s *client.State) { *s = before })
		if a.Sent() != 1 || before.Sent != 0 {
			t.Errorf("sent %d, and %d before", a.Sent(), before.Sent)
		}
		send(t, a, "two", 2)
	})
	bubble(t, "the older one ends", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		a := create(t, w.dialer(), place)
		if _, err := w.dialer().Resume(context.Background(), client.State{Link: a.Link(), Token: fakeID}); err == nil || !strings.Contains(err.Error(), "no-such-channel") {
			t.Errorf("with a wrong token: %v", err)
		}
		newer, err := w.dialer().Resume(context.Background(), a.State())
		if err != nil {
			t.Fatal(err)
		}
		defer newer.Close()
		ended(t, a, 4009, "replaced")
		if err := a.Leave(context.Background()); err == nil {
			t.Error("a seat was left that belongs to a newer connection")
		}
		send(t, newer, "goes on", 1)
	})
}

func TestOldServer(t *testing.T) {
	// The paths of version 2 are unknown to Mozilla's server, which else behaves like version 1 here.
	old := func(t *testing.T, status int) *network {
		door, _ := newDoor(t, relay.Limits{}, pairing.Options{})
		return newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v2/") {
				http.Error(w, "What?", status)
				return
			}
			door.ServeHTTP(w, r)
		}))
	}
	who := client.Sender{UserAgent: "Go-http-client/1.1"}
	bubble(t, "a pairing", func(t *testing.T) {
		w := old(t, http.StatusNotFound)
		a := create(t, w.dialer(), place)
		b := join(t, w.dialer(), a.Link())
		if a.Version() != 1 || b.Version() != 1 || a.ID() != b.ID() || a.Link() != place+"/v1/ws/"+a.ID() || a.Member() != 0 {
			t.Errorf("%d, %d, %s, %s, %s", a.Version(), b.Version(), a.ID(), b.ID(), a.Link())
		}
		for range 3 {
			send(t, a, "ping é", 0)
			expect(t, b, client.Message{Text: "ping é", Sender: who})
			send(t, b, "pong", 0)
			expect(t, a, client.Message{Text: "pong", Sender: who})
		}
		if err := b.End(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("end: %v", err)
		}
		if err := b.Leave(context.Background()); err != nil {
			t.Errorf("leave: %v", err)
		}
		if a.State() != (client.State{}) {
			t.Errorf("state %v", a.State())
		}
		if _, err := w.dialer().Resume(context.Background(), a.State()); err == nil {
			t.Error("resumed")
		}
		w.cut()
		if e, err := b.Receive(context.Background()); err == nil {
			t.Errorf("got %#v after the end", e)
		}
	})
	bubble(t, "a lost socket is the end", func(t *testing.T) {
		w := old(t, http.StatusNotFound)
		a := create(t, w.dialer(), place)
		w.cut()
		if e, err := a.Receive(context.Background()); err == nil {
			t.Errorf("got %#v", e)
		}
		if dials := w.dials.Load(); dials != 2 {
			t.Errorf("%d connections", dials)
		}
	})
	for status, falls := range map[int]bool{400: true, 404: true, 405: true, 410: true, 426: true, 501: true, 403: false, 429: false, 500: false, 503: false, 302: false} {
		bubble(t, http.StatusText(status), func(t *testing.T) {
			w := old(t, status)
			c, err := w.dialer().Create(context.Background(), place)
			if refused, ok := errors.AsType[*client.StatusError](err); falls && err != nil || !falls && (!ok || refused.Code != status) {
				t.Errorf("got %v", err)
			}
			if c != nil {
				c.Close()
			}
			d := w.dialer()
			d.Version = 2
			if _, err := d.Create(context.Background(), place); err == nil {
				t.Error("fell back though version 2 was asked for")
			}
		})
	}
	bubble(t, "version 1 by choice", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		d := w.dialer()
		two := create(t, d, place)
		d = w.dialer()
		d.Version = 1
		one := join(t, d, two.Link())
		if one.Version() != 1 {
			t.Errorf("version %d", one.Version())
		}
		send(t, two, "to the old", 1)
		expect(t, one, client.Message{Text: "to the old", Sender: who})
		d.Version = 3
		if _, err := d.Create(context.Background(), place); err == nil {
			t.Error("version 3 was accepted")
		}
	})
}
