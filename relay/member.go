package relay

import (
	"crypto/subtle"
	"time"
)

// A Mode says how long a seat lives and what it is given.
type Mode uint8

const (
	// Live is the mode of version 1: the cursor starts at the end of the log, passes messages only,
	// and the seat ends with its connection.
	Live Mode = iota
	// Kept is the mode of version 2: the cursor starts at the beginning of the log, and the seat
	// outlives its connections: it waits for Limits.ResumeTimeout to be taken back with its token.
	Kept
)

// A Token takes a Kept seat back: 16 octets from a cryptographic random source. It is a secret of
// the member's.
type Token ID

// String returns the text form, 22 characters of unpadded base64url.
func (t Token) String() string { return ID(t).String() }

// ParseToken reads what String returns.
func ParseToken(text string) (Token, error) {
	id, err := ParseID(text)
	return Token(id), err
}

// equal compares in a time that does not depend on where the tokens differ.
func (t Token) equal(other Token) bool { return subtle.ConstantTimeCompare(t[:], other[:]) == 1 }

// A Member is one seat in a channel, and who sits there. Its methods may be called at any time.
type Member struct {
	Number int // in its channel, in order of admission; the creator is 1; static, like all down to token
	Card   any // the door's note about the member, as given to Create or Join

	channel *channel
	mode    Mode
	token   Token // of a Kept seat

	at     *Attachment // guarded by channel.mu, like all below; nil while the member is away or gone
	losses int         // how often it has lost its connection
	why    Reason      // why it is away
	away   *time.Timer // gives up the seat of a member that is away
	acked  uint64      // of a Kept seat: the position before which it will not ask again
	seq    uint64      // of a Kept seat: the message through which it has acknowledged
	passed uint64      // the position through which its last attachment has told all that is no message
	retold uint64      // the position before which that one has told of members that had left
	told   uint64      // the acknowledgements that it has told
	tick   uint64      // channel.receipts at the last acknowledgement
	sent   uint64      // the n of its last message
	seqs   []uint64    // the numbers in the channel of its last messages, at most maxSeqs
	left   uint64      // the position at which it had left
	end    Reason      // why the seat was lost; None while it is held
}

// maxSeqs is how many of a member's messages at most can be answered again with their number; at least it
// is half of that.
const maxSeqs = 1024

// ChannelID returns the id of the member's channel.
func (m *Member) ChannelID() ID { return m.channel.id }

// Token returns what takes the seat back; zero for a Live one.
func (m *Member) Token() Token { return m.token }

// Limits returns the limits of the member's channel.
func (m *Member) Limits() Limits { return *m.channel.limits }

// A Receipt answers a numbered message.
type Receipt struct {
	Stored bool   // whether the channel has the message
	Seq    uint64 // its number in the channel; 0 when it was stored too long ago to tell
	Next   uint64 // the n that comes next
}

// SendNumbered appends a message like Attachment.Send, unless the member has sent it before: n
// counts a member's messages from 1; the caller must not pass 0. A message that is not stored although the reason is None
// had an n that is not the next.
func (m *Member) SendNumbered(n uint64, body []byte, size int) (Receipt, Reason) {
	return m.send(nil, n, body, size, nil)
}

// send appends a message; n is 0 for one without a number. A nil attachment stands for whichever
// the member has. Who is to be woken joins wakes, unless that is nil.
func (m *Member) send(a *Attachment, n uint64, body []byte, size int, wakes *Wakes) (Receipt, Reason) {
	c := m.channel
	var after aftermath
	c.mu.Lock()
	if why := m.overLocked(a); why != None {
		c.mu.Unlock()
		return Receipt{}, why
	}
	if n != 0 && n != m.sent+1 {
		receipt := Receipt{Stored: n <= m.sent, Next: m.sent + 1}
		if back := m.sent - n; receipt.Stored && back < uint64(len(m.seqs)) {
			receipt.Seq = m.seqs[uint64(len(m.seqs))-1-back]
		}
		c.mu.Unlock()
		return receipt, None
	}
	if why := c.limits.accepts(c.messages, c.octets, size); why != None {
		c.endLocked(why, &after)
		c.release(&after)
		return Receipt{}, why
	}
	c.messages++
	c.octets += int64(size)
	seq := uint64(c.messages)
	if n != 0 {
		m.sent = n
		if len(m.seqs) == maxSeqs {
			m.seqs = append(m.seqs[:0], m.seqs[maxSeqs/2:]...)
		}
		m.seqs = append(m.seqs, seq)
	}
	body, box := c.packLocked(body)
	c.appendLocked(Entry{Kind: Message, Seq: seq, From: m, Body: body, At: time.Now(), box: box}, &after)
	c.evictLocked(&after)
	c.settle(&after)
	c.hub.observer.Accepted(size)
	if wakes != nil {
		wakes.join(after.Wakes)
	} else {
		after.Flush()
	}
	return Receipt{Stored: true, Seq: seq, Next: n + 1}, None
}

// Leave gives the seat up; the others are told why. The channel ends with its last member. Leaving
// twice, or after the channel has ended, does no harm.
func (m *Member) Leave(why Reason) { m.leave(nil, why) }

func (m *Member) leave(a *Attachment, why Reason) {
	c := m.channel
	var after aftermath
	c.mu.Lock()
	if m.end == None && (a == nil || a.end == None) {
		if a != nil {
			c.stirLocked(a)
		}
		c.removeLocked(m, why, &after)
		c.tellLeftLocked(m, &after)
		c.evictLocked(&after)
	}
	c.release(&after)
}

// EndChannel ends the channel as ChannelEnded for all, if the member is its creator, and tells
// whether it is. It does nothing once the creator has lost its seat.
func (m *Member) EndChannel() bool {
	if m.Number != 1 {
		return false
	}
	c := m.channel
	var after aftermath
	c.mu.Lock()
	if m.end == None {
		c.endLocked(ChannelEnded, &after)
	}
	c.release(&after)
	return true
}

// giveUp takes the seat of a member that has been away for too long. The timer of an earlier loss,
// stopped too late, does nothing.
func (m *Member) giveUp(loss int) {
	c := m.channel
	var after aftermath
	c.mu.Lock()
	if m.end == None && m.at == nil && m.losses == loss && c.end == None {
		c.removeLocked(m, m.why, &after)
		c.tellLeftLocked(m, &after)
		c.evictLocked(&after)
	}
	c.release(&after)
}

// ackLocked notes that the member will not ask again for the messages through seq, as far as there are such.
func (m *Member) ackLocked(seq uint64, after *aftermath) {
	c := m.channel
	seq = min(seq, uint64(c.messages))
	if seq <= m.seq {
		return
	}
	m.seq = seq
	for at := m.acked; at < c.log.end(); at++ { // what is told after the message may not have been taken
		if e := c.log.at(at); e.Kind == Message {
			if e.Seq > seq {
				break
			}
			m.acked = at + 1
		}
	}
	c.receipts++
	m.tick = c.receipts
	for _, other := range c.members {
		if other != m && other.mode == Kept && other.at != nil {
			c.wakeLocked(other.at, after)
		}
	}
}

// mustAck tells whether an entry is kept for a Kept member until it acknowledges it.
func (m *Member) mustAck(e *Entry) bool { return e.Kind == Message && e.From != m }

// overLocked returns why nothing can be sent any more, or None.
func (m *Member) overLocked(a *Attachment) Reason {
	switch {
	case a != nil && a.end != None:
		return a.end
	case m.end != None:
		return m.end
	}
	return m.channel.end
}
