package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// The benchmarks here are those of version 1 for version 2, whose seats nobody takes back.

// BenchmarkIdleV2 is BenchmarkIdle.
func BenchmarkIdleV2(b *testing.B) {
	benchmarkIdle(b, func(p *process, conns int) {
		for range conns / 2 {
			first, link := p.openV2(b, "/v2/ws/")
			p.openV2(b, link)
			if _, err := readText(first); err != nil { // joined
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMessageV2 is BenchmarkMessage. Each client acknowledges as many messages at once as the name says,
// and so often the server tells the sender.
func BenchmarkMessageV2(b *testing.B) {
	for _, every := range []int{1, 64} {
		b.Run(fmt.Sprintf("ack=%d", every), func(b *testing.B) {
			p := startServer(b)
			const channels = 8
			message := strings.Repeat("x", 512)
			var conns [channels][2]net.Conn
			for i := range conns {
				var link string
				conns[i][0], link = p.openV2(b, "/v2/ws/")
				conns[i][1], _ = p.openV2(b, link)
				if _, err := readText(conns[i][0]); err != nil { // joined
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			before := p.cpu(b)
			rounds := (b.N + 2*channels - 1) / (2 * channels)
			var tasks sync.WaitGroup
			for _, pair := range conns {
				tasks.Go(func() {
					for n := 1; n <= rounds; n++ {
						for direction := range 2 {
							from, to := pair[direction], pair[1-direction]
							exchange(b, from, fmt.Sprintf(`{"type":"send","n":%d,"message":"%s"}`, n, message), to, from)
							if n%every == 0 {
								exchange(b, to, fmt.Sprintf(`{"type":"ack","seq":%d}`, 2*n-1+direction), from)
							}
						}
					}
				})
			}
			tasks.Wait()
			b.ReportMetric(float64(p.cpu(b)-before)/float64(rounds*2*channels), "server-ns/message")
			p.stop()
		})
	}
}

// exchange sends a frame and reads one from each of the readers.
func exchange(b *testing.B, from net.Conn, text string, readers ...net.Conn) {
	if _, err := from.Write(maskedFrame(text)); err != nil {
		b.Error(err)
	}
	for _, to := range readers {
		if _, err := readText(to); err != nil {
			b.Error(err)
		}
	}
}

// openV2 opens a WebSocket of version 2 by hand, says hello and returns the link in its welcome.
func (p *process) openV2(b *testing.B, path string) (net.Conn, string) {
	b.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	defer conn.SetReadDeadline(time.Time{})
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: relay.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUser-Agent: benchmark\r\nAccept-Language: de-CH,de;q=0.8,en;q=0.5\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", path)
	var answer []byte
	for octets := make([]byte, 1024); !strings.HasSuffix(string(answer), "\r\n\r\n"); {
		n, err := conn.Read(octets)
		if err != nil {
			b.Fatalf("%v after %q", err, answer)
		}
		answer = append(answer, octets[:n]...)
	}
	if _, err := conn.Write(maskedFrame(`{"type":"hello"}`)); err != nil {
		b.Fatal(err)
	}
	text, err := readText(conn)
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, `"link":"`)
	link, _, found := strings.Cut(rest, `"`)
	if !found {
		b.Fatalf("not a welcome: %s", text)
	}
	return conn, link
}

// maskedFrame makes a text frame of a client of less than 64 KiB, masked with zeros.
func maskedFrame(text string) []byte {
	frame := []byte{0x81, 0x80 | byte(min(len(text), 126))}
	if len(text) >= 126 {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(text)))
	}
	return append(append(frame, 0, 0, 0, 0), text...)
}

// readText reads one frame of a server of less than 64 KiB.
func readText(conn net.Conn) (string, error) {
	var header [2]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return "", err
	}
	length := uint16(header[1])
	if length == 126 {
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return "", err
		}
		length = binary.BigEndian.Uint16(header[:])
	}
	text := make([]byte, length)
	_, err := io.ReadFull(conn, text)
	return string(text), err
}
