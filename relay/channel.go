package relay

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// channel is a log and the cursors into it.
type channel struct {
	hub *Hub // static
	id  ID   // static

	mu       sync.Mutex
	log      log                // guarded by mu, like all below
	members  []*Member          // the taken seats
	awake    int                // how many of members are awake
	trimAt   int64              // log.octets at which it is worth looking for entries to drop
	messages int                // accepted ever
	octets   int64              // of payload accepted ever
	ever     int                // connections admitted ever
	sites    [freely]netip.Addr // of the connections admitted freely
	expiry   *time.Timer        // nil when the lifespan has no limit
	end      Reason             // None while the channel lives
}

// trimFrom is how many octets a log may hold before it is looked through for what all cursors
// have passed. Below it, entries are dropped together, when the last member is parked.
const trimFrom = 64 << 10

// join takes a seat, if the limits leave one.
func (c *channel) join(addr netip.Addr, card any, peer Peer) (*Member, Reason) {
	from := site(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != None {
		return nil, NoSuchChannel
	}
	known := from.IsValid() && slices.Contains(c.sites[:], from)
	if why := c.hub.limits.admits(len(c.members), c.ever, known); why != None {
		return nil, why
	}
	if c.ever < freely {
		c.sites[c.ever] = from
	}
	c.ever++
	m := &Member{Card: card, channel: c, peer: peer, cursor: c.log.end(), awake: true}
	c.members = append(c.members, m)
	c.awake++
	c.hub.seats.Add(1)
	return m, None
}

// startExpiry starts the clock of the channel's life, which nothing stops but its end.
func (c *channel) startExpiry(lifespan time.Duration) {
	if lifespan == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == None {
		c.expiry = time.AfterFunc(lifespan, func() { c.finish(ChannelExpired) })
	}
}

// appendLocked puts an entry past all cursors and returns wake with the members that this wakes.
func (c *channel) appendLocked(e Entry, wake []*Member) []*Member {
	c.log.append(e)
	c.hub.octets.Add(e.octets())
	for _, m := range c.members {
		switch {
		case m.awake: // its taker will see the entry
		case m == e.From: // parked, so its cursor is at the end: it stays there
			m.cursor = c.log.end()
		default:
			m.awake = true
			c.awake++
			wake = append(wake, m)
		}
	}
	c.trimLocked()
	c.evictLocked()
	return wake
}

// trimLocked drops what all cursors have passed. It looks through the cursors only when enough
// has gathered to pay for it.
func (c *channel) trimLocked() {
	switch {
	case c.awake == 0: // all are parked, which is to say at the end
		c.dropBeforeLocked(c.log.end())
		c.trimAt = 0
	case c.log.octets > max(c.trimAt, trimFrom):
		c.dropBeforeLocked(c.lowestLocked())
		c.trimAt = 2 * c.log.octets
	}
}

// evictLocked takes the seats of those that lag most, until the log is within its bound.
func (c *channel) evictLocked() {
	bound := c.hub.limits.MaxLag
	for bound > 0 && c.lagLocked() > bound {
		lowest := c.lowestLocked()
		c.dropBeforeLocked(lowest)
		if c.lagLocked() <= bound {
			return
		}
		for _, m := range slices.Clone(c.members) {
			if m.cursor == lowest {
				c.removeLocked(m, Slow)
			}
		}
	}
}

// lowestLocked returns the position before which every cursor has passed. It moves cursors over
// their members' own messages, which do not wait for them.
func (c *channel) lowestLocked() uint64 {
	lowest := c.log.end()
	for _, m := range c.members {
		for m.cursor < c.log.end() && c.log.at(m.cursor).From == m {
			m.cursor++
		}
		lowest = min(lowest, m.cursor)
	}
	return lowest
}

// lagLocked returns how many octets the log holds, the newest entry aside.
func (c *channel) lagLocked() int64 {
	if len(c.log.entries) == 0 {
		return 0
	}
	return c.log.octets - c.log.at(c.log.end()-1).octets()
}

func (c *channel) dropBeforeLocked(position uint64) {
	before := c.log.octets
	c.log.dropBefore(position)
	c.hub.octets.Add(c.log.octets - before)
}

// removeLocked takes a member's seat away.
func (c *channel) removeLocked(m *Member, why Reason) {
	m.end = why
	c.members = slices.DeleteFunc(c.members, func(other *Member) bool { return other == m })
	if m.awake {
		c.awake--
	}
	c.hub.seats.Add(-1)
}

// endLocked ends the channel and returns wake with the members that this wakes. What they have
// not taken yet stays for them.
func (c *channel) endLocked(why Reason, wake []*Member) []*Member {
	c.end = why
	if c.expiry != nil {
		c.expiry.Stop()
	}
	for _, m := range c.members {
		if !m.awake {
			m.awake = true
			c.awake++
			wake = append(wake, m)
		}
	}
	return wake
}

// endIfEmptyLocked ends the channel if it has lost its last member, and tells whether it did.
func (c *channel) endIfEmptyLocked() bool {
	if len(c.members) > 0 || c.end != None {
		return false
	}
	c.endLocked(Bye, nil)
	return true
}

// finish ends the channel, unless it has ended already.
func (c *channel) finish(why Reason) {
	c.mu.Lock()
	if c.end != None {
		c.mu.Unlock()
		return
	}
	wake := c.endLocked(why, nil)
	c.mu.Unlock()
	c.ended(why, wake)
}

// ended does what is left of ending a channel outside its lock. The channel is out of the table
// before anyone is woken to learn of its end.
func (c *channel) ended(why Reason, wake []*Member) {
	c.hub.remove(c.id)
	c.hub.observer.Ended(why)
	for _, m := range wake {
		m.peer.Wake()
	}
}
