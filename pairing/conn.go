package pairing

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"channelserver/admission"
	"channelserver/geo"
	"channelserver/logs"
	"channelserver/relay"
)

// linger is how long a client may take to answer the close frame that the server sent (RFC 6455
// section 7.1.1) before the socket is shut.
const linger = 2 * time.Second

// batch is how many messages leave in one write at most.
const batch = 8

// A conn is one WebSocket. A goroutine of its own reads it, in serve; its frames are written by
// whoever wakes it.
type conn struct {
	server  *Server         // static, like all down to remote
	version version         // of the protocol
	pass    *admission.Pass // left when the connection is over; its other methods are the greeter's and the reader's
	socket  *socket
	remote  netip.Addr // invalid when unknown

	shard   int                              // owned by the registry
	pinged  time.Duration                    // when the last ping was sent, since socket.start; owned by the sweep
	wakes   relay.Wakes                      // who is to be woken before the reader waits; owned by the reader
	replied bool                             // whether the socket holds replies; owned by the reader
	member  atomic.Pointer[relay.Attachment] // nil until it has a seat
	over    atomic.Uint32                    // the Reason for which the connection has ended; None while it lives
}

// A version is what is particular to a version of the protocol, for one connection.
type version interface {
	// greet begins the connection, in the goroutine of its HTTP request.
	greet(c *conn)
	// receive takes one whole message of the client in, in the reader's goroutine. It does not keep
	// the text, which is valid UTF-8.
	receive(c *conn, text []byte)
	// appendFrame renders what the member takes.
	appendFrame(dst []byte, e relay.Entry) []byte
	// giveUp tells the hub why the connection has ended.
	giveUp(a *relay.Attachment, why relay.Reason)
	// closed says what it means that the client has closed with this code.
	closed(code int) relay.Reason
}

func newConn(s *Server, v version, socket *socket, remote netip.Addr) *conn {
	c := &conn{server: s, version: v, socket: socket, remote: remote}
	socket.owner = c
	return c
}

// begin greets the client, and sends that together with the answer to the handshake.
func (c *conn) begin() {
	defer c.rescue()
	c.version.greet(c)
	c.release()
	if c.member.Load() != nil {
		c.Wake() // the attachment has been awake since it was made
	}
}

// sit notes the seat that the connection has got. It must be greeted and woken after that.
func (c *conn) sit(a *relay.Attachment) {
	c.member.Store(a)
	if why := relay.Reason(c.over.Load()); why != relay.None { // the end came first, and did not see the seat
		c.version.giveUp(a, why)
	}
	c.pass.Opened()
	c.server.observer.Admitted()
}

// serve reads what the client sends until it is gone.
func (c *conn) serve() {
	defer c.server.registry.remove(c)
	defer c.pass.Leave()
	defer c.socket.Close()
	c.socket.run(&farewell{c, c.read()})
}

// read hands on what the client sends, until the connection fails or the client closes it; it
// returns the error or the closeFrame.
func (c *conn) read() error {
	defer c.rescue()
	defer c.settle()
	return c.socket.receive()
}

// A closeFrame is that of the client, as an error.
type closeFrame struct{ code int }

func (c closeFrame) Error() string { return "the client has closed with " + strconv.Itoa(c.code) }

// A farewell is the end of a connection: what reading it came to.
type farewell struct {
	*conn
	err error
}

// do implements task.
func (f *farewell) do() {
	defer f.rescue()
	if f.gone(f.err) {
		f.socket.flush() // the answer to the close frame may still be on its way
	} else {
		f.waitForClose()
	}
}

// take implements owner. It returns an error when there is nothing more to be read.
func (c *conn) take(opcode byte, payload []byte) error {
	defer c.rescue() // here, where the stack tells what it was
	switch opcode {
	case opText:
		c.receive(payload)
	case opBinary:
		c.server.observer.Ignored()
	case opPing:
		return c.pong(payload)
	case opClose:
		code := websocket.CloseNoStatusReceived
		if len(payload) > 0 {
			code = int(binary.BigEndian.Uint16(payload)) // the assembly lets no single octet pass
		}
		c.answerClose(code)
		return closeFrame{code}
	}
	return nil
}

// pong answers a ping.
func (c *conn) pong(payload []byte) error {
	if err := c.socket.control(opPong, payload); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // after a close frame no answer is due
}

// answerClose answers a close frame. That fails if one has been sent, or nothing can be.
func (c *conn) answerClose(code int) {
	_ = c.socket.control(opClose, websocket.FormatCloseMessage(code, ""))
}

// receive takes a message of the client in.
func (c *conn) receive(text []byte) {
	switch {
	case c.over.Load() != uint32(relay.None): // it is only waited for
	case !utf8.Valid(text):
		c.end(relay.BadPayload)
	default:
		c.version.receive(c, text)
	}
}

// Wake writes what lies past the member's cursor, until the attachment is parked or its socket is
// busy; then the socket wakes it again. It implements relay.Peer and does not wait for the client.
func (c *conn) Wake() {
	defer c.rescue()
	var entries [batch]relay.Entry
	member := c.member.Load()
	for c.socket.ready() {
		n, end := member.Take(entries[:])
		if n == 0 {
			if end != relay.None {
				c.end(end)
			}
			return
		}
		c.write(entries[:n])
		now := time.Since(c.socket.start) // which reads one clock, time.Now two
		for i := range entries[:n] {
			if entries[i].Kind == relay.Message {
				c.server.observer.Relayed(now - entries[i].At.Sub(c.socket.start))
			}
		}
	}
}

// write sends entries in one write to the socket.
func (c *conn) write(entries []relay.Entry) {
	frames := c.server.buffers.get()
	for i := range entries {
		start := len(*frames)
		*frames = c.version.appendFrame(beginText(*frames), entries[i])
		*frames = endText(*frames, start)
	}
	if err := c.socket.send(frames); err != nil {
		c.end(failure(err))
	}
}

// settle does what was left until all is read that has come: it wakes those who have got something, and
// sends the replies.
func (c *conn) settle() {
	c.wakes.Flush()
	if c.replied {
		c.replied = false
		c.release()
	}
}

// reply answers a client from its reader, in one write with other replies. A client that sends but does
// not read is not read from either, until it does or its time is up.
func (c *conn) reply(text []byte) {
	c.socket.flush()
	c.replied = true
	c.socket.queue(text)
}

// release sends the frames that the socket holds.
func (c *conn) release() {
	if err := c.socket.release(); err != nil {
		c.end(failure(err))
	}
}

// finish ends the connection for a reason, once, towards everyone but the client.
func (c *conn) finish(why relay.Reason) bool {
	if !c.over.CompareAndSwap(uint32(relay.None), uint32(why)) {
		return false
	}
	if a := c.member.Load(); a == nil {
		c.server.observer.Refused(why)
	} else {
		c.version.giveUp(a, why)
		c.server.observer.Closed(why, time.Since(c.socket.start))
	}
	c.log(why)
	return true
}

// end ends the connection for a reason, once, and tells the client, if it can be told. The reader
// notices and shuts the socket.
func (c *conn) end(why relay.Reason) {
	if !c.finish(why) {
		return
	}
	if why == relay.Lost {
		c.socket.interrupt()
		return
	}
	// The deadline comes first: the reader may be waiting for this client, and does not look up.
	_ = c.socket.SetReadDeadline(time.Now().Add(linger))
	err := c.socket.control(opClose, websocket.FormatCloseMessage(why.Code(), why.String()))
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.socket.abort()
	}
}

// gone ends the connection for what reading it came to, and tells whether that was a close frame,
// which has been answered.
func (c *conn) gone(err error) (answered bool) {
	var broken violation
	var closed closeFrame
	switch {
	case errors.As(err, &broken):
		c.end(relay.Reason(broken))
	case errors.As(err, &closed):
		c.finish(c.version.closed(closed.code))
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
// when it has been idle for a heartbeat. Zero turns either off. When it has been quiet, it may have ended unnoticed; before
// that, what comes next would tell.
func (c *conn) checkLife(heartbeat, timeout, quiet time.Duration) {
	now, heard := c.socket.times()
	if now-heard >= quiet {
		c.socket.probe()
	}
	if timeout > 0 && now-heard >= timeout {
		c.end(relay.ClientTimeout)
		return
	}
	if heartbeat > 0 && now-max(heard, c.pinged) >= heartbeat {
		c.pinged = now
		if err := c.socket.control(opPing, nil); err != nil {
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
		_ = c.socket.release() // which the panic may have kept from happening
	}
}

func (c *conn) log(why relay.Reason) {
	ctx := context.Background()
	if !c.server.log.Enabled(ctx, logs.LevelVerbose) {
		return
	}
	channel := ""
	if a := c.member.Load(); a != nil {
		channel = c.server.ids.Hash(a.ChannelID())
	}
	c.server.log.Log(ctx, logs.LevelVerbose, "connection closed", "reason", why.String(),
		"channel", channel, "remote", geo.Mask(c.remote).String(), "after", time.Since(c.socket.start).Round(time.Millisecond).String())
}

// failure says why an error of the socket ends a connection.
func failure(err error) relay.Reason {
	var network net.Error
	if errors.Is(err, errBacklog) || errors.As(err, &network) && network.Timeout() {
		return relay.Slow
	}
	return relay.Lost
}
