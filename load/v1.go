package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// V1 is the door of version 1, of this project's server and Mozilla's (docs/protocol.md section 2).
type V1 struct{}

// Open implements Door.
func (V1) Open(ctx context.Context, d *Dialer) (Conn, Conn, error) {
	a, link, err := openV1(ctx, d, "/v1/ws/")
	if err != nil {
		return nil, nil, err
	}
	b, _, err := openV1(ctx, d, link)
	if err != nil {
		a.ws.cut()
		return nil, nil, fmt.Errorf("joining: %w", err)
	}
	return a, b, nil
}

type connV1 struct{ ws *socket }

// openV1 takes a seat and returns the link to its channel.
func openV1(ctx context.Context, d *Dialer, path string) (*connV1, string, error) {
	ws, err := dialWebSocket(ctx, d, path)
	if err != nil {
		return nil, "", err
	}
	c := &connV1{ws: ws}
	var link string
	err = ws.within(ctx, openTimeout, func() error {
		text, err := ws.readText()
		if err == nil {
			link, err = stringOf(text, "link")
		}
		return err
	})
	if err != nil {
		ws.cut()
		return nil, "", err
	}
	ws.release()
	return c, link, nil
}

func (c *connV1) Send(messages [][]byte) error {
	c.ws.out = c.ws.out[:0]
	for _, m := range messages {
		c.ws.out = appendFrame(c.ws.out, opText, m)
	}
	return c.ws.write()
}

func (c *connV1) Receive() ([]byte, error) {
	text, err := c.ws.readText()
	if err != nil {
		return nil, err
	}
	return messageOf(text, `{"message":"`)
}

func (c *connV1) Answer(more bool) error { return c.ws.answer(more, nil) }

func (c *connV1) Close() error { return c.ws.close() }

func (c *connV1) NetConn() net.Conn { return c.ws.raw }

// answer deals with what has come to an idle connection. other is told of text frames; without it they are an error.
func (w *socket) answer(more bool, other func(text []byte) error) error {
	if more {
		if err := w.fill(); err != nil {
			return err
		}
	}
	for {
		text, ok, err := w.nextText()
		if err == nil && ok && other == nil {
			err = fmt.Errorf("%w: %.40q came to an idle connection", errWrongMessage, text)
		} else if err == nil && ok {
			err = other(text)
		}
		if err != nil {
			return err
		}
		if !ok {
			w.release()
			return nil
		}
	}
}

// messageOf returns the message of a frame that begins so, up to its quotation mark; messages of a load have none
// in them. Frames of another make are read with encoding/json.
func messageOf(frame []byte, begin string) ([]byte, error) {
	if len(frame) > len(begin) && string(frame[:len(begin)]) == begin {
		rest := frame[len(begin):]
		if before, _, ok := bytes.Cut(rest, []byte{'"'}); ok {
			return before, nil
		}
	}
	message, err := stringOf(frame, "message")
	return []byte(message), err
}

// stringOf returns a string out of a JSON object.
func stringOf(object []byte, key string) (string, error) {
	var values map[string]json.RawMessage
	var value string
	err := json.Unmarshal(object, &values)
	if err == nil {
		err = json.Unmarshal(values[key], &value)
	}
	if err == nil && value == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("%q in the frame %.200q: %w", key, object, err)
	}
	return value, nil
}
