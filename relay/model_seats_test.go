package relay_test

import (
	"slices"
	"time"

	"channelserver/relay"
)

// This part of the model is about how attachments, seats and channels end, and what time does.

// detach ends the attachment that the member has. The one that acts is not woken.
func (m *modelMember) detach(why relay.Reason, acts bool) {
	if m.at == nil {
		return
	}
	m.passed = len(m.channel.log)
	if len(m.at.queue) > 0 {
		m.passed = m.at.queue[0].index
	}
	m.retold = max(m.passed, m.at.retold)
	m.passed = max(m.passed, m.at.welcomed)
	m.heard = m.channel.acks
	for _, r := range m.at.receipts {
		m.heard = min(m.heard, r.from.ackedAt-1)
	}
	m.at.end = why
	if !acts {
		m.at.wake()
	}
	m.at = nil
}

// lose is what happens when a connection is lost.
func (m *modelMember) lose(why relay.Reason) {
	c := m.channel
	if m.mode == relay.Live {
		m.leave(why, true)
		return
	}
	m.detach(why, true)
	m.why, m.lost = why, time.Now()
	c.announce(&modelEntry{kind: relay.Away, from: m, why: why})
	c.evict()
	c.settle()
}

func (c *modelChannel) resume(m *modelMember, after uint64, how relay.Resumption) (*modelAttachment, relay.Reason) {
	if _, why := c.holder(m); why != relay.None {
		return nil, why
	}
	back := m.at == nil
	m.detach(relay.Replaced, false)
	m.ack(after)
	welcomed, retold, heard := m.passed, m.retold, m.heard
	if how == relay.Welcomed {
		welcomed, retold, heard = len(c.log), 0, 0
	}
	a := m.attach(welcomed, retold, heard)
	if back {
		c.announce(&modelEntry{kind: relay.Back, from: m})
		c.evict()
	}
	return a, relay.None
}

// holder returns the member whose token is known to be this one's, nil for a token that is nobody's.
func (c *modelChannel) holder(m *modelMember) (*modelMember, relay.Reason) {
	switch {
	case m == nil || c.end != relay.None || m.mode == relay.Live:
		return nil, relay.NoSuchChannel
	case m.end == relay.None:
		return m, relay.None
	case slices.Contains(c.missed[max(0, len(c.missed)-8):], m):
		return nil, relay.MissedMessages
	}
	return nil, relay.NoSuchChannel
}

// leave gives the seat up. The one that acts is not woken.
func (m *modelMember) leave(why relay.Reason, acts bool) {
	if m.end != relay.None {
		return
	}
	m.remove(why, acts)
	m.announceEnd()
	m.channel.evict()
	m.channel.settle()
	m.channel.endIfEmpty()
}

func (m *modelMember) remove(why relay.Reason, acts bool) {
	c := m.channel
	m.detach(why, acts)
	m.end = why
	m.gone = len(c.log) + 1
	c.seats = slices.DeleteFunc(c.seats, func(other *modelMember) bool { return other == m })
	c.settle()
}

// announceEnd tells that the member has left, and before that what it had acknowledged, if anyone
// does not know.
func (m *modelMember) announceEnd() {
	c := m.channel
	told := true
	for _, other := range c.seats {
		switch a := other.at; {
		case other.mode == relay.Live:
		case a == nil:
			told = false
		default:
			all := len(a.receipts)
			a.receipts = without(a.receipts, m)
			told = told && len(a.receipts) == all
		}
	}
	if m.acked > 0 && !told {
		c.announce(m.receipt()[0].modelEntry)
	}
	c.announce(&modelEntry{kind: relay.Left, from: m, why: m.end})
}

// needs returns the index in the log of the first entry that the member may still be given.
func (m *modelMember) needs() int {
	first := len(m.channel.log)
	if m.at != nil && len(m.at.queue) > 0 {
		first = m.at.queue[0].index
	}
	return min(first, m.asks())
}

// asks returns the index of the first message that a Kept member may ask for again.
func (m *modelMember) asks() int {
	all := m.channel.log
	if m.mode == relay.Live {
		return len(all)
	}
	for i := m.from; i < len(all); i++ {
		if all[i].kind == relay.Message && all[i].from != m {
			return i
		}
	}
	return len(all)
}

// evict brings the log back within its bounds: first goes what all have, then those that lag most.
func (c *modelChannel) evict() {
	if c.end != relay.None {
		return
	}
	var gone []*modelMember
	for c.overfull() {
		lowest := len(c.log)
		for _, m := range c.seats {
			lowest = min(lowest, m.needs())
			m.from = m.asks() // what is no message waits for nobody that is not there
		}
		c.start = lowest
		if !c.overfull() {
			break
		}
		for _, m := range slices.Clone(c.seats) {
			if m.needs() > lowest {
				continue
			}
			why := relay.Slow
			if m.mode == relay.Kept {
				why = relay.MissedMessages
				c.missed = append(c.missed, m)
			}
			m.remove(why, false)
			gone = append(gone, m)
		}
	}
	for _, m := range gone {
		m.announceEnd()
	}
	c.endIfEmpty()
}

func (c *modelChannel) size() (octets int64) {
	for _, e := range c.log[c.start:] {
		octets += e.cost()
	}
	return octets
}

func (c *modelChannel) overfull() bool {
	if len(c.log)-c.start < 2 {
		return false
	}
	all := int64(0)
	for _, other := range c.hub.channels {
		all += other.size()
	}
	older := c.size() - c.log[len(c.log)-1].cost()
	limits := c.hub.limits
	return limits.MaxLag > 0 && older > limits.MaxLag || limits.MaxKept > 0 && all > limits.MaxKept
}

func (c *modelChannel) endIfEmpty() {
	if len(c.seats) == 0 {
		c.finish(relay.Bye)
	}
}

func (c *modelChannel) finish(why relay.Reason) {
	if c.end != relay.None {
		return
	}
	c.end = why
	c.hub.ended[why]++
	for _, m := range c.seats {
		if m.at != nil {
			m.at.wake()
		}
	}
	c.settle()
}

func (h *model) drain(patience time.Duration) {
	h.draining = true
	for _, c := range h.channels {
		c.announce(&modelEntry{kind: relay.Ending, at: time.Now().Add(patience), why: relay.Restart})
	}
}

func (h *model) endAll(why relay.Reason) {
	for _, c := range h.channels {
		c.finish(why)
	}
}

// tick does what is due by now, in the order in which it became due.
func (h *model) tick() {
	for {
		var due time.Time
		var act func()
		at := func(t time.Time, f func()) {
			if !t.After(time.Now()) && (act == nil || t.Before(due)) {
				due, act = t, f
			}
		}
		for _, c := range h.channels {
			if c.end != relay.None {
				continue
			}
			if life := h.limits.Lifespan; life > 0 {
				end := c.born.Add(life)
				at(end, func() { c.finish(relay.ChannelExpired) })
				if life > 30*time.Second && !c.warned {
					at(end.Add(-30*time.Second), func() {
						c.warned = true
						c.announce(&modelEntry{kind: relay.Ending, at: end, why: relay.ChannelExpired})
					})
				}
			}
			for _, m := range c.seats {
				if m.at == nil {
					at(m.lost.Add(h.limits.ResumeTimeout), func() { m.leave(m.why, false) })
				}
			}
		}
		if act == nil {
			return
		}
		act()
	}
}

// stats returns what the hub must count.
func (h *model) stats() (want relay.Stats) {
	for _, c := range h.channels {
		for _, m := range c.seats {
			if m.at != nil {
				want.Connections++
			}
		}
		if c.end == relay.None {
			want.Channels++
		}
		want.Octets += c.size()
	}
	return want
}
