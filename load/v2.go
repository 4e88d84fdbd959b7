package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// V2 is the door of version 2 over WebSocket (docs/protocol.md section 5). Its connections acknowledge every 64th message they
// receive. Both ends of a channel have to be read, for the sender is answered.
type V2 struct{}

// A Resumer is a Conn that can be taken up again after it was cut.
type Resumer interface {
	Conn
	// Resume opens a connection for the same seat, whose next messages are those that were not received.
	Resume(ctx context.Context, d *Dialer) error
}

// Open implements Door. Its connections are Resumers.
func (V2) Open(ctx context.Context, d *Dialer) (Conn, Conn, error) {
	a := &connV2{path: "/v2/ws/"}
	if err := a.open(ctx, d); err != nil {
		return nil, nil, err
	}
	b := &connV2{path: a.path}
	if err := b.open(ctx, d); err != nil {
		a.ws.cut()
		return nil, nil, fmt.Errorf("joining: %w", err)
	}
	err := a.ws.within(ctx, openTimeout, func() error {
		text, err := a.ws.readText()
		if err == nil && !hasType(text, "joined") {
			err = fmt.Errorf("%.200q, want the frame joined", text)
		}
		return err
	})
	if err != nil {
		a.ws.cut()
		b.ws.cut()
		return nil, nil, err
	}
	a.ws.release()
	return a, b, nil
}

// A seat is acknowledged when so many messages or octets have come since the last time.
const (
	ackMessages = 64
	ackOctets   = 64 << 10
)

type connV2 struct {
	ws    *socket // replaced by Resume
	path  string  // of the channel
	token string  // to resume with

	// Of whoever sends:
	n     uint64 // of the last message sent
	frame []byte

	// Of whoever receives:
	seq            uint64 // of the last message received
	unacknowledged int    // messages since the last acknowledgement
	octets         int    // of them
	ack            []byte
}

// open takes the seat, in a new channel unless the path has one, or takes it back.
func (c *connV2) open(ctx context.Context, d *Dialer) error {
	ws, err := dialWebSocket(ctx, d, c.path)
	if err != nil {
		return err
	}
	c.ws = ws
	err = ws.within(ctx, openTimeout, func() error {
		hello := `{"type":"hello"}`
		if c.token != "" {
			hello = fmt.Sprintf(`{"type":"hello","resume":"%s","after":%d}`, c.token, c.seq)
		}
		ws.out = appendFrame(ws.out[:0], opText, []byte(hello))
		if err := ws.write(); err != nil {
			return err
		}
		text, err := ws.readText()
		switch {
		case err != nil:
			return err
		case !hasType(text, "welcome"):
			return fmt.Errorf("%.200q, want a welcome", text)
		case c.token != "":
			return nil
		}
		if c.path, err = stringOf(text, "link"); err != nil {
			return err
		}
		c.token, err = stringOf(text, "resume")
		return err
	})
	if err != nil {
		ws.cut()
		return err
	}
	ws.release()
	return nil
}

// Resume implements Resumer.
func (c *connV2) Resume(ctx context.Context, d *Dialer) error {
	c.ws.cut()
	c.unacknowledged, c.octets = 0, 0
	return c.open(ctx, d)
}

// hasType tells whether a frame begins as this type's does.
func hasType(frame []byte, kind string) bool {
	rest, found := bytes.CutPrefix(frame, []byte(`{"type":"`))
	return found && len(rest) > len(kind) && string(rest[:len(kind)]) == kind && rest[len(kind)] == '"'
}

func (c *connV2) Send(messages [][]byte) error {
	out := c.ws.out[:0]
	for _, m := range messages {
		c.n++
		f := append(c.frame[:0], `{"type":"send","n":`...)
		f = strconv.AppendUint(f, c.n, 10)
		f = append(append(append(f, `,"message":"`...), m...), `"}`...)
		c.frame = f
		out = appendFrame(out, opText, f)
	}
	c.ws.out = out
	return c.ws.write()
}

func (c *connV2) Receive() ([]byte, error) {
	for {
		text, err := c.ws.readText()
		if err != nil {
			return nil, err
		}
		if hasType(text, "message") {
			return c.receive(text)
		}
		if err := c.pass(text); err != nil {
			return nil, err
		}
	}
}

// receive takes the message out of a frame, and acknowledges when it is time.
func (c *connV2) receive(text []byte) ([]byte, error) {
	rest := text[min(len(`{"type":"message",`), len(text)):]
	seq, rest, found := bytes.Cut(rest, []byte(`,"from":`))
	digits, hasSeq := bytes.CutPrefix(seq, []byte(`"seq":`))
	if !found || !hasSeq {
		return nil, fmt.Errorf("a frame is %.200q", text)
	}
	n, err := strconv.ParseUint(string(digits), 10, 64) // of so few digits that nothing is allocated
	if err != nil {
		return nil, fmt.Errorf("a frame is %.200q: %w", text, err)
	}
	_, message, found := bytes.Cut(rest, []byte(`"message":"`))
	length := bytes.IndexByte(message, '"')
	if !found || length < 0 {
		return nil, fmt.Errorf("a frame is %.200q", text)
	}
	message = message[:length]
	c.seq = n
	c.unacknowledged++
	if c.octets += len(message); c.unacknowledged < ackMessages && c.octets < ackOctets {
		return message, nil
	}
	c.unacknowledged, c.octets = 0, 0
	c.ack = strconv.AppendUint(append(c.ack[:0], `{"type":"ack","seq":`...), c.seq, 10)
	c.ack = append(c.ack, '}')
	_, err = c.ws.conn.Write(appendFrame(c.ws.answerBytes[:0], opText, c.ack))
	return message, err
}

// pass takes note of a frame that is no message.
func (c *connV2) pass(text []byte) error {
	if hasType(text, "error") {
		return fmt.Errorf("the server says %.200s", text)
	}
	if !bytes.HasPrefix(text, []byte(`{"type":"`)) {
		return fmt.Errorf("a frame is %.200q", text)
	}
	return nil
}

func (c *connV2) Answer(more bool) error {
	return c.ws.answer(more, func(text []byte) error {
		if hasType(text, "message") {
			return errors.New("a message came to an idle connection")
		}
		return c.pass(text)
	})
}

func (c *connV2) Close() error { return c.ws.close() }

func (c *connV2) NetConn() net.Conn { return c.ws.raw }
