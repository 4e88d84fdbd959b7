package admission

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what clients do. The zero value of a field turns that limit off.
type Limits struct {
	// For one address; see site.
	OpeningsPerMinute int // channels opened; as many may be opened at once after a minute without
	Connections       int // WebSockets and requests for events at one time
	WrongIDsPerMinute int // requests for a channel or seat that does not exist

	// For the whole server.
	TotalConnections int   // WebSockets and requests for events at one time; a tenth is kept for those who join
	TotalChannels    int   // living at one time
	TotalKept        int64 // octets kept in channels, at nine tenths of which no channel is opened
}

// Options are what a Guard is made of.
type Options struct {
	Limits
	Process Process
	Holds   func() Holdings // what the channels hold now; nil for nothing
	Log     *slog.Logger    // told when the process nears its own limits, and when that is over; nil for nobody
}

// Holdings is what the channels of the server hold.
type Holdings struct {
	Channels int   // living
	Kept     int64 // octets
}

// A Guard stands at the doors of a server. Create one with New and run its Watch beside it. A nil
// Guard lets everybody in.
type Guard struct {
	limits  Limits // static, like all down to log
	process Process
	holds   func() Holdings
	log     *slog.Logger

	standings standings
	pressure  pressure
	refused   [whyCount]atomic.Uint64

	mu          sync.Mutex // held for a few instructions
	connections int        // guarded by mu, like all below
	openings    int        // channels about to be opened, which Holdings do not count yet
}

// New returns a Guard.
func New(o Options) *Guard {
	g := &Guard{limits: o.Limits, process: o.Process, holds: o.Holds, log: o.Log}
	if g.holds == nil {
		g.holds = func() Holdings { return Holdings{} }
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.standings.start()
	g.pressure.start(o.Process)
	return g
}

// Track counts the descriptors of a server's connections. It is for http.Server.ConnState.
func (g *Guard) Track(state http.ConnState) {
	switch state {
	case http.StateNew:
		g.pressure.sockets.Add(1)
	case http.StateClosed, http.StateHijacked: // from then on its Pass counts it
		g.pressure.sockets.Add(-1)
	}
}

// Watch looks after the guard until ctx is done: it measures memory, forgets addresses that have done
// nothing for a while, and logs when the process comes near its limits.
func (g *Guard) Watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for shard := 0; ; shard = (shard + 1) % shards {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			g.standings.sweep(shard, now)
			g.pressure.look(now, g.process, g.log)
		}
	}
}

// A Visit is a request at a door.
type Visit struct {
	Addr   netip.Addr // where it comes from; invalid when unknown: all unknown addresses are one
	Exempt bool       // from the limits of an address, as the operator's own machines are; so is loopback
	New    bool       // it would open a channel
	Wrong  bool       // it names a channel or seat that does not exist
	Holds  bool       // it would stay, as a connection
}

// Enter decides about a visit. Who gets in has a Pass, which must be left. Who does not has a Refusal,
// and no pass.
func (g *Guard) Enter(v Visit) (*Pass, *Refusal) {
	if g == nil {
		return nil, nil
	}
	pass := &Pass{guard: g, visit: v}
	if !v.Exempt && !v.Addr.IsLoopback() {
		if refusal := g.standings.enter(pass, g.limits); refusal != nil {
			return nil, g.refuse(refusal)
		}
	}
	if why := g.enterServer(v); why != none {
		pass.leaveStanding()
		return nil, g.refuse(&Refusal{Why: why, Wait: serverWait})
	}
	return pass, nil
}

// enterServer decides for the whole server, and counts whom it lets in.
func (g *Guard) enterServer(v Visit) Why {
	if v.New && g.pressure.descriptorsShort() {
		return Descriptors
	}
	if v.New && g.pressure.memoryShort.Load() {
		return Memory
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := g.limits.TotalConnections; most > 0 && v.Holds {
		if v.New {
			most -= most / 10
		}
		if g.connections >= most {
			return TotalConnections
		}
	}
	if v.New {
		holds := g.holds()
		if most := g.limits.TotalChannels; most > 0 && holds.Channels+g.openings >= most {
			return TotalChannels
		}
		if most := g.limits.TotalKept; most > 0 && holds.Kept >= most-most/10 {
			return TotalKept
		}
		g.openings++
	}
	if v.Holds {
		g.connections++
	}
	return none
}

func (g *Guard) refuse(r *Refusal) *Refusal {
	g.refused[r.Why].Add(1)
	return r
}

// Refused returns how many visits have been refused, in the order of Whys.
func (g *Guard) Refused() []uint64 {
	counts := make([]uint64, 0, whyCount-1)
	for why := none + 1; why < whyCount; why++ {
		counts = append(counts, g.refused[why].Load())
	}
	return counts
}

// A Pass is held by whoever got in. Its methods are for one goroutine at a time; those of a nil Pass do
// nothing.
type Pass struct {
	guard    *Guard    // static, like all down to visit
	visit    Visit     // Wrong and the like are cleared once they are settled
	shard    *shard    // of standing
	standing *standing // nil for an exempt visit
	hijacked bool
}

// Hijacked tells that the connection is no longer net/http's.
func (p *Pass) Hijacked() {
	if p != nil {
		p.hijacked = true
		p.guard.pressure.sockets.Add(1)
	}
}

// Opened tells that the channel that was to be opened is counted by Holdings.
func (p *Pass) Opened() {
	if p == nil || !p.visit.New {
		return
	}
	p.visit.New = false
	p.guard.mu.Lock()
	defer p.guard.mu.Unlock()
	p.guard.openings--
}

// Erred tells that the visit has turned out to be for a seat that does not exist. It counts once.
func (p *Pass) Erred() {
	if p == nil || p.standing == nil || p.visit.Wrong {
		return
	}
	p.visit.Wrong = true
	p.guard.standings.erred(p, p.guard.limits)
}

// Leave tells that the visit is over. It may be called more than once.
func (p *Pass) Leave() {
	if p == nil {
		return
	}
	p.Opened()
	p.leaveStanding()
	if p.hijacked {
		p.hijacked = false
		p.guard.pressure.sockets.Add(-1)
	}
	if p.visit.Holds {
		p.visit.Holds = false
		p.guard.mu.Lock()
		defer p.guard.mu.Unlock()
		p.guard.connections--
	}
}

// leaveStanding gives the connection back to the address.
func (p *Pass) leaveStanding() {
	if p.standing == nil || !p.visit.Holds {
		return
	}
	p.shard.mu.Lock()
	p.standing.connections--
	p.shard.mu.Unlock()
	p.standing = nil
}
