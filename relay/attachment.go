package relay

import "time"

// An Attachment is a connection of a member's: the cursor that moves over the log as the member
// is given what is there. A Live member has one for life; a Kept one has one after the other, and none
// while it is away. See the package comment for which methods may run at the same time.
type Attachment struct {
	Member  *Member  // whose it is; static
	Welcome *Welcome // how things stood when it began, for a Kept member that is Welcomed, else nil; the door may forget it

	peer     Peer   // static
	welcomed uint64 // the position before which its Welcome, or the attachment before it, has told all that is no message; static

	retold uint64 // the position before which the attachment that it continues has told of members that had left; static

	cursor uint64      // position of the next entry to take; guarded by channel.mu, like all below
	awake  bool        // somebody is taking, or has been told to; one that is not awake is parked, with its cursor at the end
	next   *Attachment // among the Wakes that it is in, which own it
	told   uint64      // the acknowledgements of others that it has been told, by Member.tick
	end    Reason      // why it is over; None while it lasts
}

// A Welcome tells a Kept member how its channel stands at the moment in which it attaches.
// Everything later comes through Take.
type Welcome struct {
	Others  []Presence    // the other members
	Sent    uint64        // the n of the member's last message that is stored
	Expires time.Duration // what is left of the channel's life; 0 when that has no limit
}

// A Resumption says how a member that takes its seat back learns what it has missed besides messages.
type Resumption uint8

const (
	Welcomed  Resumption = iota // from a Welcome: for one that may not have got all that was sent to it
	Continued                   // from Take, as if the attachment before it went on
)

// A Presence says whether a member had a connection.
type Presence struct {
	Member  *Member
	Present bool
}

// Send appends a message to the channel's log, for all members but this one. The body is what
// they will take; it is copied. The size is what counts towards
// Limits.MaxData, in octets. Send never waits for a reader.
//
// It returns None when the message was accepted. When the message would pass a limit, the
// channel ends for every member, this one too, and the reason is returned; as is the reason of an
// earlier end of the channel, the seat or the attachment.
func (a *Attachment) Send(body []byte, size int) Reason {
	_, why := a.Member.send(a, 0, body, size, nil)
	return why
}

// SendHeld is Send, but leaves it to the caller to wake those who have something to take: soon,
// whatever happens, and before it waits for anything. So what came in together goes out together. The
// same goes for the other methods whose names end in Held.
func (a *Attachment) SendHeld(body []byte, size int, wakes *Wakes) Reason {
	_, why := a.Member.send(a, 0, body, size, wakes)
	return why
}

// SendNumbered is Member.SendNumbered, as long as the attachment lasts.
func (a *Attachment) SendNumbered(n uint64, body []byte, size int) (Receipt, Reason) {
	return a.Member.send(a, n, body, size, nil)
}

// SendNumberedHeld is SendNumbered.
func (a *Attachment) SendNumberedHeld(n uint64, body []byte, size int, wakes *Wakes) (Receipt, Reason) {
	return a.Member.send(a, n, body, size, wakes)
}

// Ack notes that a Kept member has processed the messages through seq: it will not ask for them
// again, and the others are told. A number beyond the last message, or before an earlier one, is
// brought into range.
func (a *Attachment) Ack(seq uint64) {
	var wakes Wakes
	a.AckHeld(seq, &wakes)
	wakes.Flush()
}

// AckHeld is Ack.
func (a *Attachment) AckHeld(seq uint64, wakes *Wakes) {
	c := a.Member.channel
	var after aftermath
	c.mu.Lock()
	if a.end == None && a.Member.mode == Kept && c.end == None {
		a.Member.ackLocked(seq, &after)
	}
	c.settle(&after)
	wakes.join(after.Wakes)
}

// Take moves the cursor over what lies past it, as many entries as dst has room for, and
// returns how many it put there; dst must have room for one at least. They are for use until the next call. When it
// returns none, then either the reason is None and the attachment is parked: Peer.Wake will tell when there is more;
// or the channel, the seat or the attachment has ended for that reason, and nothing more will come.
// The messages accepted before the end of a channel come first.
func (a *Attachment) Take(dst []Entry) (int, Reason) {
	c := a.Member.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.end != None {
		return 0, a.end
	}
	n := 0
	for ; n < len(dst) && a.cursor < c.log.end(); a.cursor++ {
		if e := c.log.at(a.cursor); a.wants(e, a.cursor) {
			dst[n] = *e
			n++
		}
	}
	n += a.receiptsLocked(dst[n:])
	switch {
	case n > 0:
		return n, None
	case c.end != None:
		return 0, c.end
	}
	if a.awake {
		a.awake = false
		c.awake--
		c.trimLocked()
	}
	return 0, None
}

// wants tells whether the entry at a position is for the attachment's member.
//
// What came before the attachment and is no message is in its Welcome already, unless it is about
// a member that has left since: that one's messages may be among those replayed. What goes on from an
// attachment before it does not tell that again.
func (a *Attachment) wants(e *Entry, position uint64) bool {
	m := a.Member
	switch {
	case e.From == m:
		return false
	case e.Kind == Message:
		return true
	case m.mode == Live:
		return false
	case position >= a.welcomed:
		return true
	}
	return position >= a.retold && e.From != nil && e.From.left != 0 && e.From.left <= a.welcomed
}

// receiptsLocked puts the acknowledgements of others that the member has not been told of into dst,
// oldest first, and returns how many. Only the last of each member matters, so that they need no
// place in the log.
func (a *Attachment) receiptsLocked(dst []Entry) int {
	c := a.Member.channel
	if a.Member.mode == Live {
		return 0
	}
	n := 0
	for n < len(dst) && a.told < c.receipts {
		var next *Member
		for _, m := range c.members {
			if m != a.Member && m.tick > a.told && (next == nil || m.tick < next.tick) {
				next = m
			}
		}
		if next == nil {
			a.told = c.receipts
			break
		}
		dst[n] = Entry{Kind: Delivered, From: next, Seq: next.seq}
		n++
		a.told = next.tick
	}
	return n
}

// Leave gives the member's seat up; why is for what Send and Take return from then on, and for
// the others. The channel ends with its last member. After the attachment's end it does nothing.
func (a *Attachment) Leave(why Reason) { a.Member.leave(a, why) }

// Detach ends the attachment, for the reason why the connection was lost. A Kept member is away
// from then on, and loses its seat if it is not back within Limits.ResumeTimeout; for a Live member
// it is the same as Leave. After the attachment's end it does nothing.
func (a *Attachment) Detach(why Reason) {
	m := a.Member
	c := m.channel
	if m.mode == Live {
		m.leave(a, why)
		return
	}
	var after aftermath
	c.mu.Lock()
	if a.end == None {
		c.stirLocked(a)
		c.detachLocked(m, why, &after)
		if c.end == None {
			m.why = why
			m.losses++
			loss := m.losses
			m.away = time.AfterFunc(c.limits.ResumeTimeout, func() { m.giveUp(loss) })
			c.tellLocked(Entry{Kind: Away, From: m, Why: why}, &after)
			c.evictLocked(&after)
		}
		c.trimLocked()
	}
	c.release(&after)
}

// stirLocked makes an attachment awake without waking its peer, which is the one that acts.
func (c *channel) stirLocked(a *Attachment) {
	if !a.awake {
		a.awake = true
		c.awake++
	}
}

// ChannelID returns the id of the member's channel.
func (a *Attachment) ChannelID() ID { return a.Member.ChannelID() }
