package client

import "time"

// An Event is what a member of a channel learns: a Message, Joined, Left, Away, Back, Delivered,
// Ending, Reconnecting or Resumed.
type Event interface {
	octets() int // what it takes to keep it
}

// A Message was sent by another member.
type Message struct {
	Seq    uint64 // its number in the channel, from 1; 0 in version 1
	From   int    // the member that sent it; 0 in version 1
	Text   string
	Sender Sender // who that member appears to be; zero when that is not known any more
}

// Joined tells of another member: one that takes a seat, or had one already when this one came.
type Joined struct {
	Member int
	Sender Sender
}

// Left says that a member has given its seat up, or lost it.
type Left struct {
	Member int
	Reason string // a word of docs/protocol.md section 4
}

// Away says that a member has lost its connection, and may come back.
type Away struct {
	Member int
	Reason string // a word of docs/protocol.md section 4; empty when it happened while this member was away
}

// Back says that a member has a connection again.
type Back struct{ Member int }

// Delivered says that a member has processed all messages through Seq. Of several such events that
// wait to be received, only the last of each member is kept.
type Delivered struct {
	Member int
	Seq    uint64
}

// Ending says that the channel is about to end.
type Ending struct {
	At     time.Time
	Reason string // a word of docs/protocol.md section 4
}

// Reconnecting says that the connection was lost, and that the Channel is about to replace it.
type Reconnecting struct {
	Cause error // often a *CloseError
}

// Resumed says that the Channel has a connection again.
type Resumed struct{}

// A Sender is what others are told about a member (docs/protocol.md section 1). It is what that
// member's software claims and where its address is registered: show it to people, never decide by it.
// What is not known is empty.
type Sender struct {
	UserAgent string `json:"ua"`
	Remote    string `json:"remote"` // IP address
	City      string `json:"city"`
	Region    string `json:"region"`
	Country   string `json:"country"`
}

func (s Sender) octets() int {
	return len(s.UserAgent) + len(s.Remote) + len(s.City) + len(s.Region) + len(s.Country)
}

// eventOctets is what an event is reckoned to take besides its text.
const eventOctets = 256

func (e Message) octets() int    { return eventOctets + len(e.Text) + e.Sender.octets() }
func (e Joined) octets() int     { return eventOctets + e.Sender.octets() }
func (e Left) octets() int       { return eventOctets + len(e.Reason) }
func (e Away) octets() int       { return eventOctets + len(e.Reason) }
func (Back) octets() int         { return eventOctets }
func (Delivered) octets() int    { return eventOctets }
func (e Ending) octets() int     { return eventOctets + len(e.Reason) }
func (Reconnecting) octets() int { return eventOctets }
func (Resumed) octets() int      { return eventOctets }
