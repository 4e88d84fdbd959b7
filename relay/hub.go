package relay

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Hub holds the living channels of one server. Create one with New. All its methods may be
// called at the same time.
type Hub struct {
	limits   *Limits  // static
	observer Observer // static

	shards [64]shard

	channels    atomic.Int64 // living channels
	connections atomic.Int64 // attachments in all channels
	octets      atomic.Int64 // held in the logs of all channels

	draining  atomic.Bool
	drained   chan struct{} // closed once, when draining and no channel lives
	drainOnce sync.Once
}

// A shard is a part of the table of channels; an id's first octet says which. Its lock is never
// held together with a channel's.
type shard struct {
	mu       sync.RWMutex
	channels map[ID]*channel // guarded by mu
}

// New returns a Hub with the limits of its channels. The observer is told what happens;
// use Nobody where no one cares.
func New(limits Limits, observer Observer) *Hub {
	h := &Hub{limits: &limits, observer: observer, drained: make(chan struct{})}
	for i := range h.shards {
		h.shards[i].channels = make(map[ID]*channel)
	}
	return h
}

// A Peer is a member's connection, as the core sees it.
type Peer interface {
	// Wake says that Attachment.Take has something again, after it had returned nothing. It is called
	// outside all locks, in the goroutine of whoever caused it; it must neither block nor panic.
	Wake()
}

// Create mints a channel and takes its first seat. The address is where the connection comes
// from, invalid when unknown; the card is the door's own note about the member, never looked at
// here. A creator who needs more messages than Limits.MaxExchanges asks for so many exchanges; 0 asks
// for nothing. While the hub drains it returns Restart.
//
// The attachment starts awake: its door must call Take first, without waiting for Wake.
func (h *Hub) Create(addr netip.Addr, card any, peer Peer, mode Mode, exchanges int) (*Attachment, Reason) {
	h.channels.Add(1) // before the look at draining, so that Drain misses no channel
	if h.draining.Load() {
		h.forget()
		return nil, Restart
	}
	c := &channel{hub: h, id: NewID(), limits: h.limits.granting(exchanges)}
	if h.limits.Lifespan > 0 {
		c.deadline = time.Now().Add(h.limits.Lifespan)
	}
	a, _ := c.join(addr, card, peer, mode) // its first seat: no limit is below one
	s := h.shard(c.id)
	s.mu.Lock()
	s.channels[c.id] = c
	s.mu.Unlock()
	c.startExpiry(h.limits.Lifespan)
	return a, None
}

// Join takes a seat in a living channel. It returns NoSuchChannel, ChannelFull or AddressRefused
// where there is none for this connection. See Create for the arguments and for what comes next.
func (h *Hub) Join(id ID, addr netip.Addr, card any, peer Peer, mode Mode) (*Attachment, Reason) {
	c := h.channel(id)
	if c == nil {
		return nil, NoSuchChannel
	}
	return c.join(addr, card, peer, mode)
}

// Resume takes a Kept seat back with its token. An attachment that the seat still has is ended as
// Replaced. The member has processed the messages through seq; the later ones are there to Take
// again. It returns NoSuchChannel when there is no such seat any more, MissedMessages when it was lost
// to the bounds of the log.
func (h *Hub) Resume(id ID, token Token, seq uint64, peer Peer, how Resumption) (*Attachment, Reason) {
	c := h.channel(id)
	if c == nil {
		return nil, NoSuchChannel
	}
	return c.resume(token, seq, peer, how)
}

// Holder returns the member whose seat a token stands for, whether it is away or not. It returns the
// reasons of Resume.
func (h *Hub) Holder(id ID, token Token) (*Member, Reason) {
	c := h.channel(id)
	if c == nil {
		return nil, NoSuchChannel
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holderLocked(token)
}

// Lives tells whether there is such a channel.
func (h *Hub) Lives(id ID) bool { return h.channel(id) != nil }

func (h *Hub) channel(id ID) *channel {
	s := h.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.channels[id]
}

// Stats returns what the hub holds now.
func (h *Hub) Stats() Stats {
	return Stats{
		Connections: int(h.connections.Load()),
		Channels:    int(h.channels.Load()),
		Octets:      h.octets.Load(),
	}
}

// Drain refuses new channels from now on; living ones go on and may be joined, and their Kept members
// are told that they may do so for the given time. The channel it returns is closed once none lives.
// It may be called more than once.
func (h *Hub) Drain(patience time.Duration) <-chan struct{} {
	h.draining.Store(true)
	for _, c := range h.all() {
		c.tell(Entry{Kind: Ending, At: time.Now().Add(patience), Why: Restart})
	}
	if h.channels.Load() == 0 {
		h.drainOnce.Do(func() { close(h.drained) })
	}
	return h.drained
}

// Draining tells whether Drain has been called.
func (h *Hub) Draining() bool { return h.draining.Load() }

// EndAll ends the channels that live now for the reason, spread evenly over the given time, so
// that not all clients reconnect at one moment. It returns when all are ended or ctx is done.
func (h *Hub) EndAll(ctx context.Context, why Reason, over time.Duration) {
	all := h.all()
	start := time.Now()
	for i, c := range all {
		due := start.Add(over * time.Duration(i) / time.Duration(len(all)))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
		c.finish(why)
	}
}

// all returns the channels in the table.
func (h *Hub) all() []*channel {
	var all []*channel
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		all = slices.AppendSeq(all, maps.Values(s.channels))
		s.mu.RUnlock()
	}
	return all
}

func (h *Hub) shard(id ID) *shard { return &h.shards[int(id[0])%len(h.shards)] }

func (h *Hub) remove(id ID) {
	s := h.shard(id)
	s.mu.Lock()
	delete(s.channels, id)
	s.mu.Unlock()
	h.forget()
}

// forget takes one off the count of channels.
func (h *Hub) forget() {
	if h.channels.Add(-1) == 0 && h.draining.Load() {
		h.drainOnce.Do(func() { close(h.drained) })
	}
}
