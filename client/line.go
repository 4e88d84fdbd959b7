package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// opening is how long it may take to connect and to be welcomed.
	opening = 20 * time.Second

	// silence is how long nothing may come from a server before the connection is taken for lost. A
	// ping is sent twice in that time, so that it does not depend on the server's habits.
	silence = 60 * time.Second

	// writeTimeout is how long a server may take to read a frame.
	writeTimeout = 20 * time.Second

	// linger is how long it may take that a connection ends whose end is certain.
	linger = 2 * time.Second

	// maxRetryAfter bounds the wait that a server can ask for.
	maxRetryAfter = 30 * time.Second
)

// A line is one WebSocket. One goroutine reads and one writes; hangUp, hurry and fail may be called at any
// time.
type line struct {
	ws   *websocket.Conn
	wire *wire
}

// A wire is the network connection below. It keeps the time limits of reading; those of gorilla, which
// are for the handshake, do nothing: the context does that.
type wire struct {
	net.Conn
	mu   sync.Mutex
	last bool // the read deadline stays as it is; guarded by mu
}

func (w *wire) SetDeadline(time.Time) error     { return nil }
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// Read returns an error when nothing has come for the time of silence.
func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	if !w.last {
		_ = w.Conn.SetReadDeadline(time.Now().Add(silence)) // a closed connection: Read tells
	}
	w.mu.Unlock()
	return w.Conn.Read(p)
}

// open connects to a URL, says hello unless that is empty, and returns the first frame.
func (d *Dialer) open(ctx context.Context, version int, url string, hello []byte) (*line, *frame, error) {
	limited, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	l, first, err := d.greet(limited, version, url, hello)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case limited.Err() != nil:
		return nil, nil, fmt.Errorf("client: the server did not answer within %v: %w", opening, err)
	}
	return l, first, err
}

func (d *Dialer) greet(ctx context.Context, version int, url string, hello []byte) (*line, *frame, error) {
	l := new(line)
	stop := func() bool { return true }
	dialer := websocket.Dialer{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: d.TLS,
		NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := d.dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			stop = context.AfterFunc(ctx, func() { conn.Close() })
			l.wire = &wire{Conn: conn}
			return l.wire, nil
		},
	}
	defer func() { stop() }()
	ws, response, err := dialer.DialContext(ctx, url, d.Header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, nil, newStatusError(response)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("client: %w", err)
	}
	l.ws = ws
	ws.SetReadLimit(d.maxFrame())
	first, err := l.welcome(version, hello)
	if err == nil && !stop() { // the context was over first, and has closed the connection
		err = ctx.Err()
	}
	if err != nil {
		ws.Close()
		return nil, nil, err
	}
	return l, first, nil
}

// welcome says hello and waits for the answer.
func (l *line) welcome(version int, hello []byte) (*frame, error) {
	if len(hello) > 0 {
		if err := l.write(hello); err != nil {
			return nil, err
		}
	}
	text, err := l.read()
	if err != nil {
		return nil, err
	}
	first, err := parseFrame(version, text)
	switch {
	case err != nil:
		return nil, err
	case first == nil:
		return nil, broken("the first frame is no welcome")
	case version == 1 && !isID(first.ChannelID):
		return nil, broken("the first frame names the channel %.80q", first.ChannelID)
	case version == 2 && first.Type == "error":
		return nil, broken("the answer to hello is %q: %q", first.Reason, first.Detail)
	case version == 2 && first.Type != "welcome":
		return nil, broken("the answer to hello is of the type %q", first.Type)
	}
	return first, nil
}

// read returns the next text message. Its errors are a *CloseError, a *violation or those of the network.
func (l *line) read() ([]byte, error) {
	for {
		kind, text, err := l.ws.ReadMessage()
		switch closed, ok := errors.AsType[*websocket.CloseError](err); {
		case ok && closed.Code != websocket.CloseAbnormalClosure:
			return nil, &CloseError{closed.Code, closed.Text}
		case errors.Is(err, websocket.ErrReadLimit):
			return nil, broken("a frame is larger than Dialer.MaxFrame allows")
		case err != nil:
			return nil, fmt.Errorf("client: the connection was lost: %w", err)
		}
		if kind == websocket.TextMessage {
			return text, nil
		}
	}
}

func (l *line) write(text []byte) error {
	_ = l.ws.SetWriteDeadline(time.Now().Add(writeTimeout)) // it never fails
	if err := l.ws.WriteMessage(websocket.TextMessage, text); err != nil {
		return fmt.Errorf("client: the connection was lost: %w", err)
	}
	return nil
}

// ping makes the server send something.
func (l *line) ping() error {
	return l.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout))
}

// hangUp sends a close frame, after which no other can be sent, and leaves it to the server to end the
// connection soon.
func (l *line) hangUp(code int) {
	_ = l.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(linger))
	l.hurry()
}

// hurry gives reading a last deadline. What the server has sent before the end can still be read.
func (l *line) hurry() {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.wire.last = true
	_ = l.wire.Conn.SetReadDeadline(time.Now().Add(linger))
}

// newStatusError reads an answer to the handshake, of which gorilla has kept the beginning.
func newStatusError(response *http.Response) error {
	e := &StatusError{Code: response.StatusCode}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil { // RFC 9110 section 10.2.3; a date is not minded
		e.RetryAfter = min(max(time.Duration(seconds), 0)*time.Second, maxRetryAfter)
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 200)) // in memory: it cannot fail
	e.Detail = strings.TrimSpace(string(body))
	return e
}

// fail closes the connection, and tells a server that broke the protocol that it did.
func (l *line) fail(err error) {
	if _, ok := errors.AsType[*violation](err); ok {
		l.hangUp(codeProtocolError)
	}
	l.ws.Close()
}
