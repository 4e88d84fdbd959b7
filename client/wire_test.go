package client_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"channelserver/client"
)

// A record is what a scripted server has heard.
type record struct {
	mu     sync.Mutex
	frames []string // guarded by mu
}

// all hears what the client says until it is gone.
func (r *record) all(ws *websocket.Conn) {
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.frames = append(r.frames, string(text))
		r.mu.Unlock()
	}
}

// expect compares what was heard since the last time.
func (r *record) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.frames, want) {
		t.Errorf("the server heard %q, want %q", r.frames, want)
	}
	r.frames = nil
}

// TestOnTheWire looks at the frames that a server gets, and when.
func TestOnTheWire(t *testing.T) {
	bubble(t, "version 2", func(t *testing.T) {
		var r record
		conns := make(chan *websocket.Conn, 1)
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			conns <- ws
			r.all(ws)
		})
		next := func(frames ...string) *websocket.Conn {
			ws := <-conns
			say(ws, frames...)
			return ws
		}
		go func() { conns <- next(welcome) }()
		c := create(t, w.dialer(), place)
		ws := <-conns
		r.expect(t, `{"type":"hello"}`)

		say(ws, `{"type":"message","seq":1,"from":2,"message":"a"}`, `{"type":"message","seq":2,"from":2,"message":"b"}`)
		expect(t, c, client.Message{Seq: 1, From: 2, Text: "a"})
		r.expect(t)
		expect(t, c, client.Message{Seq: 2, From: 2, Text: "b"})
		r.expect(t, `{"type":"ack","seq":1}`)

		var tasks sync.WaitGroup
		tasks.Go(func() { send(t, c, "<&>é", 3) })
		r.expect(t, `{"type":"send","n":1,"message":"<&>é"}`)
		ws.Close()
		ws = next(strings.Replace(welcome, `"n":0`, `"n":1`, 1), `{"type":"message","seq":2,"from":2,"message":"b"}`)
		r.expect(t, `{"type":"hello","resume":"1QIfY8OAA8TSmsSLBgcZ0w","after":1}`, `{"type":"ack","seq":1}`,
			`{"type":"send","n":1,"message":"<&>é"}`)

		tasks.Go(func() {
			if err := c.Leave(context.Background()); err != nil {
				t.Error(err)
			}
		})
		r.expect(t, `{"type":"ack","seq":2}`)
		say(ws, `{"type":"accepted","n":1,"seq":3}`)
		r.expect(t, `{"type":"leave"}`)
		closeWith(ws, 1000, "bye")
		tasks.Wait()

		go func() { conns <- next(strings.Replace(welcome, `"n":0`, `"n":9`, 1)) }()
		c, err := w.dialer().Resume(context.Background(), client.State{Link: place + "/v1/ws/" + fakeID, Token: "secret", Processed: 7, Sent: 8})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r.expect(t, `{"type":"hello","resume":"secret","after":7}`, `{"type":"ack","seq":7}`)
		ws = <-conns
		say(ws, `{"type":"message","seq":7,"from":2,"message":"old"}`, `{"type":"message","seq":8,"from":2,"message":"new"}`)
		expect(t, c, client.Message{Seq: 8, From: 2, Text: "new"})
		tasks.Go(func() {
			if err := c.End(context.Background()); err != nil {
				t.Error(err)
			}
		})
		r.expect(t, `{"type":"ack","seq":8}`, `{"type":"end"}`)
		closeWith(ws, 4015, "channel-ended")
		tasks.Wait()
	})
	bubble(t, "version 1", func(t *testing.T) {
		var r record
		w := newFake(t, func(_ string, ws *websocket.Conn) {
			say(ws, `{"link":"/v1/ws/`+fakeID+`","channelid":"`+fakeID+`"}`, `{"message":"a"}`)
			r.all(ws)
		})
		d := w.dialer()
		d.Version = 1
		c := create(t, d, place)
		expect(t, c, client.Message{Text: "a"})
		send(t, c, ` "<é>" `, 0)
		r.expect(t, ` "<é>" `)
	})
	bubble(t, "a server that has what was never sent", func(t *testing.T) {
		var w *network
		w = newFake(t, func(_ string, ws *websocket.Conn) {
			hear(ws)
			if w.dials.Load() == 1 {
				say(ws, welcome)
				hear(ws)
				return
			}
			say(ws, strings.Replace(welcome, `"n":0`, `"n":2`, 1))
			hear(ws)
		})
		c := create(t, w.dialer(), place)
		if _, err := c.Send(context.Background(), "one"); err == nil || !strings.Contains(err.Error(), "broke the protocol") {
			t.Errorf("got %v", err)
		}
	})
}
