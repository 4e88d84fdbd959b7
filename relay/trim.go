package relay

import "slices"

// trimLocked drops what nobody may ask for again.
//
// While all seats are Live, or when the channel has ended, that is what all cursors have passed;
// it looks through the cursors only when enough has gathered to pay for it. While a seat is Kept,
// a later joiner may ask for the whole log, and it is kept.
func (c *channel) trimLocked() {
	switch {
	case c.kept > 0 && c.end == None:
	case c.awake == 0: // all are parked, which is to say at the end
		c.dropBeforeLocked(c.log.end())
		c.trimAt = 0
	case c.log.octets > max(c.trimAt, trimFrom):
		c.dropBeforeLocked(c.lowestLocked())
		c.trimAt = 2 * c.log.octets
	}
}

// evictLocked brings the log back within its bounds. First goes what all members have: a later
// joiner gets the less. Then go those that lag most, seat and all.
func (c *channel) evictLocked(after *aftermath) {
	if c.end != None {
		return // its members are to learn why it has ended
	}
	var gone []*Member
	for c.overfullLocked() {
		lowest := c.lowestLocked()
		c.dropBeforeLocked(lowest)
		if !c.overfullLocked() {
			break
		}
		for _, m := range slices.Clone(c.members) {
			if m.needsFromLocked() > lowest {
				continue
			}
			if m.mode == Kept {
				c.removeLocked(m, MissedMessages, after)
				c.missed = append(c.missed, m)
			} else {
				c.removeLocked(m, Slow, after)
			}
			gone = append(gone, m)
		}
	}
	if excess := len(c.missed) - maxMissed; excess > 0 {
		c.missed = slices.Delete(c.missed, 0, excess)
	}
	for _, m := range gone {
		c.tellLeftLocked(m, after)
	}
}

// overfullLocked tells whether the log holds more than it may, the newest entry aside.
func (c *channel) overfullLocked() bool {
	if len(c.log.entries) < 2 {
		return false
	}
	limits := c.limits
	older := c.log.octets - c.log.at(c.log.end()-1).octets()
	return limits.MaxLag > 0 && older > limits.MaxLag || limits.MaxKept > 0 && c.hub.octets.Load() > limits.MaxKept
}

// lowestLocked returns the position before which no member needs anything.
func (c *channel) lowestLocked() uint64 {
	lowest := c.log.end()
	for _, m := range c.members {
		lowest = min(lowest, m.needsFromLocked())
	}
	return lowest
}

func (c *channel) dropBeforeLocked(position uint64) {
	before := c.log.octets
	c.log.dropBefore(position, c.awake == 0)
	c.hub.octets.Add(c.log.octets - before)
}

// needsFromLocked returns the position of the first entry that the member may still ask for. It moves
// the member's cursors over what is not for it, which does not wait for it.
func (m *Member) needsFromLocked() uint64 {
	c := m.channel
	from := c.log.end()
	if a := m.at; a != nil {
		for a.cursor < c.log.end() && !a.wants(c.log.at(a.cursor), a.cursor) {
			a.cursor++
		}
		from = a.cursor
	}
	if m.mode == Kept && c.end == None {
		for m.acked < c.log.end() && !m.mustAck(c.log.at(m.acked)) {
			m.acked++
		}
		from = min(from, m.acked)
	}
	return from
}
