package relay_test

import (
	"fmt"
	"testing"
	"time"

	"channelserver/relay"
)

// A listener is a Peer that takes what comes in the goroutine that wakes it, as a door does, and
// acknowledges it when it is Kept.
type listener struct {
	member *relay.Attachment
	acks   bool
}

func (l *listener) Wake() {
	var entries [8]relay.Entry // as many as package pairing takes at once
	for {
		n, _ := l.member.Take(entries[:])
		if n == 0 {
			return
		}
		for i := range entries[:n] {
			if l.acks && entries[i].Kind == relay.Message {
				l.member.Ack(entries[i].Seq)
			}
		}
	}
}

func benchmarkSeat(b *testing.B, h *relay.Hub, id *relay.ID, mode relay.Mode) *relay.Attachment {
	l := &listener{acks: mode == relay.Kept}
	var why relay.Reason
	if id == nil {
		l.member, why = h.Create(home, nil, l, mode, 0)
	} else {
		l.member, why = h.Join(*id, home, nil, l, mode)
	}
	if why != relay.None {
		b.Fatal(why)
	}
	l.Wake()
	return l.member
}

// benchmarkChannel returns a member of a channel in which n-1 others listen.
func benchmarkChannel(b *testing.B, h *relay.Hub, n int, mode relay.Mode) *relay.Attachment {
	m := benchmarkSeat(b, h, nil, mode)
	id := m.ChannelID()
	for range n - 1 {
		benchmarkSeat(b, h, &id, mode)
	}
	return m
}

var benchmarkLimits = relay.Limits{Lifespan: 5 * time.Minute, MaxLag: 1 << 20, ResumeTimeout: 5 * time.Minute}

// modes are the columns of the tables that show what version 2 costs beside version 1.
var modes = []struct {
	name string
	mode relay.Mode
}{{"live", relay.Live}, {"kept", relay.Kept}}

// BenchmarkRelay sends one message of 512 octets and takes it at every other member. Kept ones acknowledge
// it, and the sender takes the receipts.
func BenchmarkRelay(b *testing.B) {
	for _, members := range []int{2, 3, 10} {
		for _, mode := range modes {
			b.Run(fmt.Sprintf("members=%d/mode=%s", members, mode.name), func(b *testing.B) {
				h := relay.New(benchmarkLimits, relay.Nobody{})
				m := benchmarkChannel(b, h, members, mode.mode)
				body := make([]byte, 512) // the door's allocation, not the core's
				b.ReportAllocs()
				for b.Loop() {
					m.Send(body, len(body))
				}
				if got := h.Stats().Connections; got != members {
					b.Fatalf("%d members are left, want %d", got, members)
				}
			})
		}
	}
}

// BenchmarkRelayParallel does the same with two members, in a channel of its own for each
// goroutine: what it shows beyond BenchmarkRelay is what channels share.
func BenchmarkRelayParallel(b *testing.B) {
	h := relay.New(benchmarkLimits, relay.Nobody{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		m := benchmarkChannel(b, h, 2, relay.Live)
		body := make([]byte, 512)
		for pb.Next() {
			m.Send(body, len(body))
		}
	})
}

// BenchmarkCreateJoinLeave is the life of a channel of two in which nothing is said.
func BenchmarkCreateJoinLeave(b *testing.B) {
	for _, mode := range modes {
		b.Run("mode="+mode.name, func(b *testing.B) {
			h := relay.New(benchmarkLimits, relay.Nobody{})
			b.ReportAllocs()
			for b.Loop() {
				m := benchmarkSeat(b, h, nil, mode.mode)
				id := m.ChannelID()
				other := benchmarkSeat(b, h, &id, mode.mode)
				m.Leave(relay.Bye)
				other.Leave(relay.Bye)
			}
		})
	}
}

// BenchmarkResume is a connection that is lost and a seat that is taken back, beside one who listens.
func BenchmarkResume(b *testing.B) {
	h := relay.New(benchmarkLimits, relay.Nobody{})
	m := benchmarkChannel(b, h, 2, relay.Kept)
	b.ReportAllocs()
	for b.Loop() {
		m.Detach(relay.Lost)
		l := new(listener)
		var why relay.Reason
		if l.member, why = h.Resume(m.ChannelID(), m.Member.Token(), 0, l, relay.Welcomed); why != relay.None {
			b.Fatal(why)
		}
		l.Wake()
		m = l.member
	}
}

// BenchmarkManyChannels relays in many living channels in turn. What grows with their number is what
// the processor's caches miss.
func BenchmarkManyChannels(b *testing.B) {
	for _, channels := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			h := relay.New(benchmarkLimits, relay.Nobody{})
			members := make([]*relay.Attachment, channels)
			for i := range members {
				members[i] = benchmarkChannel(b, h, 2, relay.Live)
			}
			body := make([]byte, 512)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				members[i%channels].Send(body, len(body))
			}
		})
	}
}
