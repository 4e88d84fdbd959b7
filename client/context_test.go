package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/client"
	"channelserver/pairing"
)

// within returns a context that is done after a while.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestContext ends contexts while methods wait.
func TestContext(t *testing.T) {
	hangs := map[string]func(t *testing.T) *network{
		"to be upgraded": func(t *testing.T) *network {
			return newNetwork(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		},
		"to be welcomed": func(t *testing.T) *network {
			return newFake(t, func(_ string, ws *websocket.Conn) {
				hear(ws)
				hear(ws)
			})
		},
	}
	for name, hang := range hangs {
		bubble(t, "Create waits "+name, func(t *testing.T) {
			w := hang(t)
			start := time.Now()
			if _, err := w.dialer().Create(within(t, time.Second), place); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if after := time.Since(start); after != time.Second {
				t.Errorf("after %v", after)
			}
			if _, err := w.dialer().Create(context.Background(), place); err == nil {
				t.Error("created")
			}
			if after := time.Since(start); after != 21*time.Second {
				t.Errorf("after %v", after)
			}
		})
	}
	bubble(t, "Receive", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		c := create(t, w.dialer(), place)
		if e, err := c.Receive(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %#v, %v", e, err)
		}
		send(t, c, "goes on", 1)
	})
	bubble(t, "Send", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		c := create(t, w.dialer(), place)
		w.down.Store(true)
		w.cut()
		for range 2 { // the first is under way, the second waits for its turn
			if _, err := c.Send(within(t, time.Second), "one"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		over, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.Send(over, "never"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		w.down.Store(false)
		send(t, c, "two", 2)
		d := join(t, w.dialer(), c.Link())
		expect(t, d, client.Joined{Member: 1, Sender: client.Sender{UserAgent: "Go-http-client/1.1"}})
		for i, text := range []string{"one", "two"} {
			e, err := d.Receive(context.Background())
			if m, ok := e.(client.Message); !ok || m.Text != text || m.Seq != uint64(i+1) {
				t.Errorf("got %#v, %v; want %s", e, err, text)
			}
		}
	})
	bubble(t, "Leave", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		c := create(t, w.dialer(), place)
		w.down.Store(true)
		w.cut()
		if err := c.Leave(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Receive(context.Background()); !errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// TestClose closes a Channel while methods wait. What does not return is a deadlock of the bubble.
func TestClose(t *testing.T) {
	for name, down := range map[string]bool{"connected": false, "connecting": true} {
		bubble(t, name, func(t *testing.T) {
			w := newFake(t, func(_ string, ws *websocket.Conn) {
				hear(ws)
				say(ws, welcome)
				for hear(ws) != "" {
				}
			})
			c := create(t, w.dialer(), place)
			if down {
				w.down.Store(true)
				w.cut()
				synctest.Wait()
				c.Receive(context.Background())
			}
			var tasks sync.WaitGroup
			for name, call := range map[string]func() error{
				"Receive": func() error { _, err := c.Receive(context.Background()); return err },
				"Send":    func() error { _, err := c.Send(context.Background(), "x"); return err },
				"another": func() error { _, err := c.Send(context.Background(), "x"); return err },
				"End":     func() error { return c.End(context.Background()) },
			} {
				tasks.Go(func() {
					if err := call(); !errors.Is(err, client.ErrClosed) {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			synctest.Wait()
			c.Close()
			tasks.Wait()
			c.Close()
		})
	}
	bubble(t, "after Leave has begun nothing is sent", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		c := create(t, w.dialer(), place)
		w.down.Store(true)
		w.cut()
		go c.Leave(context.Background())
		synctest.Wait()
		if _, err := c.Send(context.Background(), "late"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v", err)
		}
		w.down.Store(false)
	})
}

// TestReceiveLater has a member that receives nothing for a while.
func TestReceiveLater(t *testing.T) {
	const messages = 1000
	bubble(t, "messages wait on the server", func(t *testing.T) {
		w, hub := newWorld(t, kept, pairing.Options{HeartbeatInterval: 10 * time.Second, ClientTimeout: 30 * time.Second})
		a := create(t, w.dialer(), place)
		b := join(t, w.dialer(), a.Link())
		for i := range messages {
			send(t, a, number("a", i), uint64(i+1))
		}
		time.Sleep(2 * time.Minute) // b is closed as slow or silent, and goes on later
		if hub.Stats().Connections != 1 {
			t.Errorf("%d connections: b still reads", hub.Stats().Connections)
		}
		for i := 0; i < messages; {
			e, err := b.Receive(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if m, ok := e.(client.Message); ok {
				if m.Text != number("a", i) {
					t.Fatalf("got %q as message %d", m.Text, i)
				}
				i++
			}
		}
		if err := b.Leave(context.Background()); err != nil {
			t.Errorf("leave: %v", err)
		}
	})
	bubble(t, "one that only sends", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		a := create(t, w.dialer(), place)
		b := join(t, w.dialer(), a.Link())
		var task sync.WaitGroup
		task.Go(func() {
			for {
				if _, err := b.Receive(context.Background()); err != nil {
					return
				}
			}
		})
		for i := range messages {
			send(t, a, number("a", i), uint64(i+1))
		}
		synctest.Wait()
		expect(t, a, client.Joined{Member: 2, Sender: client.Sender{UserAgent: "Go-http-client/1.1"}}, client.Delivered{Member: 2, Seq: messages})
		b.Close()
		task.Wait()
	})
	bubble(t, "one that leaves", func(t *testing.T) {
		w, _ := newWorld(t, kept, pairing.Options{})
		a := create(t, w.dialer(), place)
		b := join(t, w.dialer(), a.Link())
		for i := range messages {
			send(t, a, number("a", i), uint64(i+1))
		}
		if err := b.Leave(context.Background()); err != nil {
			t.Errorf("leave: %v", err)
		}
	})
}
