package admission

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// stranger returns one of many addresses.
func stranger(i int) netip.Addr {
	var octets [4]byte
	binary.BigEndian.PutUint32(octets[:], 198<<24|uint32(i))
	return netip.AddrFrom4(octets)
}

func (s *standings) size() int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += len(s.shards[i].addresses)
		s.shards[i].mu.Unlock()
	}
	return n
}

// 100,000 addresses do not make the table grow beyond its bound, and do not change how those who were
// there before stand: neither for the better nor for the worse.
func TestManyAddresses(t *testing.T) {
	const attackers = 100_000
	limits := Limits{OpeningsPerMinute: 10, Connections: 3, WrongIDsPerMinute: 5}
	for name, attack := range map[string]Visit{
		"openings":    {New: true},
		"connections": {Holds: true},
		"wrong ids":   {Wrong: true},
		"all":         {New: true, Wrong: true, Holds: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := New(Options{Limits: limits})
			good := Visit{Addr: one, New: true, Holds: true}
			for range 2 {
				want(t, g, good, none)
			}
			for range 4 {
				want(t, g, Visit{Addr: two, Wrong: true}, none)
			}
			for i := range attackers {
				attack.Addr = stranger(i)
				g.Enter(attack)
			}
			if size, most := g.standings.size(), shards*perShard; size > most || size < most*9/10 {
				t.Errorf("%s: %d addresses in the table, want nearly %d and no more", name, size, most)
			}
			want(t, g, good, none)
			want(t, g, good, Connections)
			want(t, g, Visit{Addr: two, Wrong: true}, none)
			want(t, g, Visit{Addr: two, Wrong: true}, WrongIDs)
		})
	}
}

// For whom there is no room in a shard, there is one standing. It ends with the attack.
func TestFullTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: Limits{OpeningsPerMinute: 10}})
		in := 0
		for i := range 1_000_000 {
			if _, refusal := g.Enter(Visit{Addr: stranger(i), New: true}); refusal == nil {
				in++
			}
		}
		if most := shards * (perShard + 10); in > most {
			t.Errorf("%d got in, want %d at most", in, most)
		}
		time.Sleep(6 * time.Second) // until each has its one token back
		fresh := 0
		for i := range 1000 {
			if _, refusal := g.Enter(Visit{Addr: stranger(2_000_000 + i), New: true}); refusal == nil {
				fresh++
			}
		}
		if fresh != 1000 {
			t.Errorf("after the attack %d of 1000 got in", fresh)
		}
	})
}

// An address is forgotten once it stands as if it had never been seen, and not before.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: Limits{OpeningsPerMinute: 60, Connections: 9, WrongIDsPerMinute: 60}})
		go g.Watch(t.Context())
		pass := want(t, g, Visit{Addr: one, Holds: true}, none)
		const n = 30
		for i := range n {
			want(t, g, Visit{Addr: stranger(i), New: true}, none)
			want(t, g, Visit{Addr: stranger(i), Wrong: true}, none)
			want(t, g, Visit{Addr: stranger(n + i)}, none)
		}
		round := shards * watchInterval
		time.Sleep(round + time.Second)
		if size := g.standings.size(); size != 1 {
			t.Errorf("%d addresses are kept, want the one that has a connection", size)
		}
		pass.Leave()
		time.Sleep(round + time.Second)
		if size := g.standings.size(); size != 0 {
			t.Errorf("%d addresses are kept", size)
		}

		for range 60 {
			want(t, g, Visit{Addr: one, New: true}, none)
		}
		time.Sleep(round + time.Second) // not yet a minute: forgetting it would give it more
		if got := len(crowd(g, 100, Visit{Addr: one, New: true})); got != int((round + time.Second).Seconds()) {
			t.Errorf("%d got in after %v", got, round+time.Second)
		}
	})
}
