package relay

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// An ID names a channel: 16 octets from a cryptographic random source, so that it cannot be
// guessed.
type ID [16]byte

// idLength is the number of characters of an ID in text.
const idLength = 22

var errBadID = errors.New("a channel id is 22 characters of canonical unpadded base64url (RFC 4648 section 5)")

// NewID mints an ID.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // never fails: crypto/rand ends the program rather than return an error
	return id
}

// ParseID reads the text form of an ID. It accepts exactly what String returns: RFC 4648 section 5
// without padding, with the unused bits of the last character zero (section 3.5).
func ParseID(text string) (ID, error) {
	var id ID
	if len(text) != idLength {
		return ID{}, errBadID
	}
	// The decoder skips CR and LF; counting the octets catches that.
	if n, err := base64.RawURLEncoding.Strict().Decode(id[:], []byte(text)); err != nil || n != len(id) {
		return ID{}, errBadID
	}
	return id, nil
}

// String returns the text form: 22 characters of unpadded base64url.
func (id ID) String() string { return string(id.Append(make([]byte, 0, idLength))) }

// Append appends what String returns.
func (id ID) Append(dst []byte) []byte { return base64.RawURLEncoding.AppendEncode(dst, id[:]) }
