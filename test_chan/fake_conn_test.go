package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A fakeConn is the fake's end of a WebSocket (RFC 6455).
type fakeConn struct {
	fake *fake
	net  net.Conn
	in   *bufio.Reader

	mu     sync.Mutex
	queue  chan []byte // guarded by mu for sending
	closed bool        // the close frame is in the queue; guarded by mu
	heard  time.Time   // guarded by mu
	bye    bool        // the client sent a close frame with 1000; owned by the reader
}

func (f *fake) upgrade(w http.ResponseWriter, r *http.Request) (*fakeConn, error) {
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	c := &fakeConn{fake: f, net: conn, in: buffers.Reader, queue: make(chan []byte, 1024), heard: time.Now()}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		conn.Close()
		return nil, net.ErrClosed
	}
	f.conns[c] = true
	f.tasks.Go(c.write)
	if f.knobs.Heartbeat > 0 {
		f.tasks.Go(c.watch)
	}
	return c, nil
}

// send sends an object in a text frame.
func (c *fakeConn) send(object any) {
	text, _ := json.Marshal(object)
	c.put(bareFrame(fin|opText, 0, text))
}

func (c *fakeConn) put(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	select {
	case c.queue <- frame:
	default:
		c.closed = true
		close(c.queue)
	}
}

// close sends a close frame and ends the connection.
func (c *fakeConn) close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		if code != 0 {
			c.queue <- bareFrame(fin|opClose, 0, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
		}
		close(c.queue)
	}
}

func (c *fakeConn) write() {
	for frame := range c.queue {
		if _, err := c.net.Write(frame); err != nil {
			break
		}
	}
	c.net.Close()
	for range c.queue { // until the reader has closed it
	}
}

// watch pings an idle client and closes a silent one.
func (c *fakeConn) watch() {
	f, k := c.fake, c.fake.knobs
	pinged := time.Now()
	interval := k.Heartbeat
	if f.has("sends pings too late") {
		interval = k.Heartbeat * 5 / 2
	}
	for {
		time.Sleep(k.Heartbeat / 8)
		c.mu.Lock()
		closed, heard := c.closed, c.heard
		c.mu.Unlock()
		if closed {
			return
		}
		if f.has("sends pings to busy clients") {
			c.put(bareFrame(fin|opPing, 0, nil))
		}
		if time.Since(heard) >= k.ClientTimeout && !f.has("does not notice silent clients") {
			if f.has("does not say that a client was silent") {
				c.close(1000, "")
			} else {
				c.close(4010, "client-timeout")
			}
		} else if last := max(heard.UnixNano(), pinged.UnixNano()); time.Since(time.Unix(0, last)) >= interval && !f.has("sends no pings") {
			pinged = time.Now()
			c.put(bareFrame(fin|opPing, 0, nil))
		}
	}
}

// read hands on text messages until the connection ends. It tells of a close frame before it answers that, so that
// who has read the answer finds the seat free.
func (c *fakeConn) read(receive func(text string), closed func()) {
	f := c.fake
	defer func() {
		c.close(0, "")
		f.mu.Lock()
		delete(f.conns, c)
		f.mu.Unlock()
	}()
	var message []byte
	var kind byte // of the message under way
	size := 0
	for {
		first, payload, masked, length, err := c.readFrame()
		if err != nil {
			return
		}
		op := first & 0x0f
		c.mu.Lock()
		if op != 0xA || !f.has("does not count pongs as a sign of life") {
			c.heard = time.Now()
		}
		c.mu.Unlock()
		control := op >= opClose
		wrong := first&0x70 != 0 || !masked && !f.has("accepts unmasked frames") ||
			op > opBinary && op < opClose || op > 0xA ||
			control && (first&fin == 0 || length > 125) ||
			op == opContinuation && kind == 0 || !control && op != opContinuation && kind != 0 ||
			op == opClose && !validClose(payload)
		if wrong {
			c.close(1002, "protocol-error")
			return
		}
		switch op {
		case opClose:
			if len(payload) >= 2 {
				c.bye = binary.BigEndian.Uint16(payload) == 1000
			}
			if f.has("ends the connection without answering a close frame") {
				return
			}
			closed()
			c.put(bareFrame(fin|opClose, 0, payload))
			return
		case opPing:
			if f.has("sends empty pongs") {
				payload = nil
			}
			c.put(bareFrame(fin|0xA, 0, payload))
			continue
		case 0xA:
			continue
		}
		most := f.knobs.MaxMessageSize
		if f.has("has no max_message_size") {
			most = 1 << 30
		}
		if size += length; size > most && !(f.has("does not add up the sizes of fragments") && length <= most) {
			c.close(1009, "message-too-big")
			return
		}
		if op != opContinuation {
			kind = op
		}
		if op != opContinuation || !f.has("loses all but the first fragment") {
			message = append(message, payload...)
		}
		if first&fin == 0 {
			continue
		}
		text, was := string(message), kind
		message, kind, size = nil, 0, 0
		if was == opBinary && !f.has("relays binary messages") {
			continue
		}
		if op == opContinuation && f.has("loses all but the first fragment") {
			text = strings.ToValidUTF8(text, "")
		}
		if !utf8.ValidString(text) && !f.has("relays what is not UTF-8") {
			c.close(1007, "bad-payload")
			return
		}
		receive(text)
	}
}

// readFrame reads a frame and unmasks it.
func (c *fakeConn) readFrame() (first byte, payload []byte, masked bool, length int, err error) {
	header := make([]byte, 2, 14)
	if _, err = io.ReadFull(c.in, header); err != nil {
		return
	}
	masked, length = header[1]&0x80 != 0, int(header[1]&0x7f)
	more := map[int]int{126: 2, 127: 8}[length]
	if masked {
		more += 4
	}
	rest := make([]byte, more)
	if _, err = io.ReadFull(c.in, rest); err != nil {
		return
	}
	switch length {
	case 126:
		length, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
	case 127:
		length, rest = int(binary.BigEndian.Uint64(rest)), rest[8:]
	}
	payload = make([]byte, length)
	if _, err = io.ReadFull(c.in, payload); err != nil {
		return
	}
	if masked {
		for i := range payload {
			payload[i] ^= rest[i%4]
		}
	}
	return header[0], payload, masked, length, nil
}

func validClose(payload []byte) bool {
	if len(payload) < 2 {
		return len(payload) == 0
	}
	code := binary.BigEndian.Uint16(payload)
	return code >= 1000 && code < 5000 && code != 1004 && code != 1005 && code != 1006
}
