package pairing

import (
	"bufio"
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"channelserver/geo"
	"channelserver/relay"
)

// A recording is a tape that keeps what is written to it.
type recording struct {
	tape
	mu     sync.Mutex
	octets []byte // guarded by mu
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.octets = append(r.octets, p...)
	return len(p), nil
}

// Hijack is tape's, but hands out the recording.
func (r *recording) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return r, bufio.NewReadWriter(bufio.NewReader(eof{}), bufio.NewWriter(r)), nil
}

// texts returns the text frames behind the answer to the handshake. They are not masked.
func (r *recording) texts(t *testing.T) (texts [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, rest, _ := bytes.Cut(r.octets, []byte("\r\n\r\n"))
	for len(rest) > 0 {
		first, length, header := rest[0], int(rest[1]), 2
		if length == 126 {
			length, header = int(rest[2])<<8|int(rest[3]), 4
		}
		if first != finalBit|opText && first != finalBit|opClose || length > 126<<8 || len(rest) < header+length {
			t.Fatalf("the server sent %q", rest)
		}
		if first == finalBit|opText {
			texts = append(texts, rest[header:header+length])
		}
		rest = rest[header+length:]
	}
	return texts
}

// A peer takes what there is at once and renders it in a version of the protocol.
type peer struct {
	version
	seat   *relay.Attachment
	frames [][]byte
}

func (p *peer) Wake() {
	var entries [4]relay.Entry
	for {
		n, _ := p.seat.Take(entries[:])
		if n == 0 {
			return
		}
		for i := range entries[:n] {
			p.frames = append(p.frames, p.appendFrame(nil, entries[i]))
		}
	}
}

// FuzzV2 sends texts, one for each line, to a connection of version 2. Whatever they are, no goroutine
// panics and the connection ends; and what it, a peer of version 2 and a peer of version 1 get is
// well-formed.
func FuzzV2(f *testing.F) {
	for _, lines := range []string{
		hello + "\n" + `{"type":"send","n":1,"message":"x"}` + "\n" + `{"type":"send","n":1,"message":"x"}` + "\n" + `{"type":"leave"}`,
		hello + "\n" + `{"type":"send","n":2,"message":"gap"}` + "\n" + `{"type":"send","n":1,"message":null}` + "\n" + `{"type":"ack","seq":1}`,
		hello + "\n" + `{"type":"ack","seq":18446744073709551615}` + "\n" + `{"type":"ack","seq":-1}` + "\n" + hello + "\n" + `{"type":"end"}`,
		hello + "\n" + `{"type":"send","n":1,"message":"\ud800\u2028\"\\<&>"}` + "\n" + `{"type":"send","n":2,"message":"` + strings.Repeat("x", 101) + `"}`,
		`{"type":"send","n":1,"message":"x"}` + "\n" + `{"type":"hello","resume":"AAAAAAAAAAAAAAAAAAAAAA","after":1}`,
		`nonsense` + "\n" + `[]` + "\n" + `null` + "\n" + `{"type":null}` + "\n" + `{"TYPE":"hello","type":"hello"}` + "\n" + `{"type":"leave"}{}`,
		hello + "\n\xff\n" + hello,
	} {
		f.Add([]byte(lines))
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		var octets []byte
		for _, line := range bytes.SplitN(lines, []byte("\n"), 100) {
			octets = append(octets, frame(finalBit|opText, string(line))...)
		}
		counts := new(counts)
		hub := relay.New(relay.Limits{MaxExchanges: 50}, counts)
		door := NewServer(hub, &geo.Locator{}, counts, slog.New(slog.DiscardHandler), Options{MaxMessageSize: 100})
		one, two := &peer{version: new(v1)}, &peer{version: &v2{reader: reader{locator: door.locator}}}
		one.seat, _ = hub.Create(geo.Sender{}.Addr, newCard(geo.Sender{}), one, relay.Live, 0)
		one.Wake()
		two.seat, _ = hub.Join(one.seat.ChannelID(), geo.Sender{}.Addr, newCard(geo.Sender{}), two, relay.Kept)
		two.Wake()
		two.seat.Send([]byte(`"kept"`), 4)

		request := httptest.NewRequest("GET", pathV2+"/"+one.seat.ChannelID().String(), nil)
		for key, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			request.Header.Set(key, value)
		}
		connection := &recording{tape: tape{bytes.NewReader(octets)}}
		var response http.ResponseWriter = connection
		door.ServeHTTP(response, request)
		for door.registry.count() > 0 {
			runtime.Gosched() // Wait would look once in 10 ms
		}
		hub.EndAll(t.Context(), relay.Shutdown, 0)
		if counts.panics > 0 || counts.last() == relay.None {
			t.Errorf("%d panics, closed with %s", counts.panics, counts.last())
		}
		for _, text := range append(connection.texts(t), two.frames...) {
			if err := wellFormed(text); err != nil {
				t.Error(err)
			}
		}
		for _, text := range one.frames {
			if err := wellFormedV1(text); err != nil {
				t.Error(err)
			}
		}
	})
}
