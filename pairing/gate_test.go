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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// gateCases are named after the sections of RFC 6455 that they are about.
var gateCases = []struct {
	name     string
	octets   []byte
	arrivals int // messages and control frames
	why      relay.Reason
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
	{"5.4 fragments over the limit", join(frame(opText, strings.Repeat("a", 600)), header(opContinuation, 401)), 0, relay.MessageTooBig},
	{"5.4 fragments at the limit, twice", join(frame(opText, strings.Repeat("a", 600)), frame(finalBit|opContinuation, strings.Repeat("a", 400)), frame(finalBit|opText, strings.Repeat("a", 1000))), 2, relay.None},
	{"5.4 fragments", join(frame(opText, "a"), frame(opContinuation, ""), frame(finalBit|opContinuation, "b")), 1, relay.None},
	{"5.4 control between fragments", join(frame(opText, "a"), frame(finalBit|opPing, "?"), frame(finalBit|opContinuation, "b")), 2, relay.None},
	{"5.4 continuation of nothing", frame(finalBit|opContinuation, "a"), 0, relay.ProtocolError},
	{"5.4 continuation of a whole message", join(frame(finalBit|opText, "a"), frame(opContinuation, "a")), 1, relay.ProtocolError},
	{"5.4 data inside a fragmented message", join(frame(opText, "a"), frame(finalBit|opText, "b")), 0, relay.ProtocolError},
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

// assemble feeds an assembly in chunks. It returns what arrived, with its opcode, and how many octets passed.
func assemble(octets []byte, chunk int) (arrived []string, passed int, why relay.Reason) {
	a := assembly{gate: gate{maxMessage: 1000}, buffers: new(pool)}
	octets = bytes.Clone(octets) // they are unmasked
	for part := range slices.Chunk(octets, max(chunk, 1)) {
		for len(part) > 0 {
			n, got, why := a.next(part, 0)
			if why != relay.None {
				return arrived, passed, why
			}
			part = part[n:]
			passed += n
			if got.opcode != opContinuation {
				arrived = append(arrived, string(rune('0'+got.opcode))+string(got.payload))
			}
			if got.buffer != nil {
				clear(*got.buffer) // whoever looks at it again will see
				a.buffers.put(got.buffer)
			}
		}
	}
	return arrived, passed, relay.None
}

func TestGate(t *testing.T) {
	for _, c := range gateCases {
		t.Run(c.name, func(t *testing.T) {
			for chunk := 1; chunk <= len(c.octets); chunk++ {
				arrived, passed, why := assemble(c.octets, chunk)
				if len(arrived) != c.arrivals || why != c.why {
					t.Fatalf("in chunks of %d: %q, %s; want %d, %s", chunk, arrived, why, c.arrivals, c.why)
				}
				if why == relay.None && passed != len(c.octets) {
					t.Fatalf("in chunks of %d: not all was taken", chunk)
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

// FuzzAssembly checks that what arrives is what gorilla makes of the same octets, that gorilla never finds fault with what the gate
// lets through, so that every close has a reason of ours, and that it makes no difference in which pieces octets come in.
func FuzzAssembly(f *testing.F) {
	for _, c := range gateCases {
		f.Add(c.octets, 3)
		f.Add(c.octets, 1000)
	}
	for _, c := range floods[:1] {
		f.Add(bytes.Repeat(c.frame, c.most+1), 1000)
	}
	f.Add(join(frame(opText, ""), bytes.Repeat(frame(opContinuation, ""), maxFragments)), 1000)
	text := frame(finalBit|opText, "a message of more than eight octets")
	long := frame(finalBit|opText, strings.Repeat("long", 50))
	f.Add(join(text, long, text, frame(finalBit|opBinary, "x"), text), 1000)
	f.Add(join(text, frame(opText, "be"), frame(finalBit|opPing, "?"), frame(finalBit|opContinuation, "gun"), long, frame(finalBit|opClose, "\x03\xe8bye")), 150)
	f.Add(join(text, frame(opBinary, "x"), frame(finalBit|opPing, "a ping of more than eight octets"), frame(finalBit|opContinuation, "y"), text), 7)
	f.Fuzz(func(t *testing.T, octets []byte, chunk int) {
		whole, passed, why := assemble(octets, len(octets))
		pieces, _, why2 := assemble(octets, min(chunk, len(octets)))
		if !slices.Equal(whole, pieces) || why != why2 {
			t.Fatalf("at once: %q, %s; in pieces of %d: %q, %s", whole, why, chunk, pieces, why2)
		}
		theirs, err := gorillaReads(t, octets[:passed])
		var closed *websocket.CloseError
		if !errors.As(err, &closed) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("gorilla refused what the gate passed: %v", err)
		}
		ours := whole
		if end := slices.IndexFunc(ours, func(one string) bool { return one[0] == '0'+opClose }); end >= 0 {
			ours = ours[:end+1] // gorilla reads no further
		}
		if !slices.Equal(ours, theirs) {
			t.Fatalf("ours: %q; of gorilla: %q", ours, theirs)
		}
	})
}

// gorillaReads gives octets to a server connection of gorilla's until that fails. It returns what arrived, as assemble does.
func gorillaReads(t *testing.T, octets []byte) (arrived []string, err error) {
	ws := upgrade(t, tape{bytes.NewReader(octets)})
	note := func(opcode int, payload string) { arrived = append(arrived, string(rune('0'+opcode))+payload) }
	ws.SetPingHandler(func(payload string) error { note(opPing, payload); return nil })
	ws.SetPongHandler(func(payload string) error { note(opPong, payload); return nil })
	ws.SetCloseHandler(func(code int, reason string) error {
		note(opClose, string(websocket.FormatCloseMessage(code, reason)))
		return nil
	})
	for {
		kind, r, err := ws.NextReader()
		if err != nil {
			return arrived, err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return arrived, err
		}
		if kind == websocket.BinaryMessage {
			text = nil // which are left out
		}
		note(kind, string(text))
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
