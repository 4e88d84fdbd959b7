package pairing

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"channelserver/geo"
	"channelserver/relay"
)

// Text frames are the same, octet for octet, as those of gorilla, for every form of length, and leave alone what is
// before them.
func TestTextFrames(t *testing.T) {
	var frames []byte
	theirs := &recording{tape: tape{bytes.NewReader(nil)}}
	ws := upgrade(t, theirs)
	theirs.octets = nil
	for _, length := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000, 3} {
		text := bytes.Repeat([]byte("t"), length)
		frames = endText(append(beginText(frames), text...), len(frames))
		if err := ws.WriteMessage(websocket.TextMessage, text); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(frames, theirs.octets) {
			t.Fatalf("up to %d octets: the frames differ", length)
		}
	}
}

// A listener is a version of the protocol that keeps what it receives.
type listener struct {
	v1
	texts []string
}

func (l *listener) receive(_ *conn, text []byte) { l.texts = append(l.texts, string(text)) }

// A reel is a descriptor that plays a tape, so many octets at a time.
type reel struct {
	tape
	chunk   int
	buffers *pool
}

func (r *reel) tryWrite(p []byte) (int, error) { return len(p), nil }

func (r *reel) receive(into sink) error {
	for {
		p := r.buffers.get()
		n, err := r.Read((*p)[:r.chunk])
		if err != nil {
			return err
		}
		*p = (*p)[:n]
		if !into.arrive(p) {
			return nil
		}
	}
}

func (*reel) probe() {}

// FuzzText checks that it makes no difference to what is received, and to why the connection ends, whether messages
// are read where they lie or by gorilla.
func FuzzText(f *testing.F) {
	for _, c := range gateCases {
		f.Add(c.octets, 3)
		f.Add(c.octets, 1000)
	}
	text := frame(finalBit|opText, "a message of more than eight octets")
	long := frame(finalBit|opText, strings.Repeat("long", 50))
	f.Add(join(text, long, text, frame(finalBit|opBinary, "x"), text, frame(finalBit|opText, "\xff"), text), 1000)
	f.Add(join(text, frame(opText, "be"), frame(finalBit|opPing, "?"), frame(finalBit|opContinuation, "gun"), long, frame(finalBit|opClose, "\x03\xe8bye")), 150)
	f.Add(join(text, frame(opBinary, "x"), text), 1000)
	f.Fuzz(func(t *testing.T, octets []byte, chunk int) {
		chunk = max(1, min(chunk, 4096))
		read := func(inPlace bool) ([]string, relay.Reason) {
			counts := new(counts)
			server := NewServer(relay.New(relay.Limits{}, counts), &geo.Locator{}, counts, slog.New(slog.DiscardHandler), Options{})
			played := tape{bytes.NewReader(octets)}
			h := &hijacker{ResponseWriter: played, server: server, maxMessage: 1000}
			ws := upgrade(t, h)
			if inPlace {
				h.socket.descriptor = &reel{played, chunk, &server.buffers}
			}
			heard := new(listener)
			c := newConn(server, heard, ws, h, netip.Addr{})
			c.gone(c.read())
			return heard.texts, counts.last()
		}
		want, whyWant := read(false)
		got, why := read(true)
		if !slices.Equal(got, want) || why != whyWant {
			t.Errorf("in place: %q, %s; by gorilla: %q, %s", got, why, want, whyWant)
		}
	})
}
