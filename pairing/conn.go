package pairing

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"channelserver/geo"
	"channelserver/logs"
	"channelserver/relay"
)

// linger is how long a client may take to answer the close frame that the server sent (RFC 6455
// section 7.1.1) before the socket is shut.
const linger = 2 * time.Second

// batch is how many messages leave in one write at most.
const batch = 8

// A conn is one WebSocket of version 1. A goroutine of its own reads it, in serve; its frames are
// written by whoever wakes it.
type conn struct {
	server *Server         // static, like all down to opened
	ws     *websocket.Conn // read by the reader; written by one drain at a time; control frames by anyone
	socket *socket
	remote netip.Addr        // invalid when unknown
	member *relay.Attachment // nil when no seat was to be had
	opened time.Time

	shard  int           // owned by the registry
	pinged time.Duration // when the last ping was sent, since socket.start; owned by the sweep
	over   atomic.Uint32 // the Reason for which the connection has ended; None while it lives
}

func newConn(s *Server, ws *websocket.Conn, socket *socket, remote netip.Addr) *conn {
	c := &conn{server: s, ws: ws, socket: socket, remote: remote, opened: time.Now()}
	socket.resume = c.Wake
	socket.fail = c.end
	return c
}

// greet sends a connection that got a seat its first frame, and what was sent there since; one that
// got none is told why, and closed.
func (c *conn) greet(refused relay.Reason) {
	defer c.rescue()
	if refused != relay.None {
		c.end(refused)
		c.release()
		return
	}
	c.server.observer.Admitted()
	_ = c.ws.WriteMessage(websocket.TextMessage, appendLink(nil, c.member.ChannelID())) // release tells
	c.release()
	c.Wake() // the member has been awake since it was seated
}

// serve reads what the client sends until it is gone.
func (c *conn) serve() {
	defer c.server.registry.remove(c)
	defer c.socket.Close()
	if c.read() {
		c.socket.flush() // the answer to the close frame may still be on its way
	} else {
		c.waitForClose()
	}
}

// read hands on what the client sends, until the connection fails or the client closes it; it
// tells which.
func (c *conn) read() (closed bool) {
	defer c.rescue()
	for {
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return c.gone(err)
		}
		if kind != websocket.TextMessage {
			c.server.observer.Ignored()
			continue // NextReader discards it
		}
		text := c.server.buffers.get()
		if *text, err = appendAll(*text, r); err != nil {
			return c.gone(err)
		}
		c.receive(*text)
		c.server.buffers.put(text)
	}
}

// receive takes one whole message of the client in. It does not keep the text.
func (c *conn) receive(text []byte) {
	if c.member == nil {
		return
	}
	if !utf8.Valid(text) {
		c.end(relay.BadPayload)
		return
	}
	text = bytes.TrimSpace(text)
	if c.server.options.RequireBase64 && !isBase64URL(text) {
		c.end(relay.BadPayload)
		return
	}
	c.member.Send(quote(text), len(text)) // when it ends the channel, Take tells
}

// Wake writes what lies past the member's cursor, until the member is parked or its socket is
// busy; then the socket wakes it again. It implements relay.Peer and does not wait for the client.
func (c *conn) Wake() {
	defer c.rescue()
	var entries [batch]relay.Entry
	for c.socket.ready() {
		n, end := c.member.Take(entries[:])
		if n == 0 {
			if end != relay.None {
				c.end(end)
			}
			return
		}
		c.socket.hold()
		frame := c.server.buffers.get()
		for i := range entries[:n] {
			*frame = appendEnvelope((*frame)[:0], &entries[i])
			_ = c.ws.WriteMessage(websocket.TextMessage, *frame) // release tells
		}
		c.server.buffers.put(frame)
		c.release()
		now := time.Now()
		for i := range entries[:n] {
			c.server.observer.Relayed(now.Sub(entries[i].At))
		}
	}
}

// release sends the frames that the socket holds.
func (c *conn) release() {
	if err := c.socket.release(); err != nil {
		c.end(failure(err))
	}
}

// end ends the connection for a reason, once: the seat is given up, and the client is told, if it
// can be. The reader notices and shuts the socket.
func (c *conn) end(why relay.Reason) {
	if !c.over.CompareAndSwap(uint32(relay.None), uint32(why)) {
		return
	}
	if c.member == nil {
		c.server.observer.Refused(why)
	} else {
		c.member.Leave(why)
		c.server.observer.Closed(why, time.Since(c.opened))
	}
	c.log(why)
	switch why {
	case relay.Bye: // gorilla has answered the client's close frame
		return
	case relay.Lost:
		c.socket.Close()
		return
	}
	// The deadline comes first: the reader may be waiting for this client, and does not look up.
	_ = c.socket.SetReadDeadline(time.Now().Add(linger))
	text := websocket.FormatCloseMessage(why.Code(), why.String())
	if err := c.ws.WriteControl(websocket.CloseMessage, text, time.Now().Add(linger)); err != nil {
		c.socket.abort()
	}
}

// gone ends the connection for what reading it came to, and tells whether that was a close frame.
func (c *conn) gone(err error) (closed bool) {
	var broken violation
	var frame *websocket.CloseError
	switch {
	case errors.As(err, &broken):
		c.end(relay.Reason(broken))
	case errors.As(err, &frame) && frame.Code != websocket.CloseAbnormalClosure:
		c.end(relay.Bye)
		return true
	default:
		c.end(failure(err))
	}
	return false
}

// waitForClose waits for the client to go after the server has closed the connection. It reads on,
// to no purpose but that the close frame arrives: a socket shut with octets unread resets the
// connection, and what was under way is lost (RFC 9293 section 3.6.1).
func (c *conn) waitForClose() {
	const most = 1 << 20
	if half, ok := c.socket.Conn.(interface{ CloseWrite() error }); ok && c.socket.ready() {
		_ = half.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, c.socket.Conn, most)
}

// checkLife closes the connection when nothing has come for so long as the timeout, and pings it
// when it has been idle for a heartbeat. Zero turns either off.
func (c *conn) checkLife(heartbeat, timeout time.Duration) {
	now, heard := c.socket.times()
	if timeout > 0 && now-heard >= timeout {
		c.end(relay.ClientTimeout)
		return
	}
	if heartbeat > 0 && now-max(heard, c.pinged) >= heartbeat {
		c.pinged = now
		if err := c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(linger)); err != nil {
			c.end(failure(err))
		}
	}
}

// rescue, deferred, keeps a panic from spreading beyond this connection.
func (c *conn) rescue() {
	if p := recover(); p != nil {
		c.server.observer.Panicked()
		c.server.log.Error("a connection was lost to a fault of this server; please report it",
			"panic", p, "stack", string(debug.Stack()))
		c.end(relay.InternalError)
	}
}

func (c *conn) log(why relay.Reason) {
	ctx := context.Background()
	if !c.server.log.Enabled(ctx, logs.LevelVerbose) {
		return
	}
	channel := ""
	if c.member != nil {
		channel = c.server.ids.Hash(c.member.ChannelID())
	}
	c.server.log.Log(ctx, logs.LevelVerbose, "connection closed", "reason", why.String(),
		"channel", channel, "remote", geo.Mask(c.remote).String(), "after", time.Since(c.opened).Round(time.Millisecond).String())
}

// failure says why an error of the socket ends a connection.
func failure(err error) relay.Reason {
	var network net.Error
	if errors.Is(err, errBacklog) || errors.As(err, &network) && network.Timeout() {
		return relay.Slow
	}
	return relay.Lost
}

// appendAll appends all that r has to dst. The gate bounds it.
func appendAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		dst = slices.Grow(dst, 512)
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}
