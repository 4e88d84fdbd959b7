package main

import (
	"context"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"channelserver/geo"
	"channelserver/settings"
)

// readProxyHeaders makes connections that come from a trusted proxy begin with a header of the PROXY
// protocol (haproxy.org/download/3.2/doc/proxy-protocol.txt), which names the client; those that do not are
// closed. Connections from elsewhere are passed as they are: what would be a header is no HTTP, and
// is refused as such. So a header is never guessed at, and nobody else can claim an address.
func readProxyHeaders(listener net.Listener, proxies geo.Proxies) net.Listener {
	return &proxyproto.Listener{
		Listener:          listener,
		ReadHeaderTimeout: headerTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if peer, err := netip.ParseAddrPort(o.Upstream.String()); err == nil && proxies.Trusts(peer.Addr()) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

// proxyDialer returns what opens a connection to the server of these settings. Where the server expects a
// header of the PROXY protocol from this machine, it sends one that names nobody.
func proxyDialer(s *settings.Settings) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	proxies, err := geo.ParseProxies(string(s.TrustedProxyList))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		own, err := netip.ParseAddrPort(conn.LocalAddr().String())
		if bool(s.ProxyProtocol) && err == nil && proxies.Trusts(own.Addr()) {
			header := proxyproto.Header{Version: 2, Command: proxyproto.LOCAL}
			if _, err := header.WriteTo(conn); err != nil {
				conn.Close()
				return nil, err
			}
		}
		return conn, nil
	}, nil
}
