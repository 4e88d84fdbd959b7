package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// A Dialer opens channels. Its zero value is ready for use. It may be used by many goroutines at once;
// its fields must not be changed while it or a Channel from it is in use.
type Dialer struct {
	// Header is sent with each handshake: User-Agent and Accept-Language, which the other members are
	// told or spoken to by, Origin where the server asks for it.
	Header http.Header
	// TLS is for wss; nil is crypto/tls's defaults.
	TLS *tls.Config
	// NetDial opens network connections; nil is net.Dialer's way. The environment's HTTP proxy is used
	// either way (see http.ProxyFromEnvironment).
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// Version is the version of the protocol to speak, 1 or 2; 0 tries 2 and falls back to 1.
	Version int
	// MaxFrame is how many octets a frame from the server may have; 0 is 4 MiB. Servers need up to six
	// times their max_message_size and a little more, for messages in escapes. A larger frame ends the
	// Channel.
	MaxFrame int64
	// MaxExchanges is how many messages a channel that Create mints should carry in all; 0 leaves it to the
	// server, which may grant less, and in version 1 always does.
	MaxExchanges int
}

func (d *Dialer) maxFrame() int64 {
	if d.MaxFrame > 0 {
		return d.MaxFrame
	}
	return 4 << 20
}

func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.NetDial != nil {
		return d.NetDial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// Create mints a channel on a server, such as wss://channels.example, and takes the first seat. It
// tries once: a *StatusError with status 429 or 503 says when it may be tried again. The context is for
// Create only, not for the Channel.
func (d *Dialer) Create(ctx context.Context, serverURL string) (*Channel, error) {
	s, id, err := parseURL(serverURL)
	if err != nil {
		return nil, err
	}
	if id != "" {
		return nil, fmt.Errorf("client: the URL %q is that of a channel; Join joins it, and Create needs that of a server", serverURL)
	}
	return d.enter(ctx, s, "")
}

// Join joins the channel of a link, as Channel.Link returns it; the version in the link does not
// matter. A *CloseError says why there is no seat. It tries once, since an answer that is lost may
// have taken a seat. The context is for Join only, not for the Channel.
func (d *Dialer) Join(ctx context.Context, link string) (*Channel, error) {
	s, id, err := parseURL(link)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, fmt.Errorf("client: the link %q must be that of a channel, like wss://host/v2/ws/id", link)
	}
	return d.enter(ctx, s, id)
}

// enter takes a seat in a channel, or in a new one.
func (d *Dialer) enter(ctx context.Context, s server, id string) (*Channel, error) {
	if d.Version < 0 || d.Version > 2 {
		return nil, fmt.Errorf("client: Dialer.Version is %d; it must be 1, 2, or 0 for either", d.Version)
	}
	if d.Version != 1 {
		hello := command{Type: "hello"}
		if id == "" {
			hello.MaxExchanges = max(d.MaxExchanges, 0)
		}
		l, first, err := d.open(ctx, 2, s.url(2, id), hello.render())
		if err == nil {
			return newChannel(d, s, 2, id).start(l, first)
		}
		if status, ok := errors.AsType[*StatusError](err); !ok || !status.lacksVersion() || d.Version == 2 {
			return nil, err
		}
	}
	l, first, err := d.open(ctx, 1, s.url(1, id), nil)
	if err != nil {
		return nil, err
	}
	return newChannel(d, s, 1, id).start(l, first)
}

// A State is what it takes to go on with a seat after a restart of the program. It can be written as
// JSON. Keep it secret: it is all that the seat's owner is known by.
type State struct {
	Link      string `json:"link"`      // of the channel
	Token     string `json:"token"`     // of the seat
	Processed uint64 `json:"processed"` // the Seq of the last message that will not be received again
	Sent      uint64 `json:"sent"`      // how many messages the server is known to have
}

// Resume takes the seat of a State back. A connection that the seat still has ends as "replaced". All
// messages after State.Processed are received, again or for the first time; a program that keeps its
// own note of what it has processed may raise that number first.
//
// When Channel.Sent is one more than State.Sent, then the message was stored that was being sent when
// the State was taken. Resume tries once: a *CloseError says that the seat is gone, other errors can
// be worth another try.
func (d *Dialer) Resume(ctx context.Context, state State) (*Channel, error) {
	s, id, err := parseURL(state.Link)
	if err != nil {
		return nil, err
	}
	if id == "" || state.Token == "" {
		return nil, errors.New("client: the State lacks the link of a channel or the token of a seat; only Channels of version 2 have one")
	}
	c := newChannel(d, s, 2, id)
	c.token, c.sent, c.processed = state.Token, state.Sent, state.Processed
	c.roster.got = state.Processed
	l, first, err := d.open(ctx, 2, c.Link(), c.hello())
	if err != nil {
		return nil, err
	}
	return c.start(l, first)
}
