package relay

import "time"

// A Request is what an upgrade request asked for, as counted in conn.request.
type Request uint8

// The kinds of request.
const (
	RequestNew      Request = iota // mint a channel
	RequestExisting                // join a channel by its id
	RequestBadID                   // the id could not be one
)

// String returns the value of the kind label.
func (r Request) String() string {
	return [...]string{RequestNew: "new", RequestExisting: "existing", RequestBadID: "bad-id"}[r]
}

// An Observer is told what happens, for statistics. Its methods are called from many goroutines
// at once, never under a lock of this package; they must not block. No value that a client
// chose is handed to it.
type Observer interface {
	// Requested counts an upgrade request, before it is admitted or refused.
	Requested(Request)
	// Admitted counts a connection that got a seat.
	Admitted()
	// Refused counts a connection that got none, and why.
	Refused(Reason)
	// Closed counts the end of an admitted connection, why, and how long it had lasted.
	Closed(why Reason, length time.Duration)
	// Ended counts the end of a channel. Why is Bye when its last member left.
	Ended(why Reason)
	// Accepted counts a message taken into a channel, and its payload in octets.
	Accepted(octets int)
	// Relayed times one delivery: from acceptance until the frame was handed to the reader's socket.
	Relayed(time.Duration)
	// Ignored counts a binary message, which version 1 ignores.
	Ignored()
	// Panicked counts a panic caught in a connection's goroutine.
	Panicked()
}

// Stats is what a hub holds at one moment.
type Stats struct {
	Connections int   // admitted and not closed
	Channels    int   // living
	Octets      int64 // message octets held in the logs of all channels
}

// Nobody is an Observer that does nothing.
type Nobody struct{}

// The methods of Observer, each doing nothing.
func (Nobody) Requested(Request)            {}
func (Nobody) Admitted()                    {}
func (Nobody) Refused(Reason)               {}
func (Nobody) Closed(Reason, time.Duration) {}
func (Nobody) Ended(Reason)                 {}
func (Nobody) Accepted(int)                 {}
func (Nobody) Relayed(time.Duration)        {}
func (Nobody) Ignored()                     {}
func (Nobody) Panicked()                    {}
