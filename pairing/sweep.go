package pairing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A registry is the set of open connections, in shards so that its locks are held briefly.
type registry struct {
	next   atomic.Uint32
	shards [16]struct {
		mu    sync.Mutex
		conns map[*conn]struct{} // guarded by mu
	}
}

func (r *registry) add(c *conn) {
	c.shard = int(r.next.Add(1)) % len(r.shards)
	s := &r.shards[c.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
}

func (r *registry) remove(c *conn) {
	s := &r.shards[c.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (r *registry) count() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.conns)
		s.mu.Unlock()
	}
	return n
}

// appendAll appends the connections of a shard.
func (r *registry) appendAll(dst []*conn, shard int) []*conn {
	s := &r.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		dst = append(dst, c)
	}
	return dst
}

// Sweep pings connections that are idle and closes those that have been silent for too long or are over, for
// all connections together, until ctx is done. It looks at them once a second, or oftener when
// the times it has to keep are shorter.
func (s *Server) Sweep(ctx context.Context) {
	heartbeat, timeout := s.options.HeartbeatInterval, s.options.ClientTimeout
	every := time.Second
	for _, period := range []time.Duration{heartbeat, timeout} {
		if period > 0 {
			every = min(every, max(period/4, time.Millisecond))
		}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var conns []*conn
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for shard := range s.registry.shards {
			conns = s.registry.appendAll(conns[:0], shard)
			for _, c := range conns {
				c.checkLife(heartbeat, timeout, every/2)
			}
			clear(conns)
		}
	}
}
