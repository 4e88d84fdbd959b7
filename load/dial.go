package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// A Dialer opens connections to one server. It may be used by many goroutines at one time.
type Dialer struct {
	Address string       // host:port, as dialed
	Host    string       // for the Host header, and the name on the certificate
	Prefix  string       // what paths begin with, without a slash at the end
	TLS     *tls.Config  // nil for none
	Sources []netip.Addr // local addresses, used in turn; empty for the system's choice

	opened atomic.Uint64 // connections so far
}

// sources is how many loopback addresses connections come from: each has some 28,000 ports on Linux.
const sources = 100

// openTimeout is how long a connection may take from the first packet to its seat.
const openTimeout = 10 * time.Second

// NewDialer looks a server up by its URL: ws, wss, http or https, a host, a port if it is not the usual one, and
// maybe a path that comes before those of the protocol. The server's first address is used for all connections.
func NewDialer(ctx context.Context, address string) (*Dialer, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL like ws://127.0.0.1:8000: %w", address, err)
	}
	d := &Dialer{Host: u.Host, Prefix: strings.TrimSuffix(u.EscapedPath(), "/")}
	port := "80"
	switch u.Scheme {
	case "ws", "http":
	case "wss", "https":
		port = "443"
		d.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	default:
		return nil, fmt.Errorf("%q is not a URL like ws://127.0.0.1:8000", address)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not a URL like ws://127.0.0.1:8000", address)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("looking up %q: %w", u.Hostname(), err)
	}
	first := addresses[0].Unmap()
	d.Address = net.JoinHostPort(first.String(), port)
	if first.IsLoopback() && first.Is4() && manyLoopbacks {
		for n := range byte(sources) {
			d.Sources = append(d.Sources, netip.AddrFrom4([4]byte{127, 0, 1, 1 + n}))
		}
	}
	return d, nil
}

// Loopback tells whether the server is on this machine.
func (d *Dialer) Loopback() bool {
	address, err := netip.ParseAddrPort(d.Address)
	return err == nil && address.Addr().Unmap().IsLoopback()
}

// Dial opens a connection, with TLS when it is to have it. raw is the connection under conn, or the same.
func (d *Dialer) Dial(ctx context.Context) (conn, raw net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}
	if n := uint64(len(d.Sources)); n > 0 {
		dialer.LocalAddr = &net.TCPAddr{IP: d.Sources[d.opened.Add(1)%n].AsSlice()}
	}
	raw, err = dialer.DialContext(ctx, "tcp", d.Address)
	if err != nil || d.TLS == nil {
		return raw, raw, err
	}
	secure := tls.Client(raw, d.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, err
	}
	return secure, raw, nil
}
