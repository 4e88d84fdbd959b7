package main

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
)

// TestRFC6455 plays the cases of RFC 6455 against the running server, each whole and in small
// pieces. The others in the channel hear what was right, and go on.
func TestRFC6455(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0")
	for family, cases := range wireFamilies() {
		t.Run(family, func(t *testing.T) {
			p := p.in(t)
			beside := p.healthyPair()
			b, c := p.pair()
			for _, wire := range cases {
				for _, piece := range []int{len(wire.octets), max(1, len(wire.octets)/1000)} {
					if !p.plays(wire, piece, b, c) {
						t.Fatalf("%s, in pieces of %d octets: see above", wire.name, piece)
					}
				}
			}
			beside.calm()
		})
	}
}

// in returns the process as seen from a part of its test.
func (p *process) in(t testing.TB) *process {
	return &process{Cmd: p.Cmd, t: t, scheme: p.scheme, address: p.address, admin: p.admin, ended: p.ended}
}

// plays plays a case to a channel with two others in it, and tells whether all went well.
func (p *process) plays(wire wireCase, piece int, b, c *client) bool {
	p.t.Helper()
	a := p.rawJoin(b.link)
	var sending sync.WaitGroup
	sending.Go(func() {
		for octets := range slices.Chunk(wire.octets, piece) {
			if _, err := a.Write(octets); err != nil {
				return // the server has closed; the answers tell why
			}
		}
	})
	answers, err := a.answers()
	a.Close()
	sending.Wait()
	if err != nil || !slices.Equal(answers, wire.answers) {
		p.t.Errorf("%s: answered %.200q, %v; want %.200q", wire.name, answers, err, wire.answers)
		return false
	}
	for _, message := range wire.heard {
		b.hears(message)
		c.hears(message)
	}
	talk(b, c) // and nothing else was heard
	return true
}

// Clients that go without a word are found out, wherever in a frame they are, and cost nobody else.
func TestGoneWithoutClose(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0")
	beside := p.healthyPair()
	b, c := p.pair()
	whole := masked(fin|text, "whole")
	lost := 0.0
	for name, octets := range map[string][]byte{
		"7.1.5 before a frame":            nil,
		"7.1.5 after a frame":             whole,
		"7.1.5 in a header":               join(whole, []byte{fin | text}),
		"7.1.5 in a length":               join(whole, header(fin|text, 65536)[:5]),
		"7.1.5 in a key":                  join(whole, header(fin|text, 5)[:4]),
		"7.1.5 in a payload":              join(whole, masked(fin|text, "never whole")[:9]),
		"7.1.5 between fragments":         join(whole, masked(text, "never whole")),
		"7.1.5 in a close frame":          join(whole, leaving()[:7]),
		"7.1.5 behind an answered ping":   join(whole, masked(fin|ping, "?")),
		"7.1.5 in the first of fragments": join(whole, masked(text, "never whole")[:9]),
	} {
		for _, how := range []string{"half closed", "closed", "reset"} {
			a := p.rawJoin(b.link)
			if _, err := a.Write(octets); err != nil {
				t.Fatal(err)
			}
			if octets != nil { // before a reset, which throws away what is under way
				b.hears("whole")
				c.hears("whole")
			}
			switch tcp := a.Conn.(*net.TCPConn); how {
			case "half closed":
				tcp.CloseWrite()
				if _, err := a.answers(); err != nil {
					t.Errorf("%s, %s: %v", name, how, err)
				}
			case "reset":
				tcp.SetLinger(0)
			}
			a.Close()
			lost++
			p.becomes(`channelserver_conn_closed_total{reason="lost"}`, lost)
			talk(b, c)
		}
	}
	beside.calm()
}

// A client that has vanished without closing anything says nothing more, not even to pings.
func TestVanished(t *testing.T) {
	t.Parallel()
	p := start(t, "--max_exchanges=0", "--conn_lifespan=0", "--client_timeout=8s", "--heartbeat_interval=2s") // in which the others say something
	beside := p.healthyPair()
	for range 10 {
		p.rawJoin("/v1/ws/")
	}
	p.becomes(`channelserver_conn_closed_total{reason="client-timeout"}`, 10)
	p.becomes("channelserver_connections", 2)
	beside.calm()
}

// What a client says is coming takes no memory before it comes.
func TestDeclaredLengths(t *testing.T) {
	t.Parallel()
	const (
		clients = 50
		most    = 16 << 20 // max_message_size
	)
	p := start(t, fmt.Sprintf("--max_message_size=%d", most))
	var sockets []*rawSocket
	for range clients {
		sockets = append(sockets, p.rawJoin("/v1/ws/"))
	}
	before := p.metric("go_memstats_alloc_bytes_total")
	for _, s := range sockets {
		if _, err := s.Write(join(header(fin|text, most), []byte("a"))); err != nil {
			t.Fatal(err)
		}
	}
	for range clients { // and what is refused takes none either
		s := p.rawJoin("/v1/ws/")
		if _, err := s.Write(header(fin|text, 1<<63-1)); err != nil {
			t.Fatal(err)
		}
		if answers, err := s.answers(); err != nil || !slices.Equal(answers, []string{tooBig}) {
			t.Fatalf("2^63-1 octets: %q, %v", answers, err)
		}
	}
	if took := p.metric("go_memstats_alloc_bytes_total") - before; took > most {
		t.Errorf("%d clients that declare %d octets made the server allocate %.0f", clients, most, took)
	}
	if connections := p.metric("channelserver_connections"); connections != clients {
		t.Errorf("%v connections are left, want %d", connections, clients)
	}
}
