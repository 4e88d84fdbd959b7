package relay_test

import (
	"fmt"
	"testing"
	"time"

	"channelserver/relay"
)

// A listener is a Peer that takes what comes in the goroutine that wakes it, as a door does, and
// looks no further.
type listener struct{ member *relay.Attachment }

func (l *listener) Wake() {
	var entries [8]relay.Entry // as many as package pairing takes at once
	for {
		if n, _ := l.member.Take(entries[:]); n == 0 {
			return
		}
	}
}

func benchmarkSeat(b *testing.B, h *relay.Hub, id *relay.ID) *relay.Attachment {
	l := new(listener)
	var why relay.Reason
	if id == nil {
		l.member, why = h.Create(home, nil, l, relay.Live)
	} else {
		l.member, why = h.Join(*id, home, nil, l, relay.Live)
	}
	if why != relay.None {
		b.Fatal(why)
	}
	l.Wake()
	return l.member
}

// benchmarkChannel returns a member of a channel in which n-1 others listen.
func benchmarkChannel(b *testing.B, h *relay.Hub, n int) *relay.Attachment {
	m := benchmarkSeat(b, h, nil)
	id := m.ChannelID()
	for range n - 1 {
		benchmarkSeat(b, h, &id)
	}
	return m
}

var benchmarkLimits = relay.Limits{Lifespan: 5 * time.Minute, MaxLag: 1 << 20}

// BenchmarkRelay sends one message of 512 octets and takes it at every other member.
func BenchmarkRelay(b *testing.B) {
	for _, members := range []int{2, 3, 10} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			m := benchmarkChannel(b, relay.New(benchmarkLimits, relay.Nobody{}), members)
			body := make([]byte, 512) // the door's allocation, not the core's
			b.ReportAllocs()
			for b.Loop() {
				m.Send(body, len(body))
			}
		})
	}
}

// BenchmarkRelayParallel does the same with two members, in a channel of its own for each
// goroutine: what it shows beyond BenchmarkRelay is what channels share.
func BenchmarkRelayParallel(b *testing.B) {
	h := relay.New(benchmarkLimits, relay.Nobody{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		m := benchmarkChannel(b, h, 2)
		body := make([]byte, 512)
		for pb.Next() {
			m.Send(body, len(body))
		}
	})
}

// BenchmarkCreateJoinLeave is the life of a channel of two in which nothing is said.
func BenchmarkCreateJoinLeave(b *testing.B) {
	h := relay.New(benchmarkLimits, relay.Nobody{})
	b.ReportAllocs()
	for b.Loop() {
		m := benchmarkSeat(b, h, nil)
		id := m.ChannelID()
		other := benchmarkSeat(b, h, &id)
		m.Leave(relay.Bye)
		other.Leave(relay.Bye)
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
				members[i] = benchmarkChannel(b, h, 2)
			}
			body := make([]byte, 512)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				members[i%channels].Send(body, len(body))
			}
		})
	}
}
