// Package relay is the core of channelserver: short-lived channels through which members pass
// messages to each other, within exact limits.
//
// One idea carries it: a channel is a short, ordered, bounded log of messages, and a member is a
// cursor into that log. To send is to append once. To deliver is to move a cursor. The log is the
// only queue there is; what every cursor has passed is dropped.
//
// The package knows no network, no HTTP and no JSON. A door (a transport, such as package
// pairing) hands each of its connections to a Hub as a Peer and gets a Member back:
//
//   - it calls Member.Send for what its client says;
//   - it calls Member.Take until that returns nothing, and writes what it gets to its client;
//   - it is told by Peer.Wake that there is something to Take again;
//   - it calls Member.Leave when its client is gone.
//
// # Concurrency
//
// All methods of Hub and Member may be called from any number of goroutines, but for Take, of
// which one call at a time may run for each member. A parked member (one whose Take returned
// nothing) is woken once; the goroutine in which Wake runs, or one that it starts, then takes
// until the member is parked again. So there is never more than one taker.
//
// Each channel has one mutex, which guards everything in that channel; counting and checking of
// limits happen in one critical section, so limits are exact. No lock is held over two channels,
// and no Peer or Observer is called under a lock. Send never waits for a reader.
package relay
