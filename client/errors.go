package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// ErrClosed says that this program has closed the Channel.
var ErrClosed = errors.New("client: the channel was closed by this program")

// A CloseError is the end of a connection that the server began (docs/protocol.md section 4). It
// is also the error for a channel whose time ran out while there was no connection.
type CloseError struct {
	Code   int    // of RFC 6455 section 7.4, such as 4008
	Reason string // the server's word for it, such as "channel-expired"; may be empty
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("client: closed by the server: %d %q", e.Code, e.Reason)
}

// Close codes of RFC 6455 section 7.4 and docs/protocol.md section 4 that this package minds.
const (
	codeBye           = 1000
	codeGoingAway     = 1001
	codeProtocolError = 1002
	codeBadPayload    = 1007
	codeFlood         = 1008
	codeTooBig        = 1009
	codeNoSuchChannel = 4004
	codeExpired       = 4008
	codeClientTimeout = 4010
	codeTooMany       = 4013
	codeTooMuch       = 4014
	codeEnded         = 4015
	codeMissed        = 4016
)

// seatGone tells whether the close says that there is no such seat any more.
func (e *CloseError) seatGone() bool {
	return slices.Contains([]int{
		codeBye, codeNoSuchChannel, codeExpired, codeTooMany, codeTooMuch, codeEnded, codeMissed,
	}, e.Code)
}

// final tells whether there is no point in connecting again: the seat is gone or somebody else's, or
// this client does what the server does not allow.
func (e *CloseError) final() bool {
	switch e.Code {
	case codeBye, codeProtocolError, codeBadPayload, codeFlood, codeTooBig:
		return true
	case codeClientTimeout:
		return false
	}
	return e.Code >= 4000
}

// A StatusError is an answer to the opening handshake that is not the upgrade asked for.
type StatusError struct {
	Code       int           // HTTP status
	RetryAfter time.Duration // how long the server asks to wait; 0 when it does not say
	Detail     string        // the beginning of the body, at most 200 octets
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("client: the server answered the handshake with status %d: %q", e.Code, e.Detail)
}

// lacksVersion tells whether a server that answers like this does not know the path of a version.
func (e *StatusError) lacksVersion() bool {
	return slices.Contains([]int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone,
		http.StatusUpgradeRequired, http.StatusNotImplemented,
	}, e.Code)
}

// final tells whether asking again will bring the same answer. What is neither an error nor the upgrade
// comes from something in between, such as the login page of a network.
func (e *StatusError) final() bool {
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return 400 <= e.Code && e.Code < 500
}

// A RefusedError says why the server, or this package in its stead, did not take one message. The
// Channel goes on.
type RefusedError struct {
	Reason string // a word of docs/protocol.md section 4, such as "message-too-big"
	Detail string // for the developer
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("client: the message was refused: %q: %q", e.Reason, e.Detail)
}

// A violation says how the server broke the protocol. It is final.
type violation struct{ what string }

func (v *violation) Error() string { return "client: the server broke the protocol: " + v.what }

func broken(format string, args ...any) error { return &violation{fmt.Sprintf(format, args...)} }

// isFinal tells whether an error of a connection ends a Channel of version 2.
func isFinal(err error) bool {
	if closed, ok := errors.AsType[*CloseError](err); ok {
		return closed.final()
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.final()
	}
	_, ok := errors.AsType[*violation](err)
	return ok
}
