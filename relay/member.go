package relay

import "time"

// A Member is one seat in a channel: a cursor into its log. See the package comment for which of
// its methods may run at the same time.
type Member struct {
	Card any // the door's note about the member, as given to Create or Join; static

	channel *channel // static
	peer    Peer     // static

	cursor uint64 // position of the next entry to take; guarded by channel.mu, like all below
	awake  bool   // somebody is taking, or has been told to; a member that is not awake is parked, with its cursor at the end
	end    Reason // why the seat was lost; None while it is held
}

// ChannelID returns the id of the member's channel.
func (m *Member) ChannelID() ID { return m.channel.id }

// Send appends a message to the channel's log, for all members but this one. The body is what
// they will take; it must not be modified any more. The size is what counts towards
// Limits.MaxData, in octets. Send never waits for a reader.
//
// It returns None when the message was accepted. When the message would pass a limit, the
// channel ends for every member, this one too, and the reason is returned; as is the reason of an
// earlier end of the channel or of the seat.
func (m *Member) Send(body []byte, size int) Reason {
	c := m.channel
	var room [9]*Member
	wake := room[:0]

	c.mu.Lock()
	if why := m.overLocked(); why != None {
		c.mu.Unlock()
		return why
	}
	if why := c.hub.limits.accepts(c.messages, c.octets, size); why != None {
		wake = c.endLocked(why, wake)
		c.mu.Unlock()
		c.ended(why, wake)
		return why
	}
	c.messages++
	c.octets += int64(size)
	wake = c.appendLocked(Entry{Seq: uint64(c.messages), From: m, Body: body, At: time.Now()}, wake)
	last := c.endIfEmptyLocked()
	c.mu.Unlock()

	c.hub.observer.Accepted(size)
	if last {
		c.ended(Bye, nil)
	}
	for _, other := range wake {
		other.peer.Wake()
	}
	return None
}

// Take moves the cursor over what lies past it, as many messages as dst has room for, and
// returns how many it put there; dst must have room for one at least. When it returns none, then
// either the reason is None and the member is parked: Peer.Wake will tell when there is more; or
// the channel or the seat has ended for that reason, and nothing more will come. The messages
// accepted before the end of a channel come first.
func (m *Member) Take(dst []Entry) (int, Reason) {
	c := m.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.end != None {
		return 0, m.end
	}
	n := 0
	for ; n < len(dst) && m.cursor < c.log.end(); m.cursor++ {
		if e := c.log.at(m.cursor); e.From != m {
			dst[n] = *e
			n++
		}
	}
	switch {
	case n > 0:
		return n, None
	case c.end != None:
		return 0, c.end
	}
	if m.awake {
		m.awake = false
		c.awake--
		c.trimLocked()
	}
	return 0, None
}

// Leave gives the seat up; why is for what Send and Take return from then on. The channel ends
// with its last member. Leaving twice, or after the channel has ended, does no harm.
func (m *Member) Leave(why Reason) {
	c := m.channel
	c.mu.Lock()
	if m.end != None {
		c.mu.Unlock()
		return
	}
	c.removeLocked(m, why)
	c.trimLocked()
	last := c.endIfEmptyLocked()
	c.mu.Unlock()
	if last {
		c.ended(Bye, nil)
	}
}

// overLocked returns why nothing can be sent any more, or None.
func (m *Member) overLocked() Reason {
	if m.end != None {
		return m.end
	}
	return m.channel.end
}
