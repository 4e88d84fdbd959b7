package pairing

import (
	"bytes"
	"testing"

	"github.com/gorilla/websocket"
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
