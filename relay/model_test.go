package relay_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"channelserver/relay"
)

// The model is what the package promises, written as plainly as can be: one thing happens after
// the other, every attachment has a queue of its own, nothing is ever forgotten, only marked as
// dropped. See the tests that compare the Hub with it.

// logOverhead is what the log counts for an entry besides its body, in octets.
const logOverhead = 64

type modelEntry struct {
	kind relay.Kind
	why  relay.Reason
	seq  uint64
	from *modelMember
	body string
	at   time.Time // of Ending
}

func (e *modelEntry) cost() int64 { return int64(len(e.body)) + logOverhead }

// A modelItem is an entry in a queue, with its index in the log; a receipt has none.
type modelItem struct {
	*modelEntry
	index int
}

type modelAttachment struct {
	member   *modelMember
	queue    []modelItem
	receipts []modelItem    // the acknowledgements of others, to be told when the queue is empty
	others   []*modelMember // the other members as it began
	present  []bool         // whether they had an attachment
	welcomed int            // the index in the log before which it was told all that is no message
	retold   int            // the index in the log before which it was told even of those that had left
	sent     uint64
	awake    bool // its door is taking, or has been told to
	wakes    int  // how often it was woken
	end      relay.Reason
}

func (a *modelAttachment) wake() {
	if !a.awake {
		a.awake = true
		a.wakes++
	}
}

type modelMember struct {
	channel *modelChannel
	number  int
	mode    relay.Mode
	at      *modelAttachment // nil while it is away
	lost    time.Time        // since when it is away
	why     relay.Reason     // why it is away
	acked   uint64           // the message through which it has acknowledged
	ackedAt int              // how many acknowledgements there had been in the channel
	from    int              // the index in the log from which it may ask again
	stored  []uint64         // the numbers in the channel of its numbered messages
	gone    int              // how long the log was when it had left and that was told
	passed  int              // the index in the log before which its last attachment was told all that is no message
	retold  int              // the index in the log before which that one told even of those that had left
	heard   int              // the acknowledgements in the channel that that one told
	end     relay.Reason     // None while it has its seat
}

type modelChannel struct {
	hub      *model
	seats    []*modelMember
	log      []*modelEntry // all there ever was
	start    int           // index of the first entry that is not dropped
	kept     int           // index of the first entry that is kept for those yet to come
	messages int
	octets   int64 // of payload
	acks     int
	admitted []string // the sites of all connections ever admitted
	missed   []*modelMember
	born     time.Time
	warned   bool
	end      relay.Reason // None while it lives
}

type model struct {
	limits   relay.Limits
	channels []*modelChannel
	draining bool
	accepted int
	ended    map[relay.Reason]int
}

// modelSite names what counts as one address; "" is unknown.
func modelSite(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return ""
	case addr.Is4() || addr.Is4In6():
		octets := addr.As16()
		return "IPv4 " + string(octets[12:])
	default:
		octets := addr.As16()
		return "IPv6 " + string(octets[:8])
	}
}

func (h *model) create(addr netip.Addr, mode relay.Mode) (*modelAttachment, relay.Reason) {
	if h.draining {
		return nil, relay.Restart
	}
	c := &modelChannel{hub: h, born: time.Now()}
	h.channels = append(h.channels, c)
	return c.admit(addr, mode), relay.None
}

func (c *modelChannel) join(addr netip.Addr, mode relay.Mode) (*modelAttachment, relay.Reason) {
	site := modelSite(addr)
	switch {
	case c.end != relay.None:
		return nil, relay.NoSuchChannel
	case c.hub.limits.MaxConnections > 0 && len(c.seats) == c.hub.limits.MaxConnections:
		return nil, relay.ChannelFull
	case len(c.admitted) >= 2 && (site == "" || !slices.Contains(c.admitted, site)):
		return nil, relay.AddressRefused
	}
	return c.admit(addr, mode), relay.None
}

func (c *modelChannel) admit(addr netip.Addr, mode relay.Mode) *modelAttachment {
	c.admitted = append(c.admitted, modelSite(addr))
	m := &modelMember{channel: c, number: len(c.admitted), mode: mode}
	others, kept := c.seats, c.keeps()
	c.seats = append(slices.Clone(others), m)
	if mode == relay.Kept && !kept { // from now on, the log tells all who were there
		c.kept = len(c.log)
		for _, other := range others {
			c.tell(&modelEntry{kind: relay.Joined, from: other})
		}
	}
	m.from = max(c.start, c.kept)
	if mode == relay.Live {
		m.from = len(c.log)
	}
	a := m.attach(len(c.log), 0, 0)
	if c.keeps() {
		c.tell(&modelEntry{kind: relay.Joined, from: m})
	}
	c.evict()
	c.settle()
	return a
}

// attach gives the member a new attachment, to which all that is no message and stands before an index
// in the log is told in another way; but not what is about those that have left, from retold on. It has heard
// so many acknowledgements.
func (m *modelMember) attach(welcomed, retold, heard int) *modelAttachment {
	c := m.channel
	a := &modelAttachment{member: m, welcomed: welcomed, retold: retold, awake: true, sent: uint64(len(m.stored))}
	m.at = a
	for i, e := range c.log[m.from:] {
		told := e.kind != relay.Message && m.from+i < welcomed
		gone := e.from != nil && e.from.gone > 0 && e.from.gone <= welcomed && m.from+i >= retold // then its messages may be here, too
		if e.from != m && (!told || gone) {
			a.queue = append(a.queue, modelItem{e, m.from + i})
		}
	}
	for _, other := range c.seats {
		if other != m {
			a.others = append(a.others, other)
			a.present = append(a.present, other.at != nil)
			if m.mode == relay.Kept && other.ackedAt > heard {
				a.receipts = append(a.receipts, other.receipt()...)
			}
		}
	}
	slices.SortFunc(a.receipts, func(r, s modelItem) int { return r.from.ackedAt - s.from.ackedAt })
	return a
}

// receipt is what the member has acknowledged, if anything.
func (m *modelMember) receipt() []modelItem {
	if m.acked == 0 {
		return nil
	}
	return []modelItem{{&modelEntry{kind: relay.Delivered, from: m, seq: m.acked}, -1}}
}

// keeps tells whether a seat is Kept.
func (c *modelChannel) keeps() bool {
	return slices.ContainsFunc(c.seats, func(m *modelMember) bool { return m.mode == relay.Kept })
}

// tell appends an entry for all but the one that it is about.
func (c *modelChannel) tell(e *modelEntry) {
	c.log = append(c.log, e)
	for _, m := range c.seats {
		if m.at != nil && m != e.from && (e.kind == relay.Message || m.mode == relay.Kept) {
			m.at.queue = append(m.at.queue, modelItem{e, len(c.log) - 1})
			m.at.wake()
		}
	}
	c.settle()
}

// announce appends an entry that is no message, where a Kept member other than the one that it is
// about is there to be told.
func (c *modelChannel) announce(e *modelEntry) {
	for _, m := range c.seats {
		if c.end == relay.None && m.mode == relay.Kept && m != e.from {
			c.tell(e)
			return
		}
	}
}

// settle drops all, once nobody has anything to take and nothing is kept for anyone.
func (c *modelChannel) settle() {
	busy := slices.ContainsFunc(c.seats, func(m *modelMember) bool { return m.at != nil && m.at.awake })
	if !busy && (c.end != relay.None || !c.keeps()) {
		c.start = len(c.log)
	}
}

func (a *modelAttachment) over() relay.Reason {
	if a.end != relay.None {
		return a.end
	}
	return a.member.over()
}

func (m *modelMember) over() relay.Reason {
	if m.end != relay.None {
		return m.end
	}
	return m.channel.end
}

// send appends a message that its member may send.
func (m *modelMember) send(body string, size int) (seq uint64, why relay.Reason) {
	c := m.channel
	limits := c.hub.limits
	switch {
	case limits.MaxExchanges > 0 && c.messages == limits.MaxExchanges:
		c.finish(relay.TooManyMessages)
		return 0, relay.TooManyMessages
	case limits.MaxData > 0 && c.octets+int64(size) > limits.MaxData:
		c.finish(relay.TooMuchData)
		return 0, relay.TooMuchData
	}
	c.messages++
	c.octets += int64(size)
	c.hub.accepted++
	seq = uint64(c.messages)
	c.tell(&modelEntry{kind: relay.Message, from: m, body: body, seq: seq})
	c.evict()
	return seq, relay.None
}

func (m *modelMember) sendNumbered(n uint64, body string, size int) (relay.Receipt, relay.Reason) {
	next := uint64(len(m.stored)) + 1
	switch {
	case n < next:
		return relay.Receipt{Stored: true, Seq: m.stored[n-1], Next: next}, relay.None
	case n > next:
		return relay.Receipt{Next: next}, relay.None
	}
	seq, why := m.send(body, size)
	if why != relay.None {
		return relay.Receipt{}, why
	}
	m.stored = append(m.stored, seq)
	return relay.Receipt{Stored: true, Seq: seq, Next: next + 1}, relay.None
}

// ack notes that the member will not ask for the messages through seq again.
func (m *modelMember) ack(seq uint64) {
	c := m.channel
	seq = min(seq, uint64(c.messages))
	if seq <= m.acked {
		return
	}
	c.acks++
	m.acked, m.ackedAt = seq, c.acks
	for i, e := range c.log {
		if e.kind == relay.Message && e.seq <= seq {
			m.from = max(m.from, i+1)
		}
	}
	for _, other := range c.seats {
		if a := other.at; other != m && a != nil && other.mode == relay.Kept {
			a.receipts = append(without(a.receipts, m), m.receipt()...)
			a.wake()
		}
	}
}

// without returns the receipts of others than one.
func without(receipts []modelItem, m *modelMember) []modelItem {
	return slices.DeleteFunc(slices.Clone(receipts), func(r modelItem) bool { return r.from == m })
}

func (a *modelAttachment) take(room int) (taken []modelItem, why relay.Reason) {
	if a.end != relay.None {
		return nil, a.end
	}
	n := min(room, len(a.queue))
	taken, a.queue = slices.Clone(a.queue[:n]), a.queue[n:]
	n = min(room-n, len(a.receipts))
	taken, a.receipts = append(taken, a.receipts[:n]...), a.receipts[n:]
	if len(taken) > 0 {
		return taken, relay.None
	}
	c := a.member.channel
	if c.end == relay.None {
		a.awake = false
		c.settle()
	}
	return nil, c.end
}

// body returns a text of its own for each number, of about the given length.
func body(number, length int) string {
	digits := []byte{byte('0' + number/100%10), byte('0' + number/10%10), byte('0' + number%10)}
	return string(digits) + strings.Repeat(".", length)
}
