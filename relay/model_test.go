package relay_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"channelserver/relay"
)

// The model is what the package promises, written as plainly as can be: one thing happens after
// the other, every member has a queue of its own, and nothing is ever optimised. See the tests
// that compare the Hub with it.

// logOverhead is what the log counts for a message besides its body, in octets.
const logOverhead = 64

type modelMessage struct {
	from *modelMember
	body string
	seq  uint64
}

func (m *modelMessage) cost() int64 { return int64(len(m.body)) + logOverhead }

type modelMember struct {
	channel *modelChannel
	queue   []*modelMessage // for it to take
	awake   bool            // its door is taking, or has been told to
	wakes   int             // how often it was woken
	end     relay.Reason    // None while it has its seat
}

func (m *modelMember) wake() {
	if !m.awake {
		m.awake = true
		m.wakes++
	}
}

type modelChannel struct {
	hub      *model
	seats    []*modelMember
	messages []*modelMessage // all there ever were
	octets   int64           // of payload
	admitted []string        // the sites of all connections ever admitted
	born     time.Time
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

func (h *model) create(addr netip.Addr) (*modelMember, relay.Reason) {
	if h.draining {
		return nil, relay.Restart
	}
	c := &modelChannel{hub: h, born: time.Now()}
	h.channels = append(h.channels, c)
	return c.admit(addr), relay.None
}

func (c *modelChannel) join(addr netip.Addr) (*modelMember, relay.Reason) {
	site := modelSite(addr)
	switch {
	case c.end != relay.None:
		return nil, relay.NoSuchChannel
	case c.hub.limits.MaxConnections > 0 && len(c.seats) == c.hub.limits.MaxConnections:
		return nil, relay.ChannelFull
	case len(c.admitted) >= 2 && (site == "" || !slices.Contains(c.admitted, site)):
		return nil, relay.AddressRefused
	}
	return c.admit(addr), relay.None
}

func (c *modelChannel) admit(addr netip.Addr) *modelMember {
	m := &modelMember{channel: c, awake: true}
	c.seats = append(c.seats, m)
	c.admitted = append(c.admitted, modelSite(addr))
	return m
}

func (m *modelMember) send(body string, size int) relay.Reason {
	c := m.channel
	limits := c.hub.limits
	switch {
	case m.end != relay.None:
		return m.end
	case c.end != relay.None:
		return c.end
	case limits.MaxExchanges > 0 && len(c.messages) == limits.MaxExchanges:
		c.finish(relay.TooManyMessages)
		return relay.TooManyMessages
	case limits.MaxData > 0 && c.octets+int64(size) > limits.MaxData:
		c.finish(relay.TooMuchData)
		return relay.TooMuchData
	}
	message := &modelMessage{from: m, body: body, seq: uint64(len(c.messages)) + 1}
	c.messages = append(c.messages, message)
	c.octets += int64(size)
	c.hub.accepted++
	for _, other := range c.seats {
		if other != m {
			other.queue = append(other.queue, message)
			other.wake()
		}
	}
	for limits.MaxLag > 0 && c.lag() > limits.MaxLag {
		first := c.oldest()
		for _, other := range slices.Clone(c.seats) {
			if len(other.queue) > 0 && other.queue[0] == first {
				other.leave(relay.Slow)
			}
		}
	}
	return relay.None
}

// oldest returns the first message that somebody has not taken, or nil.
func (c *modelChannel) oldest() *modelMessage {
	var first *modelMessage
	for _, m := range c.seats {
		if len(m.queue) > 0 && (first == nil || m.queue[0].seq < first.seq) {
			first = m.queue[0]
		}
	}
	return first
}

// lag returns the octets from the oldest message on, the newest of all aside.
func (c *modelChannel) lag() int64 {
	first := c.oldest()
	if first == nil {
		return 0
	}
	octets := int64(0)
	for _, message := range c.messages[first.seq-1 : len(c.messages)-1] {
		octets += message.cost()
	}
	return octets
}

func (m *modelMember) take(room int) ([]*modelMessage, relay.Reason) {
	switch {
	case m.end != relay.None:
		return nil, m.end
	case len(m.queue) > 0:
		n := min(room, len(m.queue))
		taken := m.queue[:n]
		m.queue = m.queue[n:]
		return taken, relay.None
	case m.channel.end != relay.None:
		return nil, m.channel.end
	}
	m.awake = false
	return nil, relay.None
}

func (m *modelMember) leave(why relay.Reason) {
	if m.end != relay.None {
		return
	}
	m.end = why
	c := m.channel
	c.seats = slices.DeleteFunc(c.seats, func(other *modelMember) bool { return other == m })
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
		m.wake()
	}
}

// expire ends what has lived for the lifespan.
func (h *model) expire() {
	for _, c := range h.channels {
		if h.limits.Lifespan > 0 && time.Since(c.born) >= h.limits.Lifespan {
			c.finish(relay.ChannelExpired)
		}
	}
}

func (h *model) endAll(why relay.Reason) {
	for _, c := range h.channels {
		c.finish(why)
	}
}

// stats returns what the hub must count, and between what its octets must lie.
func (h *model) stats() (want relay.Stats, most int64) {
	for _, c := range h.channels {
		want.Connections += len(c.seats)
		if c.end == relay.None {
			want.Channels++
		}
		parked := !slices.ContainsFunc(c.seats, func(m *modelMember) bool { return m.awake })
		for _, message := range c.messages {
			waits := func(m *modelMember) bool { return slices.Contains(m.queue, message) }
			if slices.ContainsFunc(c.seats, waits) {
				want.Octets += message.cost()
			}
			if !parked {
				most += message.cost()
			}
		}
	}
	return want, most
}

// body returns a text of its own for each number, of about the given length.
func body(number, length int) string {
	digits := []byte{byte('0' + number/100%10), byte('0' + number/10%10), byte('0' + number%10)}
	return string(digits) + strings.Repeat(".", length)
}
