package pairing

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"channelserver/relay"
)

// BenchmarkRelay relays messages of 512 octets between two members over loopback, one at a time. The clients
// allocate nothing, so what is allocated is the server's; the time is that of both sides.
func BenchmarkRelay(b *testing.B) {
	message := strings.Repeat("x", 512)
	b.Run("v1", func(b *testing.B) {
		url, _ := newTCP(b, false, relay.Limits{}, Options{MaxMessageSize: 65536})
		members := pairTCP(b, url, 2)
		from, to := members[0].NetConn(), members[1].NetConn()
		frame := appendMasked(nil, []byte(message))
		octets := make([]byte, 1024)
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, from, frame, octets, to)
		}
	})
	for _, every := range []int{1, 64} {
		b.Run(fmt.Sprintf("v2,ack=%d", every), func(b *testing.B) {
			url, _ := newTCP(b, false, relay.Limits{MaxLag: 1 << 20}, Options{MaxMessageSize: 65536})
			first := dialTCP(b, url+"/v2/ws/")
			var seat welcome
			first.WriteMessage(1, []byte(hello))
			if err := first.ReadJSON(&seat); err != nil {
				b.Fatal(err)
			}
			other := dialTCP(b, url+seat.Link)
			other.WriteMessage(1, []byte(hello))
			if _, _, err := other.ReadMessage(); err != nil { // welcome
				b.Fatal(err)
			}
			if _, _, err := first.ReadMessage(); err != nil { // joined
				b.Fatal(err)
			}
			from, to := first.NetConn(), other.NetConn()
			text, frame, octets := make([]byte, 0, 1024), make([]byte, 0, 1024), make([]byte, 1024)
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				text = strconv.AppendInt(append(text[:0], `{"type":"send","n":`...), int64(n), 10)
				text = append(append(append(text, `,"message":"`...), message...), `"}`...)
				frame = appendMasked(frame[:0], text)
				exchange(b, from, frame, octets, to, from)
				if n%every == 0 {
					text = append(strconv.AppendInt(append(text[:0], `{"type":"ack","seq":`...), int64(n), 10), '}')
					frame = appendMasked(frame[:0], text)
					exchange(b, to, frame, octets, from) // delivered
				}
			}
		})
	}
}

// exchange writes frames and reads one frame from each of the readers.
func exchange(b *testing.B, from net.Conn, frames, octets []byte, readers ...net.Conn) {
	if _, err := from.Write(frames); err != nil {
		b.Fatal(err)
	}
	for _, to := range readers {
		if err := discardFrame(to, octets); err != nil {
			b.Fatal(err)
		}
	}
}

// discardFrame reads one frame of less than 64 KiB from a server.
func discardFrame(conn net.Conn, octets []byte) error {
	if _, err := io.ReadFull(conn, octets[:2]); err != nil {
		return err
	}
	length := int(octets[1])
	if length == 126 {
		if _, err := io.ReadFull(conn, octets[:2]); err != nil {
			return err
		}
		length = int(binary.BigEndian.Uint16(octets))
	}
	_, err := io.ReadFull(conn, octets[:length])
	return err
}

// appendMasked appends a text frame of a client, masked with zeros.
func appendMasked(dst, text []byte) []byte {
	if len(text) < 126 {
		dst = append(dst, finalBit|opText, 0x80|byte(len(text)), 0, 0, 0, 0)
	} else {
		dst = append(dst, finalBit|opText, 0x80|126, byte(len(text)>>8), byte(len(text)), 0, 0, 0, 0)
	}
	return append(dst, text...)
}
