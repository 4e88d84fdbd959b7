package front

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// linger is how long a client that was refused may take to close.
const linger = time.Second

// A response is the http.ResponseWriter of a handshake. What is written is sent at the end, for answers
// are short.
type response struct {
	conn     net.Conn
	desk     *desk
	early    []byte // what came behind the head
	status   int    // 0 until it is known
	body     bytes.Buffer
	hijacked bool
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.desk.answer }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Hijack implements http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if w.status != 0 {
		return nil, nil, errors.New("front: an answer has been begun")
	}
	w.hijacked = true
	if err := w.conn.SetDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	d := w.desk
	d.source = resumed{Conn: w.conn, read: w.early}
	d.reader.Reset(&d.source)
	if len(w.early) > 0 {
		_, _ = d.reader.Peek(1) // so that they are Buffered
	}
	d.writer.Reset(w.conn)
	return w.conn, bufio.NewReadWriter(d.reader, d.writer), nil
}

// finish sends the answer and waits for the client to close: a connection closed with octets unread is reset, and the
// answer may be lost (RFC 9112 section 9.6).
func (w *response) finish() {
	w.WriteHeader(http.StatusOK)
	answer := http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.Header(),
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Close: true,
	}
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = w.conn.SetDeadline(time.Now().Add(linger))
	if answer.Write(w.conn) != nil {
		return
	}
	if half, ok := w.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, w.conn, maxHead)
	}
}
