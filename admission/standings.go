package admission

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// shards is into how many parts the table of addresses is split.
	shards = 64

	// perShard bounds the addresses in a shard: 65,536 in all, some 20 MB.
	perShard = 1024

	// sweepPause is the least time between two looks through a full shard for room.
	sweepPause = 100 * time.Millisecond
)

// standings is the table of addresses that have done something lately. An address is in it only while
// its standing differs from that of one never seen: it has connections, or one of its buckets is
// not full again. So an address goes by what it does itself, and is never pushed out by others.
//
// In a full shard there is no room for one more address. Those that come then share one standing, so
// that an attacker with many addresses gets no further than with a few, and does not touch the
// standing of anybody who was there before. Which shard an address falls into is a secret of the
// process.
type standings struct {
	seed   maphash.Seed // static
	shards [shards]shard
}

type shard struct {
	mu        sync.Mutex
	addresses map[netip.Addr]*standing // by site; guarded by mu, like all below
	others    standing                 // of all addresses for which there is no room
	swept     time.Time                // when room was looked for last
}

// A standing is what an address has done lately. The buckets hold what is left to it, in tokens; nil
// is full.
type standing struct {
	connections     int           // guarded by shard.mu, like all below
	openings, wrong *rate.Limiter // may be nil
}

func (s *standings) start() {
	s.seed = maphash.MakeSeed()
	for i := range s.shards {
		s.shards[i].addresses = make(map[netip.Addr]*standing)
	}
}

// site returns what counts as one address: an IPv4 address, or the /64 that an IPv6 address lies in,
// since a subscriber is given at least that (RFC 6177) and changes addresses within it (RFC 8981).
func site(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		network, _ := addr.Prefix(64) // 64 is always in range for IPv6
		return network.Addr()
	}
	return addr
}

// enter decides by the standing of the visit's address, and counts the visit. What is refused costs
// nothing: whoever comes back in time is let in.
func (s *standings) enter(p *Pass, limits Limits) *Refusal {
	now := time.Now()
	v := &p.visit
	addr := site(v.Addr)
	p.shard = &s.shards[maphash.Comparable(s.seed, addr)%shards]
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	st := p.shard.findLocked(addr, now)
	if v.Holds && limits.Connections > 0 && st.connections >= limits.Connections {
		return &Refusal{Connections, connectionsWait}
	}
	if v.New {
		if wait := take(&st.openings, limits.OpeningsPerMinute, now); wait > 0 {
			return &Refusal{Openings, wait}
		}
	}
	if v.Wrong {
		if wait := take(&st.wrong, limits.WrongIDsPerMinute, now); wait > 0 {
			return &Refusal{WrongIDs, wait}
		}
	}
	if v.Holds {
		st.connections++
	}
	p.standing = st
	return nil
}

// erred counts a wrong id of a visitor who is in already.
func (s *standings) erred(p *Pass, limits Limits) {
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	take(&p.standing.wrong, limits.WrongIDsPerMinute, time.Now())
}

// take takes a token from a bucket, and returns 0; from one that has none, it returns how long to wait
// for the next.
func take(bucket **rate.Limiter, perMinute int, now time.Time) time.Duration {
	if perMinute == 0 {
		return 0
	}
	if *bucket == nil {
		*bucket = rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)
	}
	if (*bucket).AllowN(now, 1) {
		return 0
	}
	missing := 1 - (*bucket).TokensAt(now)
	return max(1, time.Duration(missing/float64((*bucket).Limit())*float64(time.Second)))
}

// findLocked returns the standing of an address.
func (s *shard) findLocked(addr netip.Addr, now time.Time) *standing {
	if st, ok := s.addresses[addr]; ok {
		return st
	}
	if len(s.addresses) >= perShard && now.Sub(s.swept) >= sweepPause {
		s.sweepLocked(now)
	}
	if len(s.addresses) >= perShard {
		return &s.others
	}
	st := new(standing)
	s.addresses[addr] = st
	return st
}

// sweep forgets the addresses of a shard that have done nothing for a while.
func (s *standings) sweep(index int, now time.Time) {
	part := &s.shards[index]
	part.mu.Lock()
	defer part.mu.Unlock()
	part.sweepLocked(now)
}

func (s *shard) sweepLocked(now time.Time) {
	s.swept = now
	for addr, st := range s.addresses {
		if st.connections == 0 && full(st.openings, now) && full(st.wrong, now) {
			delete(s.addresses, addr)
		}
	}
}

func full(bucket *rate.Limiter, now time.Time) bool {
	return bucket == nil || bucket.TokensAt(now) >= float64(bucket.Burst())
}
