package relay

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// channel is a log and the cursors into it.
type channel struct {
	hub      *Hub      // static
	id       ID        // static
	limits   *Limits   // static
	deadline time.Time // when the lifespan is over; zero without a limit; static

	mu       sync.Mutex
	log      log                // guarded by mu, like all below
	members  []*Member          // the taken seats
	kept     int                // how many of members are Kept
	since    uint64             // the position from which the log is kept for Kept members yet to come
	awake    int                // how many attachments are awake
	trimAt   int64              // log.octets at which it is worth looking for entries to drop
	messages int                // accepted ever
	octets   int64              // of payload accepted ever
	receipts uint64             // acknowledgements ever
	ever     int                // connections admitted ever
	numbers  int                // seats given ever
	sites    [freely]netip.Addr // of the connections admitted freely
	missed   []*Member          // the last seats that ended as MissedMessages, for who comes back to one
	expiry   *time.Timer        // nil when the lifespan has no limit
	end      Reason             // None while the channel lives
}

const (
	// trimFrom is how many octets a log may hold before it is looked through for what all cursors
	// have passed. Below it, entries are dropped together, when the last attachment is parked.
	trimFrom = 64 << 10

	// warning is how long before its end a channel tells its members.
	warning = 30 * time.Second

	// maxMissed bounds channel.missed.
	maxMissed = 8
)

// An aftermath is what a change under a channel's lock leaves to be done outside it.
type aftermath struct {
	Wakes
	ended bool
}

// release unlocks the channel and does what is left to do.
func (c *channel) release(after *aftermath) {
	c.settle(after)
	after.Flush()
}

// settle unlocks the channel and does what is left to do but to wake anyone. A channel without
// members ends here. It is out of the table before anyone is woken to learn of its end.
func (c *channel) settle(after *aftermath) {
	if len(c.members) == 0 {
		c.endLocked(Bye, after)
	}
	why := c.end
	c.mu.Unlock()
	if after.ended {
		c.hub.remove(c.id)
		c.hub.observer.Ended(why)
	}
}

// join takes a seat, if the limits leave one.
func (c *channel) join(addr netip.Addr, card any, peer Peer, mode Mode) (*Attachment, Reason) {
	from := site(addr)
	var after aftermath
	c.mu.Lock()
	if c.end != None {
		c.mu.Unlock()
		return nil, NoSuchChannel
	}
	known := from.IsValid() && slices.Contains(c.sites[:], from)
	if why := c.limits.admits(len(c.members), c.ever, known); why != None {
		c.mu.Unlock()
		return nil, why
	}
	if c.ever < freely {
		c.sites[c.ever] = from
	}
	c.ever++
	c.numbers++
	m := &Member{Number: c.numbers, Card: card, channel: c, mode: mode}
	a := new(Attachment)
	if mode == Kept {
		if c.kept++; c.kept == 1 {
			c.keepLocked(&after)
		}
		m.token = Token(NewID())
		a.Welcome = c.welcomeLocked(m)
		m.acked = max(c.since, c.log.dropped)
	}
	c.members = append(c.members, m)
	c.attachLocked(m, a, peer)
	if mode == Live {
		a.cursor = c.log.end()
	}
	if c.kept > 0 { // be it the only one: who comes later may be given its messages after it has left
		c.appendLocked(Entry{Kind: Joined, From: m}, &after)
	}
	c.evictLocked(&after)
	c.release(&after)
	return a, None
}

// keepLocked begins to keep the log. What Live members said among themselves before is nobody else's;
// but who they are must be told before what they will say.
func (c *channel) keepLocked(after *aftermath) {
	c.since = c.log.end()
	for _, m := range c.members {
		c.appendLocked(Entry{Kind: Joined, From: m}, after)
	}
}

// resume gives the seat that a token stands for to a new attachment.
func (c *channel) resume(token Token, seq uint64, peer Peer, how Resumption) (*Attachment, Reason) {
	var after aftermath
	c.mu.Lock()
	m, why := c.holderLocked(token)
	if why != None {
		c.mu.Unlock()
		return nil, why
	}
	back := m.at == nil
	c.detachLocked(m, Replaced, &after)
	if m.away != nil {
		m.away.Stop()
		m.away = nil
	}
	m.ackLocked(seq, &after)
	a := new(Attachment)
	c.attachLocked(m, a, peer)
	if how == Welcomed {
		a.Welcome = c.welcomeLocked(m)
	} else {
		a.welcomed, a.retold, a.told = m.passed, m.retold, m.told
	}
	if back {
		c.tellLocked(Entry{Kind: Back, From: m}, &after)
		c.evictLocked(&after)
	}
	c.release(&after)
	return a, None
}

// holderLocked returns the member whose seat a token stands for.
func (c *channel) holderLocked(token Token) (*Member, Reason) {
	if c.end != None {
		return nil, NoSuchChannel
	}
	for _, m := range c.members {
		if m.mode == Kept && m.token.equal(token) {
			return m, None
		}
	}
	for _, m := range c.missed {
		if m.token.equal(token) {
			return nil, m.end
		}
	}
	return nil, NoSuchChannel
}

// welcomeLocked tells a member how things stand, as it takes its seat or takes it back.
func (c *channel) welcomeLocked(m *Member) *Welcome {
	w := &Welcome{Sent: m.sent}
	if !c.deadline.IsZero() {
		w.Expires = max(time.Until(c.deadline), 0)
	}
	for _, other := range c.members {
		if other != m {
			w.Others = append(w.Others, Presence{other, other.at != nil})
		}
	}
	return w
}

// attachLocked connects a member with a peer, from the first entry that it may still ask for. The
// attachment is awake.
func (c *channel) attachLocked(m *Member, a *Attachment, peer Peer) {
	a.Member, a.peer, a.cursor, a.awake = m, peer, m.acked, true
	a.welcomed = c.log.end()
	m.at = a
	c.awake++
	c.hub.connections.Add(1)
}

// detachLocked ends a member's attachment, if it has one. What wakes to find that out is put in
// after.
func (c *channel) detachLocked(m *Member, why Reason, after *aftermath) {
	a := m.at
	if a == nil {
		return
	}
	m.at = nil
	m.passed, m.retold, m.told = max(a.cursor, a.welcomed), max(a.cursor, a.retold), a.told
	a.end = why
	if a.awake {
		c.awake--
		c.log.lent = c.log.end()
	} else {
		after.add(a)
	}
	c.hub.connections.Add(-1)
}

// removeLocked takes a member's seat away.
func (c *channel) removeLocked(m *Member, why Reason, after *aftermath) {
	c.detachLocked(m, why, after)
	if m.away != nil {
		m.away.Stop()
	}
	m.seqs = nil
	m.end = why
	m.left = c.log.end() + 1
	c.members = slices.DeleteFunc(c.members, func(other *Member) bool { return other == m })
	if m.mode == Kept {
		c.kept--
	}
	c.trimLocked()
}

// tellLocked appends an entry that is no message, where there is a member that it is for.
func (c *channel) tellLocked(e Entry, after *aftermath) {
	for _, m := range c.members {
		if m.mode == Kept && m != e.From && c.end == None {
			c.appendLocked(e, after)
			return
		}
	}
}

// tellLeftLocked tells that a member has lost its seat, and before that what it had acknowledged,
// for those who have not been told.
func (c *channel) tellLeftLocked(m *Member, after *aftermath) {
	for _, other := range c.members {
		if other.mode == Kept && (other.at == nil || other.at.told < m.tick) && m.tick > 0 {
			c.tellLocked(Entry{Kind: Delivered, From: m, Seq: m.seq}, after)
			break
		}
	}
	c.tellLocked(Entry{Kind: Left, From: m, Why: m.end}, after)
}

// appendLocked puts an entry past all cursors and wakes those that it is for.
func (c *channel) appendLocked(e Entry, after *aftermath) {
	c.log.append(e)
	c.hub.octets.Add(e.octets())
	for _, m := range c.members {
		switch a := m.at; {
		case a == nil || a.awake: // nobody to wake, or its taker will see the entry
		case !a.wants(&e, c.log.end()-1): // parked, so its cursor is at the end: it stays there
			a.cursor = c.log.end()
		default:
			c.wakeLocked(a, after)
		}
	}
	c.trimLocked()
}

func (c *channel) wakeLocked(a *Attachment, after *aftermath) {
	if !a.awake {
		a.awake = true
		c.awake++
		after.add(a)
	}
}

// warn tells the members that the end is near, and waits for it.
func (c *channel) warn() {
	var after aftermath
	c.mu.Lock()
	if c.end == None {
		c.tellLocked(Entry{Kind: Ending, At: c.deadline, Why: ChannelExpired}, &after)
		c.expiry = time.AfterFunc(time.Until(c.deadline), func() { c.finish(ChannelExpired) })
	}
	c.release(&after)
}

// startExpiry starts the clock of the channel's life, which nothing stops but its end.
func (c *channel) startExpiry(lifespan time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case lifespan == 0 || c.end != None:
	case lifespan > warning:
		c.expiry = time.AfterFunc(lifespan-warning, c.warn)
	default:
		c.expiry = time.AfterFunc(lifespan, func() { c.finish(ChannelExpired) })
	}
}

// tell appends an entry that is no message.
func (c *channel) tell(e Entry) {
	var after aftermath
	c.mu.Lock()
	c.tellLocked(e, &after)
	c.release(&after)
}

// finish ends the channel, unless it has ended already.
func (c *channel) finish(why Reason) {
	var after aftermath
	c.mu.Lock()
	c.endLocked(why, &after)
	c.release(&after)
}

// endLocked ends the channel, unless it has ended already. What attachments have not taken yet
// stays for them; what was kept for members that are away is dropped.
func (c *channel) endLocked(why Reason, after *aftermath) {
	if c.end != None {
		return
	}
	c.end = why
	after.ended = true
	if c.expiry != nil {
		c.expiry.Stop()
	}
	for _, m := range c.members {
		if m.away != nil {
			m.away.Stop()
		}
		if m.at != nil {
			c.wakeLocked(m.at, after)
		}
	}
	c.trimLocked()
}
