package pairing

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// gateCases are named after the sections of RFC 6455 that they are about.
var gateCases = []struct {
	name   string
	octets []byte
	frames int
	why    relay.Reason
}{
	{"5.1 unmasked", []byte{finalBit | opText, 0}, 0, relay.ProtocolError},
	{"5.2 RSV1", frame(finalBit|0x40|opText, "a"), 0, relay.ProtocolError},
	{"5.2 RSV2", frame(finalBit|0x20|opText, "a"), 0, relay.ProtocolError},
	{"5.2 RSV3", frame(finalBit|0x10|opText, "a"), 0, relay.ProtocolError},
	{"5.2 reserved data opcode", frame(finalBit|0x3, "a"), 0, relay.ProtocolError},
	{"5.2 reserved control opcode", frame(finalBit|0xB, "a"), 0, relay.ProtocolError},
	{"5.2 length with the top bit set", header(finalBit|opText, 1<<63), 0, relay.ProtocolError},
	{"5.2 length of 2^63-1", header(finalBit|opText, 1<<63-1), 0, relay.MessageTooBig},
	{"5.2 length one over the limit", header(finalBit|opText, 1001), 0, relay.MessageTooBig},
	{"5.2 length at the limit", frame(finalBit|opText, strings.Repeat("a", 1000)), 1, relay.None},
	{"5.2 binary over the limit", header(finalBit|opBinary, 1001), 0, relay.MessageTooBig},
	{"5.4 fragments over the limit", join(frame(opText, strings.Repeat("a", 600)), header(opContinuation, 401)), 1, relay.MessageTooBig},
	{"5.4 fragments at the limit, twice", join(frame(opText, strings.Repeat("a", 600)), frame(finalBit|opContinuation, strings.Repeat("a", 400)), frame(finalBit|opText, strings.Repeat("a", 1000))), 3, relay.None},
	{"5.4 fragments", join(frame(opText, "a"), frame(opContinuation, ""), frame(finalBit|opContinuation, "b")), 3, relay.None},
	{"5.4 control between fragments", join(frame(opText, "a"), frame(finalBit|opPing, "?"), frame(finalBit|opContinuation, "b")), 3, relay.None},
	{"5.4 continuation of nothing", frame(finalBit|opContinuation, "a"), 0, relay.ProtocolError},
	{"5.4 continuation of a whole message", join(frame(finalBit|opText, "a"), frame(opContinuation, "a")), 1, relay.ProtocolError},
	{"5.4 data inside a fragmented message", join(frame(opText, "a"), frame(finalBit|opText, "b")), 1, relay.ProtocolError},
	{"5.5 fragmented control", frame(opPing, ""), 0, relay.ProtocolError},
	{"5.5 oversized control", frame(finalBit|opPing, strings.Repeat("a", 126)), 0, relay.ProtocolError},
	{"5.5 control of 125", frame(finalBit|opPong, strings.Repeat("a", 125)), 1, relay.None},
	{"5.5.1 empty close", frame(finalBit|opClose, ""), 1, relay.None},
	{"5.5.1 close of one octet", frame(finalBit|opClose, "\x03"), 0, relay.ProtocolError},
	{"5.5.1 reason that is not UTF-8", frame(finalBit|opClose, "\x03\xe8\xff"), 0, relay.ProtocolError},
	{"7.4.1 close 1000", frame(finalBit|opClose, "\x03\xe8bye"), 1, relay.None},
	{"7.4.1 close 1004", frame(finalBit|opClose, "\x03\xec"), 0, relay.ProtocolError},
	{"7.4.1 close 1005", frame(finalBit|opClose, "\x03\xed"), 0, relay.ProtocolError},
	{"7.4.1 close 1006", frame(finalBit|opClose, "\x03\xee"), 0, relay.ProtocolError},
	{"7.4.1 close 1015", frame(finalBit|opClose, "\x03\xf7"), 0, relay.ProtocolError},
	{"7.4.2 close 999", frame(finalBit|opClose, "\x03\xe7"), 0, relay.ProtocolError},
	{"7.4.2 close 2999", frame(finalBit|opClose, "\x0b\xb7"), 0, relay.ProtocolError},
	{"7.4.2 close 3000", frame(finalBit|opClose, "\x0b\xb8"), 1, relay.None},
	{"7.4.2 close 5000", frame(finalBit|opClose, "\x13\x88"), 0, relay.ProtocolError},
}

func header(first byte, length uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length), 1, 2, 3, 4)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// pass feeds a gate in chunks and returns what it lets through.
func pass(g *gate, octets []byte, chunk int) (passed []byte, frames int, why relay.Reason) {
	for len(octets) > 0 && why == relay.None {
		next := octets[:min(chunk, len(octets))]
		octets = octets[len(next):]
		var n, f int
		n, f, why = g.scan(next, 0)
		passed = append(passed, next[:n]...)
		frames += f
	}
	return passed, frames, why
}

func TestGate(t *testing.T) {
	for _, c := range gateCases {
		t.Run(c.name, func(t *testing.T) {
			for chunk := 1; chunk <= len(c.octets); chunk++ {
				passed, frames, why := pass(&gate{maxMessage: 1000}, c.octets, chunk)
				if frames != c.frames || why != c.why {
					t.Fatalf("in chunks of %d: %d frames, %s; want %d, %s", chunk, frames, why, c.frames, c.why)
				}
				if why == relay.None && !bytes.Equal(passed, c.octets) {
					t.Fatalf("in chunks of %d: not all was passed", chunk)
				}
			}
		})
	}
}

// The same through the whole door: the client is told the reason, and is alone in it.
func TestProtocolErrors(t *testing.T) {
	for _, c := range gateCases {
		if c.why == relay.None {
			continue
		}
		bubble(t, c.name, func(t *testing.T) {
			w := newWorld(t, relay.Limits{}, Options{MaxMessageSize: 1000})
			a, b := w.pair()
			c2 := w.connect(a.link, "192.0.2.1")
			go func() {
				for { // what fragments came through to b whole, if any
					if _, _, err := b.ws.ReadMessage(); err != nil {
						return
					}
				}
			}()
			go a.raw.Write(c.octets)
			a.closed(c.why)
			b.send("go on")
			for c2.message() != "go on" {
			}
		})
	}
}

// FuzzGate checks that gorilla never finds fault with what the gate lets through, so that every
// close has a reason of ours; and that what the gate says does not depend on how octets come in.
func FuzzGate(f *testing.F) {
	for _, c := range gateCases {
		f.Add(c.octets, 3)
	}
	for _, c := range floods[:1] {
		f.Add(bytes.Repeat(c.frame, c.most+1), 1000)
	}
	f.Add(join(frame(opText, ""), bytes.Repeat(frame(opContinuation, ""), maxFragments)), 1000)
	f.Fuzz(func(t *testing.T, octets []byte, chunk int) {
		chunk = max(1, min(chunk, len(octets)))
		whole, frames, why := pass(&gate{maxMessage: 1000}, octets, max(len(octets), 1))
		passed, frames2, why2 := pass(&gate{maxMessage: 1000}, octets, chunk)
		if frames != frames2 || why != why2 {
			t.Fatalf("whole: %d frames, %s; in chunks of %d: %d, %s", frames, why, chunk, frames2, why2)
		}
		if !bytes.HasPrefix(octets, whole) || !bytes.HasPrefix(octets, passed) {
			t.Fatal("the gate changed what it passed")
		}
		var closed *websocket.CloseError
		if err := gorillaReads(t, passed); !errors.As(err, &closed) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("gorilla refused what the gate passed: %v", err)
		}
	})
}

// gorillaReads gives octets to a server connection of gorilla's until that fails.
func gorillaReads(t *testing.T, octets []byte) error {
	ws := upgrade(t, tape{bytes.NewReader(octets)})
	for {
		_, r, err := ws.NextReader()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return err
		}
	}
}

// upgrade makes a server connection of gorilla's.
func upgrade(t *testing.T, w http.ResponseWriter) *websocket.Conn {
	t.Helper()
	request := httptest.NewRequest("GET", "/", nil)
	for key, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		request.Header.Set(key, value)
	}
	upgrader := websocket.Upgrader{}
	ws, err := upgrader.Upgrade(w, request, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// A tape is a connection that plays octets, and the response that is hijacked to get it.
type tape struct{ *bytes.Reader }

func (c tape) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return c, bufio.NewReadWriter(bufio.NewReader(eof{}), bufio.NewWriter(c)), nil
}
func (tape) Header() http.Header              { return http.Header{} }
func (tape) WriteHeader(int)                  {}
func (tape) Write(p []byte) (int, error)      { return len(p), nil }
func (tape) Close() error                     { return nil }
func (tape) LocalAddr() net.Addr              { return nil }
func (tape) RemoteAddr() net.Addr             { return nil }
func (tape) SetDeadline(time.Time) error      { return nil }
func (tape) SetReadDeadline(time.Time) error  { return nil }
func (tape) SetWriteDeadline(time.Time) error { return nil }

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
