// Package relay is the core of channelserver: short-lived channels through which members pass
// messages to each other, within exact limits.
//
// One idea carries it: a channel is a short, ordered, bounded log of messages, and a member is a
// cursor into that log. To send is to append once. To deliver is to move a cursor. The log is the
// only queue there is; what every cursor has passed is dropped.
//
// A member is Live or Kept, see Mode. A Live one is there for as long as its connection: it is given the
// messages that come after it, and loses its seat with its connection. While all members are Live,
// nothing is kept that they have taken. A Kept one holds a seat that outlives its connections: it is
// given the log from its start, also what is no message (see Kind), and what it has not acknowledged again when
// it takes its seat back. The log is kept, within bounds, from the first Kept seat to the last, also for
// those yet to come; a member for whom it can be kept no longer loses its seat.
//
// The package knows no network, no HTTP and no JSON. A door (a transport, such as package
// pairing) hands each of its connections to a Hub as a Peer and gets an Attachment back, through which a
// Member is connected:
//
//   - it calls Attachment.Send or SendNumbered for what its client says, and Ack for what its client
//     has processed;
//   - it calls Attachment.Take until that returns nothing, and writes what it gets to its client;
//   - it is told by Peer.Wake that there is something to Take again;
//   - it calls Attachment.Detach when its client is lost, and Leave when that gives its seat up.
//
// The methods of Member are for those who come with the token of a seat, whether or not that has an
// Attachment.
//
// # Concurrency
//
// All methods of Hub, Member and Attachment may be called from any number of goroutines, but for Take,
// of which one call at a time may run for each Attachment. A parked one (whose Take returned nothing)
// is woken once; the goroutine in which Wake runs, or one that it starts, then takes until it is parked
// again. So there is never more than one taker. An Attachment that has ended is never parked; if it was
// parked when it ended by another's doing, it is woken to learn that.
//
// Each channel has one mutex, which guards everything in that channel; counting and checking of
// limits happen in one critical section, so limits are exact. No lock is held over two channels,
// and no Peer or Observer is called under a lock. Send never waits for a reader.
package relay
