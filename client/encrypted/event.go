package encrypted

import (
	"errors"

	"channelserver/client"
)

// An Event is what a program learns: a Message, Paired or Refused of this package, or any event of package
// client but client.Message.
type Event any

// A Message was sent by the paired device, and by nobody else.
type Message struct {
	Data []byte
	Text bool // Data is UTF-8, and was sent by SendText
}

// Paired says that this device and another one have agreed on keys. It comes once, before any Message.
type Paired struct {
	ShortString string        // as Channel.ShortString
	Sender      client.Sender // who the other appears to be
	Member      int           // the other's number in the channel; 0 in version 1 of the protocol
}

// Refused tells the creator that somebody has come whom it did not pair with.
type Refused struct {
	Reason string // ReasonWrongSecret, or ReasonAlreadyPaired when the creator is paired with another
}

// The words for what can go wrong with a pairing, beside those of docs/protocol.md section 4.
const (
	ReasonWrongSecret     = "wrong-secret"
	ReasonAlreadyPaired   = "already-paired"
	ReasonMessagesMissing = "messages-missing"
)

// Ends of a Channel that the server does not begin. The seat has been left when Receive returns one.
var (
	ErrWrongSecret   = errors.New("encrypted: the link's secret is not that of the channel; ask for a new link")
	ErrAlreadyPaired = errors.New("encrypted: the channel's creator is paired with another device; ask for a new link")
	ErrMissing       = errors.New("encrypted: messages of the other device were withheld; start again")
)

// ErrNotPaired says that a message cannot be sent before Receive has returned Paired.
var ErrNotPaired = errors.New("encrypted: nothing can be sent before the devices are paired; receive until Paired")
