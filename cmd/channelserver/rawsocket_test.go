package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What begins a frame (RFC 6455 section 5.2).
const (
	fin                = 0x80
	rsv1, rsv2, rsv3   = 0x40, 0x20, 0x10
	continuation, text = 0x0, 0x1
	binaryData         = 0x2
	closing            = 0x8
	ping, pong         = 0x9, 0xA
)

// A rawSocket is a WebSocket whose client can do wrong.
type rawSocket struct {
	t testing.TB
	net.Conn
	from *bufio.Reader
}

// rawUpgrade opens a WebSocket at a path, with more lines in the header if need be, without reading a frame. It
// offers compression, which must never be taken up (RFC 7692).
func (p *process) rawUpgrade(path string, lines ...string) *rawSocket {
	p.t.Helper()
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(p.t.Context(), "tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	var request strings.Builder
	request.WriteString(strings.Replace(handshake, "/v1/ws/", path, 1) + "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	for _, line := range lines {
		request.WriteString(line + "\r\n")
	}
	if _, err := io.WriteString(conn, request.String()+"\r\n"); err != nil {
		p.t.Fatal(err)
	}
	from := bufio.NewReader(conn)
	response, err := http.ReadResponse(from, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		p.t.Fatalf("%s: %v, %+v", path, err, response)
	}
	for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		if got := response.Header.Values(name); got != nil {
			p.t.Errorf("%s is answered: %q", name, got)
		}
	}
	return &rawSocket{p.t, conn, from}
}

// rawJoin opens a WebSocket and reads the first frame.
func (p *process) rawJoin(path string) *rawSocket {
	p.t.Helper()
	s := p.rawUpgrade(path)
	if first, err := s.next(); err != nil || !strings.HasPrefix(first, `text {"link":"/v1/ws/`) {
		p.t.Fatalf("%s: the first frame is %q, %v", path, first, err)
	}
	return s
}

// next reads a frame of the server's and returns it in words: its kind, for a close frame its code,
// and its payload.
func (s *rawSocket) next() (string, error) {
	s.SetDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(s.from, head[:]); err != nil {
		return "", err
	}
	length := uint64(head[1])
	var long [8]byte
	switch length {
	case 126:
		if _, err := io.ReadFull(s.from, long[6:]); err != nil {
			return "", err
		}
		length = binary.BigEndian.Uint64(long[:])
	case 127:
		if _, err := io.ReadFull(s.from, long[:]); err != nil {
			return "", err
		}
		length = binary.BigEndian.Uint64(long[:])
	}
	if head[1]&0x80 != 0 || length > 1<<20 {
		return "", fmt.Errorf("a frame that begins with %x and has %d octets", head, length)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(s.from, payload); err != nil {
		return "", err
	}
	switch head[0] {
	case fin | text:
		return "text " + string(payload), nil
	case fin | ping:
		return "ping " + string(payload), nil
	case fin | pong:
		return "pong " + string(payload), nil
	case fin | closing:
		if len(payload) < 2 {
			return "close " + string(payload), nil
		}
		return strings.TrimSpace(fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(payload), payload[2:])), nil
	}
	return "", fmt.Errorf("a frame that begins with %x", head)
}

// answers reads all frames to the end of the connection, and answers the close of the server. Behind
// a close frame a reset is an end like any other: the server has not read what it had no use for.
func (s *rawSocket) answers() (frames []string, err error) {
	closed := false
	for {
		frame, err := s.next()
		if errors.Is(err, io.EOF) || closed && errors.Is(err, syscall.ECONNRESET) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		frames = append(frames, frame)
		closed = closed || strings.HasPrefix(frame, "close ")
		if closed && len(frame) > len(takesLeave) { // it has a reason, so the server began
			_, _ = s.Write(leaving())
		}
	}
}

// masked makes a frame of a client. The key is not zero, so that unmasking is tested.
func masked(first byte, payload string) []byte {
	frame := header(first, uint64(len(payload)))
	for i := range len(payload) {
		frame = append(frame, payload[i]^maskingKey[i%4])
	}
	return frame
}

var maskingKey = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// header makes the header of a frame that says it has so many octets.
func header(first byte, length uint64) []byte {
	var head []byte
	switch {
	case length < 126:
		head = []byte{first, 0x80 | byte(length)}
	case length < 1<<16:
		head = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(length))
	default:
		head = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length)
	}
	return append(head, maskingKey[:]...)
}

// closeWith makes a close frame of a client.
func closeWith(code uint16, reason string) []byte {
	return masked(fin|closing, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// cut makes a message of fragments of so many octets, with a frame between them if there is one.
func cut(kind byte, message string, size int, between []byte) []byte {
	var all []byte
	for first := kind; ; first = continuation {
		if len(message) <= size {
			return append(all, masked(fin|first, message)...)
		}
		all = append(append(all, masked(first, message[:size])...), between...)
		message = message[size:]
	}
}
