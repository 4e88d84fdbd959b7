package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A visit is how a peer comes to the server.
type visit struct {
	path   string
	header http.Header // User-Agent is set when it is not given
	local  netip.Addr  // where from; any when invalid
	mute   bool        // pings are not answered
	idle   bool        // nothing is read
}

// A peer is one WebSocket to the server. A goroutine of its own reads what comes, so that pings are
// answered. Its methods are for one goroutine.
type peer struct {
	name   string
	agent  string // the User-Agent that it sent
	t      *T
	ws     *websocket.Conn
	frames chan string // text frames that have come
	pings  chan string // payloads of pings that have come, as far as there is room
	pongs  chan string
	over   chan struct{} // closed when nothing more comes; ended is set before
	ended  ending
	sent   map[string]bool // what it has said

	link, channelID string // from the first frame
}

// An ending is how a connection ended, as a peer saw it.
type ending struct {
	code   int // 0 when there was no close frame
	reason string
	err    error
}

func (e ending) String() string {
	if e.code == 0 {
		return fmt.Sprintf("an end without a close frame (%v)", e.err)
	}
	return strings.TrimSpace(fmt.Sprintf("the close code %d %q", e.code, e.reason))
}

// A refusal is an HTTP answer where an upgrade was asked for.
type refusal struct {
	status int
	header http.Header
	body   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the upgrade was answered with HTTP status %d %s", r.status, http.StatusText(r.status))
}

// maxFrames is how many frames may come for a peer before somebody looks at them.
const maxFrames = 1024

// visit opens a WebSocket. When the server says that it is asked too fast, it waits as it is told
// to, a minute at most, and tries again.
func (t *T) visit(ctx context.Context, name string, v visit) (*peer, error) {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		p, err := t.visitOnce(ctx, name, v)
		var refused *refusal
		if !errors.As(err, &refused) || refused.status != http.StatusTooManyRequests || time.Now().After(deadline) {
			return p, err
		}
		after, _ := strconv.Atoi(refused.header.Get("Retry-After"))
		if err := t.wait(ctx, time.Duration(min(max(after, 1), 60))*time.Second, "the server is asked too fast: waiting as it says"); err != nil {
			return nil, err
		}
	}
}

func (t *T) visitOnce(ctx context.Context, name string, v visit) (*peer, error) {
	header := v.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "test_chan ("+t.check+")")
	}
	dialer := websocket.Dialer{
		HandshakeTimeout: t.patience,
		NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return t.dial(ctx, v.local, network, address)
		},
	}
	address := *t.base
	address.Scheme = strings.Replace(address.Scheme, "http", "ws", 1)
	ws, response, err := dialer.DialContext(ctx, address.String()+v.path, header)
	if err != nil {
		if response != nil {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
			return nil, &refusal{response.StatusCode, response.Header, string(body)}
		}
		return nil, fmt.Errorf("%s: cannot connect to %s: %w", name, v.path, err)
	}
	ws.SetReadLimit(int64(6*t.knobs.MaxMessageSize) + 64<<10) // a character may take 6 octets in JSON
	p := &peer{
		name: name, agent: header.Get("User-Agent"), t: t, ws: ws,
		frames: make(chan string, maxFrames), pings: make(chan string, 64), pongs: make(chan string, 64),
		over: make(chan struct{}), sent: make(map[string]bool),
	}
	ws.SetPingHandler(func(payload string) error {
		offer(p.pings, payload)
		if v.mute {
			return nil
		}
		_ = ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(t.patience))
		return nil
	})
	ws.SetPongHandler(func(payload string) error {
		offer(p.pongs, payload)
		return nil
	})
	t.mu.Lock()
	t.peers = append(t.peers, p)
	t.mu.Unlock()
	if !v.idle {
		go p.read()
	}
	return p, nil
}

func offer(to chan<- string, payload string) {
	select {
	case to <- payload:
	default:
	}
}

// read receives until the connection ends.
func (p *peer) read() {
	defer close(p.over)
	for {
		kind, text, err := p.ws.ReadMessage()
		if err != nil {
			p.ended = ending{err: err}
			var closed *websocket.CloseError
			if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				p.ended = ending{closed.Code, closed.Text, err}
				// The server must be able to end TCP first (RFC 6455 section 7.1.1): wait for that.
				_ = p.ws.NetConn().SetReadDeadline(time.Now().Add(min(p.t.patience, 2*time.Second)))
				_, _ = io.Copy(io.Discard, p.ws.NetConn())
			}
			p.drop()
			return
		}
		if kind != websocket.TextMessage {
			text = []byte("(a binary message of " + strconv.Itoa(len(text)) + " octets)")
		}
		select {
		case p.frames <- string(text):
		default:
			p.ended = ending{err: fmt.Errorf("more than %d frames came that nobody expected", maxFrames)}
			p.drop()
			return
		}
	}
}

// drop ends the connection without a close frame, as a lost network does.
func (p *peer) drop() { _ = p.ws.NetConn().Close() }

// bye ends the connection with a close frame, and waits until it has ended.
func (p *peer) bye(ctx context.Context, code int) (ending, error) {
	_ = p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(p.t.patience))
	return p.end(ctx)
}

// say sends a text message in one frame, which the library does not for long ones. An error is not
// told: what it comes to is seen in what comes, or not.
func (p *peer) say(text string) {
	p.sent[strings.TrimSpace(text)] = true
	p.raw(frame(fin|opText, []byte(text)))
}

// raw sends octets past the WebSocket library.
func (p *peer) raw(octets ...[]byte) {
	for _, o := range octets {
		_ = p.ws.NetConn().SetWriteDeadline(time.Now().Add(p.t.patience))
		if _, err := p.ws.NetConn().Write(o); err != nil {
			return
		}
	}
}

// next returns the next text frame. What says what is expected, for the error if nothing comes.
func (p *peer) next(ctx context.Context, what string) (string, error) {
	return p.within(ctx, p.t.patience, what)
}

func (p *peer) within(ctx context.Context, patience time.Duration, what string) (string, error) {
	select { // what has come counts, even if the end has come too
	case text := <-p.frames:
		return text, nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case text := <-p.frames:
		return text, nil
	case <-p.over:
		select {
		case text := <-p.frames:
			return text, nil
		default:
		}
		return "", fmt.Errorf("%s: expected %s, got %v", p.name, what, p.ended)
	case <-timer.C:
		return "", fmt.Errorf("%s: expected %s, got nothing in %v", p.name, what, patience)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// end waits until the connection has ended, whatever comes before.
func (p *peer) end(ctx context.Context) (ending, error) { return p.endWithin(ctx, p.t.patience) }

func (p *peer) endWithin(ctx context.Context, patience time.Duration) (ending, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.over:
		return p.ended, nil
	case <-timer.C:
		return ending{}, fmt.Errorf("%s: expected the end of the connection, which is still open after %v", p.name, patience)
	case <-ctx.Done():
		return ending{}, context.Cause(ctx)
	}
}

// ends waits until the connection has ended, with this code and reason.
func (p *peer) ends(ctx context.Context, code int, reason string) error {
	return p.endsWithin(ctx, p.t.patience, code, reason)
}

func (p *peer) endsWithin(ctx context.Context, patience time.Duration, code int, reason string) error {
	got, err := p.endWithin(ctx, patience)
	if err != nil {
		return err
	}
	if got.code != code || got.reason != reason {
		return fmt.Errorf("%s: expected the close code %d %q, got %v", p.name, code, reason, got)
	}
	return nil
}

// alive returns an error unless the server answers a ping, which it does after all that came before.
func (p *peer) alive(ctx context.Context) error {
	payload := "alive " + strconv.FormatInt(time.Now().UnixNano(), 36)
	_ = p.ws.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(p.t.patience))
	timer := time.NewTimer(p.t.patience)
	defer timer.Stop()
	for {
		select {
		case <-p.pongs: // whatever is in it: that is the business of one check
			return nil
		case <-p.over:
			return fmt.Errorf("%s: expected the connection to go on, got %v", p.name, p.ended)
		case <-timer.C:
			return fmt.Errorf("%s: expected a pong, got nothing in %v", p.name, p.t.patience)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// An envelope is how a message reaches a member of version 1 (docs/protocol.md section 2).
type envelope struct {
	Message *string           `json:"message"`
	Sender  map[string]string `json:"sender"`
	text    string            // the frame
}

// hear returns the next message of another member. An echo is passed over: it is the business of one
// check.
func (p *peer) hear(ctx context.Context) (envelope, error) {
	return p.hearWithin(ctx, p.t.patience)
}

func (p *peer) hearWithin(ctx context.Context, patience time.Duration) (envelope, error) {
	for {
		e, err := p.nextEnvelope(ctx, patience)
		if err != nil || !p.sent[*e.Message] {
			return e, err
		}
	}
}

func (p *peer) nextEnvelope(ctx context.Context, patience time.Duration) (envelope, error) {
	e := envelope{}
	text, err := p.within(ctx, patience, "a message")
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Message == nil {
		return e, fmt.Errorf(`%s: expected {"message":"...","sender":{...}}, got %s`, p.name, short(text))
	}
	e.text = text
	return e, nil
}

// heard returns the messages of others that have come and that nobody has looked at. It is for a
// connection that has ended.
func (p *peer) heard() []string {
	var texts []string
	for {
		select {
		case text := <-p.frames:
			var e envelope
			if err := json.Unmarshal([]byte(text), &e); err != nil || e.Message == nil {
				texts = append(texts, text)
			} else if !p.sent[*e.Message] {
				texts = append(texts, *e.Message)
			}
		default:
			return texts
		}
	}
}

// hears returns an error unless the next message of another member is this text.
func (p *peer) hears(ctx context.Context, text string) error {
	e, err := p.hear(ctx)
	if err != nil {
		return fmt.Errorf("%w, when the message %s was due", err, short(text))
	}
	if *e.Message != text {
		return fmt.Errorf("%s: expected the message %s, got %s", p.name, short(text), short(*e.Message))
	}
	return nil
}

// short returns a text in quotes, without its middle when it is long.
func short(text string) string {
	if len(text) <= 100 {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%q... (%d octets) ...%q", text[:40], len(text), text[len(text)-40:])
}

// A firstFrame is what a member of version 1 is told first.
type firstFrame struct {
	Link      string `json:"link"`
	ChannelID string `json:"channelid"`
}

// join opens a WebSocket and takes a seat: it reads the first frame. Only the link in it is
// insisted upon here; one check looks at all of it.
func (t *T) join(ctx context.Context, name string, v visit) (*peer, error) {
	p, err := t.visit(ctx, name, v)
	if err != nil {
		return nil, err
	}
	text, err := p.next(ctx, "a first frame")
	if err != nil {
		return nil, err
	}
	var first firstFrame
	if err := json.Unmarshal([]byte(text), &first); err != nil || first.Link == "" {
		return nil, fmt.Errorf(`%s: expected a first frame {"link":"...","channelid":"..."}, got %s`, name, short(text))
	}
	p.link, p.channelID = first.Link, first.ChannelID
	return p, nil
}

// open mints a channel.
func (t *T) open(ctx context.Context, name string) (*peer, error) {
	return t.join(ctx, name, visit{path: pathV1})
}

// group mints a channel and seats so many members in it.
func (t *T) group(ctx context.Context, names ...string) ([]*peer, error) {
	peers := make([]*peer, len(names))
	path := pathV1
	for i, name := range names {
		p, err := t.join(ctx, name, visit{path: path})
		if err != nil {
			return nil, err
		}
		peers[i] = p
		path = peers[0].link
	}
	return peers, nil
}

// pair mints a channel and seats two members in it.
func (t *T) pair(ctx context.Context) (alice, bob *peer, err error) {
	both, err := t.group(ctx, "alice", "bob")
	if err != nil {
		return nil, nil, err
	}
	return both[0], both[1], nil
}

// refused returns an error unless the server refuses the visit: by an HTTP status, or by ending the
// connection before any frame. It returns how the connection ended, if there was one.
func (t *T) refused(ctx context.Context, name string, v visit) (ending, error) {
	p, err := t.visit(ctx, name, v)
	var refused *refusal
	if errors.As(err, &refused) {
		return ending{err: err}, nil
	}
	if err != nil {
		return ending{}, err
	}
	if text, err := p.next(ctx, "the end"); err == nil {
		p.drop() // it must not keep the channel alive
		return ending{}, fmt.Errorf("%s: expected to be refused, got the frame %s", name, short(text))
	}
	return p.end(ctx)
}

// refusedWith is refused, with a close code after the upgrade.
func (t *T) refusedWith(ctx context.Context, name string, v visit, code int, reason string) error {
	end, err := t.refused(ctx, name, v)
	if err != nil {
		return err
	}
	var http *refusal
	if errors.As(end.err, &http) {
		return fmt.Errorf("%s: expected the close code %d %q after the upgrade, got: %w", name, code, reason, end.err)
	}
	if end.code != code || end.reason != reason {
		return fmt.Errorf("%s: expected the close code %d %q, got %v", name, code, reason, end)
	}
	return nil
}

// together runs f for each number below n at the same time and returns the first error.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = f(i) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pathV1 is where channels of version 1 are minted.
const pathV1 = "/v1/ws/"
