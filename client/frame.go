package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"time"
	"unicode/utf8"
)

// A frame is any frame that a server sends: of version 2 with its type (docs/protocol.md section 5), or
// of version 1 without (section 2).
type frame struct {
	Type      string     `json:"type"`
	ChannelID string     `json:"channelid"`
	Member    int        `json:"member"`
	Resume    string     `json:"resume"`
	ExpiresIn int64      `json:"expires_in_ms"`
	Limits    limits     `json:"limits"`
	Members   []presence `json:"members"`
	Self      Sender     `json:"self"`
	N         uint64     `json:"n"`
	Seq       uint64     `json:"seq"`
	From      int        `json:"from"`
	Message   *string    `json:"message"`
	Sender    Sender     `json:"sender"`
	In        int64      `json:"in_ms"`
	Reason    string     `json:"reason"`
	Detail    string     `json:"detail"`
}

type limits struct {
	MaxMessageSize int `json:"max_message_size"` // octets; 0 is no limit
}

type presence struct {
	Member  int    `json:"member"`
	Sender  Sender `json:"sender"`
	Present bool   `json:"present"`
}

// maxSenderOctets bounds what is kept about a member. Servers keep to a fraction of it.
const maxSenderOctets = 4 << 10

// parseFrame reads a frame of a version. It returns nil for one that is of no known type, or that has
// no message in version 1: later servers may send such. Errors do not show what was sent.
func parseFrame(version int, text []byte) (*frame, error) {
	if !utf8.Valid(text) { // RFC 6455 section 8.1
		return nil, broken("a frame of %d octets is not UTF-8", len(text))
	}
	f := new(frame)
	err := json.Unmarshal(text, f)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" && !f.known(version) {
		return nil, nil // the decoder has gone on after the wrong type
	}
	if err != nil {
		return nil, broken("a frame of %d octets and the type %q cannot be read: %v", len(text), f.Type, err)
	}
	if !f.known(version) {
		return nil, nil
	}
	return f, f.check(version)
}

func (f *frame) known(version int) bool {
	if version == 1 {
		return f.Message != nil || f.ChannelID != ""
	}
	switch f.Type {
	case "welcome", "joined", "left", "away", "back", "message", "accepted", "delivered", "ending", "error":
		return true
	}
	return false
}

// check returns an error for a frame that lacks what its type needs, or has more than can be.
func (f *frame) check(version int) error {
	if version == 1 {
		return nil
	}
	switch f.Type {
	case "welcome":
		if !isID(f.ChannelID) || f.Member < 1 || f.Resume == "" || len(f.Resume) > maxIDOctets {
			return broken("the welcome to channel %.80q as member %d, with a token of %d octets, is not one",
				f.ChannelID, f.Member, len(f.Resume))
		}
		for _, other := range f.Members {
			if err := checkMember(other.Member, other.Sender); err != nil {
				return err
			}
		}
	case "joined", "left", "away", "back", "delivered":
		return checkMember(f.Member, f.Sender)
	case "message":
		if f.Seq == 0 || f.From < 1 || f.Message == nil {
			return broken("the message %d from member %d lacks its number, its sender or its text", f.Seq, f.From)
		}
	case "accepted":
		if f.N == 0 {
			return broken("a message without number was accepted")
		}
	}
	return nil
}

func checkMember(number int, sender Sender) error {
	if number < 1 || sender.octets() > maxSenderOctets {
		return broken("there is no member %d whose description has %d octets; %d are allowed", number, sender.octets(), maxSenderOctets)
	}
	return nil
}

// maxIDOctets bounds channel ids and tokens, which have 22 octets now.
const maxIDOctets = 64

// isID tells whether text can be a channel id, which becomes part of a URL. The server knows better
// which ids there are.
func isID(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return text != "" && len(text) <= maxIDOctets
}

// milliseconds returns a time that a frame tells, brought into range.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// A command is any frame of a client of version 2.
type command struct {
	Type    string  `json:"type"`
	Resume  string  `json:"resume,omitempty"`
	After   *uint64 `json:"after,omitempty"`
	N       uint64  `json:"n,omitempty"`
	Message *string `json:"message,omitempty"`
	Seq     uint64  `json:"seq,omitempty"`

	MaxExchanges int `json:"max_exchanges,omitempty"`
}

// render returns the frame as it is sent. Servers pass a message on as it is written here, so that
// escapes are kept few.
func (c command) render() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(c) // strings and numbers: it cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
