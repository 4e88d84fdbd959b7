package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
	final   = 0x80 // FIN, in the octet of the opcode
	masked  = 0x80 // MASK, in the octet of the length
)

// The key of every handshake, and what the server has to answer (RFC 6455 section 4.2.2).
const (
	handshakeKey    = "AAAAAAAAAAAAAAAAAAAAAA=="
	handshakeAccept = "ICX+Yqv66kxgM0FcWaLWlFLwTAI="
)

// maskingKey masks all frames. That it does not change is of no matter here: it keeps pages from writing what
// proxies take for HTTP.
const maskingKey = 0x5AC396F0

const (
	bufferSize = 8 << 10  // octets of a read buffer from the pool
	maxFrame   = 32 << 20 // octets of a frame that a server may send
	maxAnswer  = 16 << 10 // octets of an answer to a request for an upgrade
)

// closeTimeout is how long a server may take to answer a close frame.
const closeTimeout = 10 * time.Second

// buffers are the pool of read buffers. Idle connections hold none.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A socket is a client's connection, by hand. One goroutine may write text frames while another reads.
type socket struct {
	conn net.Conn // static, as is raw
	raw  net.Conn // under conn when that is TLS

	// Of whoever reads:
	in          []byte // from the pool, or nil
	begin, end  int    // of what is unread in it
	closedByUs  bool
	answerBytes [140]byte // a pong or the like, on its way

	// Of whoever writes:
	out []byte
}

// dialWebSocket asks for an upgrade. What has come with the answer waits in the buffer.
func dialWebSocket(ctx context.Context, d *Dialer, path string) (*socket, error) {
	conn, raw, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	w := &socket{conn: conn, raw: raw}
	if err := w.upgrade(ctx, d, path); err != nil {
		w.cut()
		return nil, err
	}
	return w, nil
}

// within runs do, and lets it fail when ctx is done or the time is over.
func (w *socket) within(ctx context.Context, limit time.Duration, do func() error) error {
	if err := w.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { w.conn.SetDeadline(time.Unix(1, 0)) })
	err := do()
	if !stop() && err != nil {
		return ctx.Err()
	}
	if second := w.conn.SetDeadline(time.Time{}); err == nil {
		err = second
	}
	return err
}

func (w *socket) upgrade(ctx context.Context, d *Dialer, path string) error {
	request := make([]byte, 0, 512)
	request = append(append(append(request, "GET "...), d.Prefix...), path...)
	request = append(append(request, " HTTP/1.1\r\nHost: "...), d.Host...)
	request = append(request, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUser-Agent: channelctl load\r\n"+
		"Accept-Language: de-CH,de;q=0.8,en;q=0.5\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+handshakeKey+"\r\n\r\n"...)
	return w.within(ctx, openTimeout, func() error {
		if _, err := w.conn.Write(request); err != nil {
			return err
		}
		for {
			if err := w.fill(); err != nil {
				return err
			}
			length := bytes.Index(w.in[w.begin:w.end], []byte("\r\n\r\n"))
			if length < 0 && w.end-w.begin < maxAnswer {
				continue
			}
			answer := w.in[w.begin : w.begin+max(length, 0)]
			version, status, _ := bytes.Cut(answer, []byte(" "))
			status, _, _ = bytes.Cut(status, []byte("\r\n"))
			switch {
			case length < 0 || !bytes.HasPrefix(version, []byte("HTTP/1.1")):
				return errors.New("the answer is not HTTP")
			case !bytes.HasPrefix(status, []byte("101")):
				return &RefusedError{Status: string(status)}
			case !bytes.Contains(answer, []byte(": "+handshakeAccept)):
				return errors.New("the answer lacks the right Sec-WebSocket-Accept")
			}
			w.begin += length + len("\r\n\r\n")
			w.release()
			return nil
		}
	})
}

// fill reads once, to the end of what is unread, and makes room for that.
func (w *socket) fill() error {
	switch {
	case w.in == nil:
		w.in = buffers.Get().(*[bufferSize]byte)[:]
	case w.begin == w.end:
		w.begin, w.end = 0, 0
	case w.end == len(w.in) && w.begin > 0:
		w.end = copy(w.in, w.in[w.begin:w.end])
		w.begin = 0
	case w.end == len(w.in):
		w.in = append(w.in, make([]byte, len(w.in))...)
	}
	n, err := w.conn.Read(w.in[w.end:])
	w.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// release gives the buffer back if nothing is unread. What was read is lost.
func (w *socket) release() {
	if w.in == nil || w.begin < w.end {
		return
	}
	if len(w.in) == bufferSize {
		buffers.Put((*[bufferSize]byte)(w.in))
	}
	w.in, w.begin, w.end = nil, 0, 0
}

// next returns a frame that is in the buffer in full; ok is false when there is none.
func (w *socket) next() (opcode byte, payload []byte, ok bool, err error) {
	unread := w.in[w.begin:w.end]
	if len(unread) < 2 {
		return 0, nil, false, nil
	}
	header, length := 2, uint64(unread[1])
	switch {
	case unread[0]&0xF0 != final:
		return 0, nil, false, fmt.Errorf("a frame begins with %#x: only frames without extensions or fragments are understood", unread[0])
	case length >= masked:
		return 0, nil, false, errors.New("a frame of the server's is masked")
	case length == 126:
		if header = 4; len(unread) < header {
			return 0, nil, false, nil
		}
		length = uint64(binary.BigEndian.Uint16(unread[2:]))
	case length == 127:
		if header = 10; len(unread) < header {
			return 0, nil, false, nil
		}
		length = binary.BigEndian.Uint64(unread[2:])
	}
	if length > maxFrame {
		return 0, nil, false, fmt.Errorf("a frame has %d octets", length)
	}
	if uint64(len(unread)) < uint64(header)+length {
		return 0, nil, false, nil
	}
	w.begin += header + int(length)
	return unread[0] & 0x0F, unread[header : header+int(length)], true, nil
}

// nextText is next for text frames, and answers what is no text. A close frame is an error.
func (w *socket) nextText() (text []byte, ok bool, err error) {
	for {
		opcode, payload, ok, err := w.next()
		if !ok || err != nil {
			return nil, false, err
		}
		switch opcode {
		case opText:
			return payload, true, nil
		case opPing:
			err = w.control(opPong, payload)
		case opPong:
		case opClose:
			return nil, false, w.closed(payload)
		default:
			err = fmt.Errorf("a frame has the opcode %#x", opcode)
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// readText waits for a text frame. It is good until the next call.
func (w *socket) readText() ([]byte, error) {
	for {
		text, ok, err := w.nextText()
		if ok || err != nil {
			return text, err
		}
		if err := w.fill(); err != nil {
			return nil, err
		}
	}
}

// control writes a frame with at most 125 octets of payload. It belongs to whoever reads.
func (w *socket) control(opcode byte, payload []byte) error {
	payload = payload[:min(len(payload), 125)]
	_, err := w.conn.Write(appendFrame(w.answerBytes[:0], opcode, payload))
	return err
}

// closed answers a close frame and returns it as an error.
func (w *socket) closed(payload []byte) error {
	e := &CloseError{Code: 1005}
	if len(payload) >= 2 {
		e.Code, e.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
	}
	if !w.closedByUs {
		_ = w.control(opClose, payload) // whether it goes out or not, this is the end
	}
	return e
}

// write writes the frames in out.
func (w *socket) write() error {
	_, err := w.conn.Write(w.out)
	return err
}

// close closes with code 1000 and waits for the answer, in which the server repeats the code (RFC 6455 section 5.5.1). A server that
// ends the connection without one, as Mozilla's does, has closed too.
func (w *socket) close() error {
	defer w.cut()
	asked := false
	err := w.within(context.Background(), closeTimeout, func() error {
		w.closedByUs = true
		if err := w.control(opClose, []byte{1000 >> 8, 1000 & 0xFF}); err != nil {
			return err
		}
		asked = true
		for {
			if _, err := w.readText(); err != nil {
				return err
			}
		}
	})
	if asked && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return nil
	}
	if closed, ok := errors.AsType[*CloseError](err); ok && (closed.Code == 1000 || closed.Code == 1005) {
		return nil
	}
	return err
}

// cut ends the connection without a word.
func (w *socket) cut() {
	w.conn.Close()
	w.begin = w.end
	w.release()
}

// appendFrame appends a frame of a client (RFC 6455 section 5.2).
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = appendHeader(dst, opcode, len(payload))
	begin := len(dst)
	dst = append(dst, payload...)
	mask(dst[begin:])
	return dst
}

// appendHeader appends what comes before the masked payload of so many octets.
func appendHeader(dst []byte, opcode byte, length int) []byte {
	dst = append(dst, final|opcode)
	switch {
	case length < 126:
		dst = append(dst, masked|byte(length))
	case length < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(length))
	}
	return binary.BigEndian.AppendUint32(dst, maskingKey)
}

// mask masks a payload (RFC 6455 section 5.3).
func mask(payload []byte) {
	const twice = maskingKey<<32 | maskingKey
	for ; len(payload) >= 8; payload = payload[8:] {
		binary.BigEndian.PutUint64(payload, binary.BigEndian.Uint64(payload)^twice)
	}
	for i := range payload {
		payload[i] ^= byte(uint32(maskingKey) >> (24 - 8*(i%4)))
	}
}
