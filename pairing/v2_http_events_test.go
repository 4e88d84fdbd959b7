package pairing

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/relay"
)

// A stream is a request for events that a test reads.
type stream struct {
	t     testing.TB
	lines *bufio.Scanner
	cut   func() // the connection, without a word
	last  string // the id of the last event that had one
}

// stream asks for events as a stream. The header is one line, or empty.
func (s *seat) stream(query, header string) *stream {
	s.w.t.Helper()
	request, err := http.NewRequest("GET", "http://relay.test"+s.channel("/events")+query, nil)
	if err != nil {
		s.w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.Resume)
	if name, value, ok := strings.Cut(header, ": "); ok {
		request.Header.Set(name, value)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		s.w.t.Fatal(err)
	}
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != 200 || kind != "text/event-stream" || answer.Header.Get("Cache-Control") != "no-store" {
		s.w.t.Fatalf("%s, %v", answer.Status, answer.Header)
	}
	s.w.t.Cleanup(func() { answer.Body.Close() })
	return &stream{t: s.w.t, lines: bufio.NewScanner(answer.Body), cut: func() { answer.Body.Close() }}
}

// next returns the name and the data of the next event; of a comment the name is ":". Nothing is the end.
func (s *stream) next() (name, data string) {
	for s.lines.Scan() && s.lines.Text() != "" {
		switch field, value, _ := strings.Cut(s.lines.Text(), ": "); field {
		case "event":
			name = value
		case "data":
			data = value
		case "id":
			s.last = value
		case ":":
			name = ":"
		}
	}
	return name, data
}

// want reads events, whose data must begin like this.
func (s *stream) want(starts ...string) {
	s.t.Helper()
	for _, start := range starts {
		if name, data := s.next(); !strings.HasPrefix(data, start) || data == "" {
			s.t.Errorf("got %s %s, want %s", name, data, start)
		}
	}
}

const aWelcome = `{"type":"welcome",`

func TestStreamResumes(t *testing.T) {
	const messages = 60
	bubble(t, "without loss or repetition, wherever it is cut", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a, b := w.post("/v2/channels", "192.0.2.1"), (*seat)(nil)
		b = w.post(a.channel("/members"), "192.0.2.2")
		got, header := 0, ""
		for n := 1; n <= messages; n++ {
			a.want(200, "accepted", "POST", a.channel("/messages"), fmt.Sprintf(`{"n":%d,"message":"%d"}`, n, n))
			if n%7 != 0 && n != messages {
				continue
			}
			events := b.stream("", header)
			events.want(aWelcome)
			for range n%5 + 1 { // fewer than there are: the rest is cut off under way, until the last
				if got == n {
					break
				}
				got++
				events.want(fmt.Sprintf(`{"type":"message","seq":%d,"from":1,"message":"%d"}`, got, got))
			}
			for ; n == messages && got < messages; got++ {
				events.want(fmt.Sprintf(`{"type":"message","seq":%d,"from":1,"message":"%d"}`, got+1, got+1))
			}
			if events.last != strconv.Itoa(got) {
				t.Errorf("the id is %s, want %d", events.last, got)
			}
			header = "Last-Event-ID: " + events.last
			events.cut()
			synctest.Wait()
		}
	})
	bubble(t, "from Last-Event-ID rather than after", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		b := w.post(a.channel("/members"), "192.0.2.2")
		for n := 1; n <= 3; n++ {
			a.want(200, "accepted", "POST", a.channel("/messages"), fmt.Sprintf(`{"n":%d,"message":"x"}`, n))
		}
		b.stream("?after=1", "Last-Event-ID: 2").want(aWelcome, `{"type":"message","seq":3,`)
		a.stream("", "").want(aWelcome, `{"type":"delivered","member":2,"seq":2}`)
	})
	bubble(t, "over WebSocket and back", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		first := a.stream("", "")
		first.want(aWelcome)
		socket := w.hello("/v2/ws/"+a.ChannelID, "192.0.2.1", resume(a.welcome, 0))
		socket.welcome()
		if name, data := first.next(); name != "close" || data != `{"code":4009,"reason":"replaced"}` {
			t.Errorf("the stream ended with %s %s", name, data)
		}
		a.stream("", "").want(aWelcome)
		socket.closed(relay.Replaced)
	})
}

func TestStreamEnds(t *testing.T) {
	bubble(t, "when a newer one takes its place", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		older := a.stream("", "")
		older.want(aWelcome)
		newer := a.stream("", "")
		newer.want(aWelcome)
		if name, data := older.next(); name != "close" || data != `{"code":4009,"reason":"replaced"}` || older.lines.Scan() {
			t.Errorf("it ended with %s %s", name, data)
		}
		a.want(204, "", "DELETE", a.channel("/members/me"), "")
		if name, data := newer.next(); name != "close" || data != `{"code":1000,"reason":"bye"}` || newer.lines.Scan() {
			t.Errorf("it ended with %s %s", name, data)
		}
	})
	bubble(t, "when the client vanishes", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		b := w.post(pathHTTP+"/"+a.welcome().ChannelID+"/members", "192.0.2.2")
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"Go-http-client/1.1","remote":"192.0.2.2"}}`, `{"type":"away","member":2,"reason":"lost"}`)
		events := b.stream("", "")
		events.want(aWelcome)
		a.expect(`{"type":"back","member":2}`)
		start := time.Now()
		events.cut()
		a.expect(`{"type":"away","member":2,"reason":"lost"}`)
		a.expect(`{"type":"left","member":2,"reason":"lost"}`)
		if waited := time.Since(start); waited != kept.ResumeTimeout {
			t.Errorf("the seat was given up after %v", waited)
		}
	})
	bubble(t, "when the client does not read", func(t *testing.T) {
		w := newWorld(t, kept, Options{WriteTimeout: 3 * time.Second})
		a := w.hello("/v2/ws/", "192.0.2.1", hello)
		b := w.post(pathHTTP+"/"+a.welcome().ChannelID+"/members", "192.0.2.2")
		a.expect(`{"type":"joined","member":2,"sender":{"ua":"Go-http-client/1.1","remote":"192.0.2.2"}}`, `{"type":"away","member":2,"reason":"lost"}`)
		b.stream("", "") // what is read ahead of it is less than a message
		a.expect(`{"type":"back","member":2}`)
		synctest.Wait()
		start := time.Now()
		a.send(`{"type":"send","n":1,"message":"` + strings.Repeat("x", 60000) + `"}`)
		a.expect(`{"type":"accepted","n":1,"seq":1}`, `{"type":"away","member":2,"reason":"slow"}`)
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("it was away after %v", waited)
		}
		b.stream("", "").want(aWelcome, `{"type":"message","seq":1,`)
	})
	bubble(t, "when the server does", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		events := a.stream("", "")
		events.want(aWelcome)
		w.hub.Drain(time.Minute)
		events.want(`{"type":"ending","in_ms":60000,"reason":"restart"}`)
		w.hub.EndAll(context.Background(), relay.Restart, 0)
		if name, data := events.next(); name != "close" || data != `{"code":1012,"reason":"restart"}` {
			t.Errorf("it ended with %s %s", name, data)
		}
	})
}

func TestStreamHeartbeats(t *testing.T) {
	bubble(t, "every 15 seconds", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		events := a.stream("", "")
		events.want(aWelcome)
		start := time.Now()
		for range 3 {
			if name, data := events.next(); name != ":" || data != "" {
				t.Errorf("got %s %s", name, data)
			}
		}
		if waited := time.Since(start); waited != 3*streamHeartbeat {
			t.Errorf("three comments took %v", waited)
		}
	})
}

func TestLongPoll(t *testing.T) {
	bubble(t, "how long", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		for wait, want := range map[string]time.Duration{"0": 0, "1": time.Second, "60": time.Minute, "61": time.Minute, "4294967295": time.Minute} {
			start := time.Now()
			a.want(200, "[]", "GET", a.channel("/events?wait="+wait), "")
			if waited := time.Since(start); waited != want {
				t.Errorf("wait=%s took %v", wait, waited)
			}
		}
		for _, wait := range []string{"-1", "1.5", "4294967296", "%20", "x"} {
			a.want(400, "bad-payload", "GET", a.channel("/events?wait="+wait), "")
		}
		for _, after := range []string{"-1", "18446744073709551616", "1e3"} {
			a.want(400, "bad-payload", "GET", a.channel("/events?wait=0&after="+after), "")
		}
		a.want(200, "[]", "GET", a.channel("/events?wait=0&after=18446744073709551615"), "") // is brought into range
	})
	bubble(t, "answers at the first event, and takes all there are", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		b := w.post(a.channel("/members"), "192.0.2.2")
		start := time.Now()
		sent := make(chan bool)
		time.AfterFunc(7*time.Second, func() {
			defer close(sent)
			a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`)
		})
		b.want(200, `[{"type":"message","seq":1,"from":1,"message":"x"}]`, "GET", b.channel("/events?wait=30"), "")
		if waited := time.Since(start); waited != 7*time.Second {
			t.Errorf("it took %v", waited)
		}
		<-sent
		for n := 2; n <= 30; n++ { // more than are taken at once
			a.want(200, "accepted", "POST", a.channel("/messages"), fmt.Sprintf(`{"n":%d,"message":"x"}`, n))
		}
		_, body := b.ask("GET", b.channel("/events?wait=30&after=1"), "")
		var events []struct{ Seq int }
		if err := json.Unmarshal([]byte(body), &events); err != nil || len(events) != 29 || events[0].Seq != 2 || events[28].Seq != 30 {
			t.Errorf("%v: %s", err, body)
		}
		b.want(200, `"seq":2,`, "GET", b.channel("/events?wait=30&after=1"), "") // it was not acknowledged
	})
	bubble(t, "tells what happened between two", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		a.want(200, "[]", "GET", a.channel("/events?wait=0"), "")
		b := w.hello("/v2/ws/"+a.ChannelID, "192.0.2.2", hello)
		welcomeB := b.welcome()
		b.cut()
		b = w.hello("/v2/ws/"+a.ChannelID, "192.0.2.2", resume(welcomeB, 0))
		b.welcome()
		b.send(`{"type":"leave"}`)
		b.closed(relay.Bye)
		synctest.Wait()
		want := `[{"type":"joined","member":2,"sender":{"ua":"Go-http-client/1.1","remote":"192.0.2.2"}},` +
			`{"type":"away","member":2,"reason":"lost"},{"type":"back","member":2},{"type":"left","member":2,"reason":"bye"}]`
		a.want(200, want, "GET", a.channel("/events?wait=0"), "")
		a.want(200, "[]", "GET", a.channel("/events?wait=0"), "")
	})
	bubble(t, "tells of an acknowledgement once", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		a.want(200, "accepted", "POST", a.channel("/messages"), `{"n":1,"message":"x"}`)
		b := w.hello("/v2/ws/"+a.ChannelID, "192.0.2.2", hello)
		b.welcome()
		b.send(`{"type":"ack","seq":1}`)
		synctest.Wait()
		a.want(200, `{"type":"delivered","member":2,"seq":1}]`, "GET", a.channel("/events?wait=0"), "")
		a.want(200, "[]", "GET", a.channel("/events?wait=0"), "")
	})
	bubble(t, "is answered when the channel ends long after it began", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		w.http.WriteTimeout = 10 * time.Second // as it is for strangers
		a := w.post("/v2/channels", "192.0.2.1")
		ended := make(chan bool)
		time.AfterFunc(20*time.Second, func() {
			defer close(ended)
			a.want(204, "", "DELETE", a.channel(""), "")
		})
		a.want(410, "channel-ended", "GET", a.channel("/events?wait=60"), "")
		<-ended
	})
	bubble(t, "whose client vanishes", func(t *testing.T) {
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		b := w.hello("/v2/ws/"+a.ChannelID, "192.0.2.2", hello)
		b.welcome()
		ctx, cancel := context.WithCancel(context.Background())
		var asked sync.WaitGroup
		asked.Go(func() {
			request, err := http.NewRequestWithContext(ctx, "GET", "http://relay.test"+a.channel("/events?wait=60&after=0"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+a.Resume)
			for range 2 { // the first one is answered with what has happened
				if answer, err := a.client.Do(request); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
				}
			}
		})
		b.expect(`{"type":"back","member":1}`, `{"type":"away","member":1,"reason":"lost"}`, `{"type":"back","member":1}`)
		synctest.Wait()
		start := time.Now()
		cancel()
		b.expect(`{"type":"away","member":1,"reason":"lost"}`)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("it was noticed after %v", waited)
		}
		asked.Wait()
	})
}

// Any number of polls for one seat leave it whole: all are answered, and the messages come in order.
func TestManyPolls(t *testing.T) {
	bubble(t, "at one time", func(t *testing.T) {
		const messages, pollers = 40, 10
		w := newWorld(t, kept, Options{})
		a := w.post("/v2/channels", "192.0.2.1")
		b := w.post(a.channel("/members"), "192.0.2.2")
		var all sync.WaitGroup
		for range pollers {
			all.Go(func() {
				for range 5 {
					status, body := b.ask("GET", b.channel("/events?wait=1"), "")
					if status != 200 && (status != 410 || !strings.Contains(body, `"replaced"`)) {
						t.Errorf("%d: %s", status, body)
					}
				}
			})
		}
		for range 2 { // who both send the same
			all.Go(func() {
				for n := 1; n <= messages; n++ {
					body := fmt.Sprintf(`{"n":%d,"message":"%d"}`, n, n)
					if status, text := a.ask("POST", a.channel("/messages"), body); status != 200 || text != fmt.Sprintf(`{"type":"accepted","n":%d,"seq":%d}`, n, n) {
						t.Errorf("%d: %s", status, text)
					}
				}
			})
		}
		all.Wait()
		_, body := b.ask("GET", b.channel("/events?wait=0"), "")
		var events []struct {
			Type    string
			Seq     int
			Message string
		}
		if err := json.Unmarshal([]byte(body), &events); err != nil {
			t.Fatal(err)
		}
		seq := 0
		for _, e := range events {
			if e.Type == "message" {
				if seq++; e.Seq != seq || e.Message != strconv.Itoa(seq) {
					t.Errorf("%+v after %d", e, seq-1)
				}
			}
		}
		if seq != messages {
			t.Errorf("%d messages", seq)
		}
	})
}
