package apidocs_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// TestExamples replays the conversations of both documents, and holds that they have every example and
// every answer in them.
func TestExamples(t *testing.T) {
	for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
		d := readDocument(t, path)
		for _, c := range d.Conversations {
			t.Run(path+" "+c.Title, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { replay(t, d, c) })
			})
		}
		for _, place := range d.wanted(t) {
			if !d.had[place] {
				t.Errorf("%s: no conversation has %s", path, place)
			}
		}
	}
}

func replay(t *testing.T, d *document, c conversation) {
	p := &play{
		stage: newStage(t, c.Settings), d: d, settled: c.Settings != nil, operations: d.operations(t),
		truth: make(map[string]string), seats: make(map[string]string), sockets: make(map[string]*socket),
	}
	for i, s := range c.Steps {
		p.do(s, fmt.Sprintf("step %d, %s", i+1, marshal(s)))
		synctest.Wait()
	}
	p.requests.Wait()
	for who, s := range p.sockets {
		if text, err, more := s.next(); more {
			t.Errorf("at the end %s has not read %s, %v", who, text, err)
		}
	}
}

// A play is a conversation as it takes place.
type play struct {
	*stage
	d          *document
	settled    bool // the conversation has settings of its own
	operations map[string]operation
	requests   sync.WaitGroup
	sockets    map[string]*socket // by person

	mu      sync.Mutex
	truth   map[string]string // what the ids and tokens of the examples are in this play; guarded by mu, like all below
	seats   map[string]string // tokens by person
	channel string            // the id of the channel that was opened by a request
}

func (p *play) do(s step, at string) {
	switch {
	case s.Passes != "":
		d, err := time.ParseDuration(s.Passes)
		if err != nil {
			p.t.Fatal(err)
		}
		time.Sleep(d) // of the bubble
	case s.Server != "":
		p.act(s.Server)
	case s.Operation != "":
		p.requests.Go(func() { p.request(s, at) })
	case s.Connects != "":
		p.sockets[s.Who] = p.connect(p.d.People[s.Who].Address, p.headers(s), p.translate(s.Connects))
	default:
		p.talk(p.sockets[s.Who], s, at)
	}
}

func (p *play) headers(s step) http.Header {
	h := make(http.Header)
	for _, lines := range []map[string]string{p.d.People[s.Who].Headers, s.Headers} {
		for name, value := range lines {
			h.Set(name, value)
		}
	}
	return h
}

// request makes a request and checks the answer.
func (p *play) request(s step, at string) {
	o, ok := p.operations[s.Operation]
	if !ok {
		p.t.Errorf("%s: there is no such operation", at)
		return
	}
	p.mu.Lock()
	id, token := p.channel, p.seats[s.Who]
	p.mu.Unlock()
	if s.ID != "" {
		id = s.ID
	}
	body := ""
	if s.Body != "" {
		place := pointer("paths", o.path, o.method, "requestBody", "content", "application/json")
		e, ok := o.RequestBody.Content["application/json"].Examples[s.Body]
		if !ok {
			p.t.Errorf("%s: there is no such body", at)
		}
		body = marshal(e.Value)
		p.d.check(p.t, place+"/schema", body)
		p.have(place + pointer("examples", s.Body))
	}
	r, err := http.NewRequest(strings.ToUpper(o.method), "http://relay.test"+strings.ReplaceAll(o.path, "{id}", id)+"?"+s.Query, strings.NewReader(p.translate(body)))
	if err != nil {
		p.t.Error(err)
		return
	}
	r.Header = p.headers(s)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := p.browser(p.d.People[s.Who].Address).Do(r)
	if err != nil {
		p.t.Errorf("%s: %v", at, err)
		return
	}
	p.t.Cleanup(func() { answer.Body.Close() })
	text := ""
	if answer.StatusCode != http.StatusSwitchingProtocols { // else it is a connection, which lasts as long as the play
		octets, err := io.ReadAll(answer.Body)
		if err != nil {
			p.t.Errorf("%s: %v", at, err)
		}
		text = string(octets)
	}
	if answer.StatusCode != s.Status {
		p.t.Errorf("%s: %d, %s", at, answer.StatusCode, text)
		return
	}
	p.answer(s, o, answer.Header, text, at)
}

// answer checks an answer against the document and the step.
func (p *play) answer(s step, o operation, header http.Header, text, at string) {
	said, ok := p.d.response(o, s.Status)
	if !ok {
		p.t.Errorf("%s: the operation has no such answer", at)
		return
	}
	p.have(pointer("paths", o.path, o.method, "responses", strconv.Itoa(s.Status)))
	for name := range said.Headers {
		if header.Get(name) == "" {
			p.t.Errorf("%s: no %s in %v", at, name, header)
		}
	}
	if len(said.Content) == 0 {
		if text != "" {
			p.t.Errorf("%s: there is a body: %s", at, text)
		}
		return
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	media, ok := said.Content[kind]
	if !ok {
		p.t.Errorf("%s: it has the type %q", at, kind)
		return
	}
	place := said.pointer + pointer("content", kind)
	if strings.HasSuffix(kind, "json") {
		p.d.check(p.t, place+"/schema", text)
	}
	if s.Example != "" {
		e, ok := media.Examples[s.Example]
		if !ok {
			p.t.Errorf("%s: there is no such example of %s", at, kind)
		}
		p.same(e.Value, text, strings.HasSuffix(kind, "json"), at)
		p.have(place + pointer("examples", s.Example))
	}
	var seat struct{ Type, ChannelID, Resume string }
	if s.Status == http.StatusCreated && json.Unmarshal([]byte(text), &seat) == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seats[s.Who], p.channel = seat.Resume, seat.ChannelID
	}
}

// talk does what a step does with a WebSocket.
func (p *play) talk(w *socket, s step, at string) {
	if w == nil {
		p.t.Fatalf("%s: there is no connection", at)
	}
	switch {
	case s.Sends != "":
		text := p.example(s.Sends, at)
		if err := w.ws.WriteMessage(websocket.TextMessage, []byte(p.translate(text))); err != nil {
			p.t.Errorf("%s: %v", at, err)
		}
	case s.Receives != "":
		text, err, _ := w.next()
		if text == "" {
			p.t.Fatalf("%s: nothing has come, %v", at, err)
		}
		name, _, _ := strings.Cut(s.Receives, "/")
		p.d.check(p.t, pointer("components", "messages", name, "payload"), text)
		p.same(json.RawMessage(p.example(s.Receives, at)), text, true, at)
	case s.Loses:
		w.ws.NetConn().Close()
		delete(p.sockets, s.Who)
	case s.Closes != 0:
		_ = w.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(s.Closes, ""))
		delete(p.sockets, s.Who)
	case s.Closed != 0:
		text, err, _ := w.next()
		frame, ok := err.(*websocket.CloseError)
		if !ok || frame.Code != s.Closed || frame.Text != p.reason(s.Closed) {
			p.t.Errorf("%s: got %s, %v", at, text, err)
		}
	default:
		p.t.Errorf("%s: it does nothing", at)
	}
}

func (p *play) reason(code int) string {
	for _, c := range p.d.Codes {
		if c.Code == code {
			return c.Reason
		}
	}
	return ""
}

// example returns the text of an example of a message, which it checks.
func (p *play) example(which, at string) string {
	name, example, _ := strings.Cut(which, "/")
	m := p.d.Components.Messages[name]
	for _, e := range m.Examples {
		if e.Name != example {
			continue
		}
		text := marshal(e.Payload)
		p.d.check(p.t, pointer("components", "messages", name, "payload"), text)
		p.have(pointer("components", "messages", name, example))
		if m.ContentType == "text/plain" {
			return e.Payload.(string)
		}
		return text
	}
	p.t.Fatalf("%s: there is no such example", at)
	return ""
}

func (p *play) have(place string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.d.had[place] = true
}

// same holds that a text is what the document has, but for ids and tokens: those that are new stand for
// those of the document from then on. With settings of its own, a conversation has other limits.
func (p *play) same(want any, text string, isJSON bool, at string) {
	p.t.Helper()
	expected, ok := want.(string)
	if isJSON || !ok {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			p.t.Errorf("%s: %v", at, err)
			return
		}
		expected, text = p.comparable(want), p.comparable(value)
	}
	ours, theirs := secretsOf(expected), secretsOf(text)
	p.mu.Lock()
	for i, secret := range ours {
		if _, known := p.truth[secret]; !known && i < len(theirs) {
			p.truth[secret] = theirs[i]
		}
	}
	p.mu.Unlock()
	if expected = p.translate(expected); text != expected {
		p.t.Errorf("%s: got\n%s, want\n%s", at, text, expected)
	}
}

// comparable returns JSON with its keys in order.
func (p *play) comparable(value any) string {
	var whole any
	if err := json.Unmarshal([]byte(marshal(value)), &whole); err != nil {
		p.t.Error(err)
	}
	if object, ok := whole.(map[string]any); ok && p.settled {
		delete(object, "limits")
	}
	return marshal(whole)
}

// words finds what may be an id or a token.
var words = regexp.MustCompile(`[A-Za-z0-9_-]+`)

func secretsOf(text string) []string {
	return slices.DeleteFunc(words.FindAllString(text, -1), func(word string) bool {
		_, err := relay.ParseID(word)
		return err != nil
	})
}

// translate puts the ids and tokens of this play in the place of those of the document.
func (p *play) translate(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return words.ReplaceAllStringFunc(text, func(word string) string { return cmp.Or(p.truth[word], word) })
}

func marshal(value any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
