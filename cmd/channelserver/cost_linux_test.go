package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The benchmarks here run the server as a process of its own, with all its features on, and measure
// what it uses, not what the client does. docs/performance.md has their figures.

// BenchmarkIdle opens 10,000 connections in 5,000 channels and lets them be. It reports the
// server's resident memory for each, as it is and after a garbage collection, and its goroutines.
func BenchmarkIdle(b *testing.B) {
	benchmarkIdle(b, func(p *process, conns int) { p.idle(b, conns) })
}

// benchmarkIdle measures what connections cost that open has opened.
func benchmarkIdle(b *testing.B, open func(p *process, conns int)) {
	const conns = 10_000
	for range b.N {
		p := startServer(b)
		before := p.resident(b)
		goroutines := p.metric("go_goroutines")
		open(p, conns)
		b.ReportMetric((p.resident(b)-before)/1024/conns, "KiB/conn")
		b.ReportMetric((p.metric("go_goroutines")-goroutines)/conns, "goroutines/conn")
		p.ask("/debug/pprof/heap?gc=1")
		p.ask("/debug/pprof/heap?gc=1")
		b.ReportMetric((p.resident(b)-before)/1024/conns, "KiB-after-GC/conn")
		b.ReportMetric((p.metric("go_memstats_heap_inuse_bytes")+p.metric("go_memstats_stack_inuse_bytes"))/1024/conns, "KiB-in-use/conn")
		p.stop()
	}
}

// BenchmarkMessage relays messages of 512 octets, one in flight in each direction of eight channels, while other
// connections are idle. It reports the server's CPU time for each message.
func BenchmarkMessage(b *testing.B) {
	for _, idle := range []int{0, 1_000, 10_000} {
		b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) {
			p := startServer(b)
			p.idle(b, idle)
			const channels = 8
			var conns []net.Conn
			for range channels {
				first, link := p.open(b, "/v1/ws/")
				second, _ := p.open(b, link)
				conns = append(conns, first, second)
			}
			message := maskedText(strings.Repeat("x", 512))
			b.ResetTimer()
			before := p.cpu(b)
			var tasks sync.WaitGroup
			for i := 0; i < len(conns); i += 2 {
				tasks.Go(func() {
					for n := 0; n < b.N; n += 2 * channels {
						for direction := range 2 {
							if _, err := conns[i+direction].Write(message); err != nil {
								b.Error(err)
								return
							}
							if err := readFrame(conns[i+1-direction]); err != nil {
								b.Error(err)
								return
							}
						}
					}
				})
			}
			tasks.Wait()
			messages := (b.N + 2*channels - 1) / (2 * channels) * 2 * channels
			b.ReportMetric(float64(p.cpu(b)-before)/float64(messages), "server-ns/message")
			p.stop()
		})
	}
}

// startServer builds the server as it is released and runs it, with no limits that a benchmark
// would meet.
func startServer(b *testing.B) *process {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "channelserver")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0",
		"--conn_lifespan=0", "--max_exchanges=0", "--drain_timeout=0", "--heartbeat_interval=60", "--client_timeout=600")
	cmd.Env = []string{}
	return launch(b, cmd)
}

// stop ends the server and waits for that.
func (p *process) stop() {
	p.signal(os.Interrupt)
	p.exit()
}

// idle opens channels of two until there are so many connections.
func (p *process) idle(b *testing.B, conns int) {
	b.Helper()
	for range conns / 2 {
		_, link := p.open(b, "/v1/ws/")
		p.open(b, link)
	}
}

// open opens a WebSocket by hand and returns the link in its first frame. It costs the client
// little: no goroutine, no buffer.
func (p *process) open(b *testing.B, path string) (net.Conn, string) {
	b.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: relay.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUser-Agent: benchmark\r\nAccept-Language: de-CH,de;q=0.8,en;q=0.5\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", path)
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	defer conn.SetReadDeadline(time.Time{})
	var answer []byte
	for octet := make([]byte, 1024); !strings.HasSuffix(string(answer), `"}`); {
		n, err := conn.Read(octet)
		if err != nil {
			b.Fatalf("%v after %q", err, answer)
		}
		answer = append(answer, octet[:n]...)
	}
	_, rest, _ := strings.Cut(string(answer), `"link":"`)
	link, _, _ := strings.Cut(rest, `"`)
	return conn, link
}

// maskedText makes a text frame of a client, masked with zeros.
func maskedText(text string) []byte {
	frame := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	return append(append(frame, 0, 0, 0, 0), text...)
}

// readFrame reads one frame of 126 to 65535 octets.
func readFrame(conn net.Conn) error {
	var header [4]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, binary.BigEndian.Uint16(header[2:])))
	return err
}

// resident returns the memory of the process that is in RAM, in octets.
func (p *process) resident(b *testing.B) float64 {
	return p.metric("process_resident_memory_bytes")
}

// cpu returns the CPU time that the process has used, by its own clock (clock_getcpuclockid(3)).
func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	const perProcess = 2 // CPUCLOCK_SCHED of linux/include/linux/posix-timers_types.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.Process.Pid)<<3|perProcess, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
