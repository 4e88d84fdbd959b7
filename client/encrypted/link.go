package encrypted

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

const (
	pskOctets     = 32 // the secret that both sides need
	keyHashOctets = 16 // what the link says of the creator's key and commitment
)

// fragmentForm is a link's fragment: the channel's id and 48 octets of secrets. 64 characters have no bits
// to spare, so that there is one spelling only.
var fragmentForm = regexp.MustCompile(`^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{64})$`)

// An invitation is what a link holds (docs/encryption.md section 3).
type invitation struct {
	page    string // http or https URL of the server, without a fragment
	id      string // of the channel
	psk     [pskOctets]byte
	keyHash [keyHashOctets]byte
}

// hashKey returns what a link says of a creator's key and commitment: all that follows the type in its message.
func hashKey(announced []byte) [keyHashOctets]byte {
	sum := sha256.Sum256(announced)
	return [keyHashOctets]byte(sum[:])
}

// parseLink reads the link of a creator. Errors do not show its fragment, which is secret.
func parseLink(link string) (*invitation, error) {
	page, fragment, found := strings.Cut(link, "#")
	if !found {
		return nil, fmt.Errorf("encrypted: the link has %d octets and no #; it must be all of the link that the other device shows", len(link))
	}
	if err := checkPage(page); err != nil {
		return nil, err
	}
	parts := fragmentForm.FindStringSubmatch(fragment)
	if parts == nil {
		return nil, fmt.Errorf("encrypted: what follows the # in the link to %q has %d octets; "+
			"it must be 22 letters, digits, - and _, then a dot and 64 more", page, len(fragment))
	}
	secret, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err // cannot be: the form allows no others
	}
	return &invitation{
		page: page, id: parts[1],
		psk: [pskOctets]byte(secret[:pskOctets]), keyHash: [keyHashOctets]byte(secret[pskOctets:]),
	}, nil
}

// checkPage returns an error for what cannot be the URL of a server's page. It does not show a fragment, which may
// be that of a link.
func checkPage(page string) error {
	u, err := url.Parse(page)
	if err != nil {
		return unreadable(err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Contains(page, "#") {
		u.Fragment, u.RawFragment = "", ""
		return fmt.Errorf("encrypted: the URL %q must begin with https:// or http:// and a host, and have no user and no fragment", u.Redacted())
	}
	return nil
}

// unreadable returns an error of url.Parse without the URL.
func unreadable(err error) error {
	return fmt.Errorf("encrypted: the URL cannot be read: %w", errors.Unwrap(err))
}

// link returns the link that parseLink reads.
func (v *invitation) link() string {
	return v.page + "#" + v.id + "." + base64.RawURLEncoding.EncodeToString(append(v.psk[:], v.keyHash[:]...))
}

// server returns the URL by which package client knows the channel.
func (v *invitation) server() (string, error) {
	u, err := url.Parse(v.page)
	if err != nil {
		return "", unreadable(err)
	}
	return u.JoinPath("v2/ws", v.id).String(), nil
}
