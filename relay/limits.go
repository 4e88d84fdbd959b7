package relay

import (
	"net/netip"
	"time"
)

// Limits bound one channel. They are plain values; the zero value of a field turns that limit
// off, and the zero Limits limit nothing.
type Limits struct {
	MaxExchanges   int           // messages a channel carries in all
	MaxData        int64         // octets of message payload a channel carries in all
	MaxMessageSize int           // octets of one message; the doors check it, where they read
	MaxConnections int           // seats in a channel at one time
	Lifespan       time.Duration // of a channel, from its creation, whatever is sent

	// MaxExchangesAsked is the most that Hub.Create grants in place of a lower MaxExchanges to a creator
	// who asks for it. Unlike the others it grants nothing at zero.
	MaxExchangesAsked int

	// MaxLag is how many octets the log of a channel holds, 64 for each entry besides its body, the
	// newest entry aside. When it is passed, the members that lag most lose their seats: those that
	// are Live as Slow, those that are Kept as MissedMessages.
	MaxLag int64
	// MaxKept is the same for the logs of all channels together. The channel in which it is passed
	// bears it.
	MaxKept int64
	// ResumeTimeout is how long the seat of a Kept member that is away waits for it. At zero, unlike the
	// others, it is given up at once.
	ResumeTimeout time.Duration
}

// granting returns the limits of a channel whose creator asks for so many exchanges.
func (l *Limits) granting(exchanges int) *Limits {
	exchanges = min(exchanges, l.MaxExchangesAsked)
	if l.MaxExchanges == 0 || exchanges <= l.MaxExchanges {
		return l
	}
	wider := *l
	wider.MaxExchanges = exchanges
	return &wider
}

// freely is how many connections a channel admits from any address; later ones must come from
// an address that one of those had.
const freely = 2

// admits decides whether a channel with so many seats taken, which has admitted so many
// connections ever, has a seat for one more, whose address it knows or not.
func (l Limits) admits(seats, ever int, known bool) Reason {
	switch {
	case l.MaxConnections > 0 && seats >= l.MaxConnections:
		return ChannelFull
	case ever >= freely && !known:
		return AddressRefused
	}
	return None
}

// accepts decides whether a channel that has carried so many messages and octets may carry one
// message more, of size octets.
func (l Limits) accepts(messages int, octets int64, size int) Reason {
	switch {
	case l.MaxExchanges > 0 && messages >= l.MaxExchanges:
		return TooManyMessages
	case l.MaxData > 0 && octets+int64(size) > l.MaxData:
		return TooMuchData
	}
	return None
}

// site returns what counts as the same address: an IPv4 address, or the /64 that an IPv6 address
// lies in, since a subscriber is given at least that (RFC 6177) and changes addresses within it
// (RFC 8981).
func site(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		network, _ := addr.Prefix(64) // 64 is always in range for IPv6
		return network.Addr()
	}
	return addr
}
