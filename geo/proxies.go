package geo

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode"

	"github.com/realclientip/realclientip-go"
)

const forwardedFor = "X-Forwarded-For"

// maxForwardedBytes bounds how much of X-Forwarded-For is read for a request,
// counted from its right end. It is room for 12 IPv6 addresses, far more than
// any chain of trusted proxies; what lies left of them was sent by strangers.
const maxForwardedBytes = 512

// Proxies is the list of those whose X-Forwarded-For is believed. The zero
// value believes nobody.
type Proxies struct {
	networks []netip.Prefix
	strategy realclientip.RightmostTrustedRangeStrategy // over the same networks
}

// ParseProxies reads a list of addresses and networks in CIDR notation, IPv4
// and IPv6, separated by commas or white space. An empty list is valid.
// IPv4-mapped elements mean the IPv4 address or network they hold, and bits of
// a network beyond its prefix are ignored. The error names every bad element.
func ParseProxies(list string) (Proxies, error) {
	elements := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })

	var proxies Proxies
	var bad []error
	var ranges []net.IPNet
	for _, element := range elements {
		network, err := parseNetwork(element)
		if err != nil {
			bad = append(bad, fmt.Errorf("%q %w", element, err))
			continue
		}
		proxies.networks = append(proxies.networks, network)
		ranges = append(ranges, net.IPNet{
			IP:   network.Addr().AsSlice(),
			Mask: net.CIDRMask(network.Bits(), network.Addr().BitLen()),
		})
	}
	if len(bad) > 0 {
		return Proxies{}, fmt.Errorf("list of trusted proxies: %w", errors.Join(bad...))
	}

	strategy, err := realclientip.NewRightmostTrustedRangeStrategy(forwardedFor, ranges)
	if err != nil {
		return Proxies{}, fmt.Errorf("list of trusted proxies: %w", err)
	}
	proxies.strategy = strategy
	return proxies, nil
}

// parseNetwork reads one address or network. Its errors continue a sentence
// that begins with the element.
func parseNetwork(element string) (netip.Prefix, error) {
	if strings.Contains(element, "%") {
		return netip.Prefix{}, errors.New("has a zone, which cannot be matched: leave out the % and what follows it")
	}
	if !strings.Contains(element, "/") {
		addr, err := netip.ParseAddr(element)
		if err != nil {
			return netip.Prefix{}, errors.New("is neither an IP address (192.0.2.1, 2001:db8::1) nor a network (192.0.2.0/24, 2001:db8::/32)")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(element)
	if err != nil {
		return netip.Prefix{}, errors.New("is not a network: write an IP address, a slash and the length of the prefix, at most 32 for IPv4 and 128 for IPv6")
	}
	if network.Addr().Is4In6() {
		const mapped = 96 // length of ::ffff:0:0/96, RFC 4291 section 2.5.5.2
		if network.Bits() < mapped {
			return netip.Prefix{}, errors.New("reaches beyond the IPv4-mapped addresses: write the IPv4 network itself")
		}
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mapped)
	}
	return network, nil
}

// Trusts says whether addr is in the list. An IPv4-mapped address counts as
// the IPv4 address it holds; a zone is ignored.
func (p Proxies) Trusts(addr netip.Addr) bool {
	addr = plain(addr)
	for _, network := range p.networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientAddr returns the address that a request comes from; peer is the other
// end of its socket.
//
// If peer is not trusted, that is peer itself, whatever the header says. If it
// is trusted, the elements of all X-Forwarded-For lines are one list, to whose
// right end each proxy appended whom it was talking to, and the answer is the
// rightmost address that is not trusted. It is the invalid address, for
// unknown, when the header is missing, holds trusted addresses only, or holds
// an element that is no address before one that is not trusted: what is left
// of such an element may be anybody's invention.
//
// The address is never IPv4-mapped and has no zone. A port after an address is
// ignored. The work is bounded however long the header is.
func (p Proxies) ClientAddr(peer netip.Addr, header http.Header) netip.Addr {
	peer = plain(peer)
	if !peer.IsValid() || !p.Trusts(peer) {
		return peer
	}
	// realclientip walks the list as we want it. It lacks a bound (it parses
	// the whole header first), and keeps zones.
	recent := http.Header{forwardedFor: rightEnd(header[forwardedFor], maxForwardedBytes)}
	client, err := netip.ParseAddr(p.strategy.ClientIP(recent, ""))
	if err != nil {
		return netip.Addr{}
	}
	return plain(client)
}

// rightEnd returns the whole elements that lie within the last maxBytes octets
// of a comma separated list, which may be spread over several lines. A line
// counts one octet more than its length, for the comma it stands for.
func rightEnd(lines []string, maxBytes int) []string {
	first := len(lines)
	for first > 0 && len(lines[first-1]) < maxBytes {
		first--
		maxBytes -= len(lines[first]) + 1
	}
	if first == 0 {
		return lines
	}
	partial := lines[first-1]
	partial = partial[len(partial)-maxBytes:]
	_, whole, found := strings.Cut(partial, ",")
	if !found {
		return lines[first:]
	}
	return append([]string{whole}, lines[first:]...)
}

// Mask returns the network of addr that may be written to a log: /24 for IPv4,
// /48 for IPv6, and the zero Prefix for an invalid address.
func Mask(addr netip.Addr) netip.Prefix {
	addr = plain(addr)
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// plain returns addr in the one form that the package compares and reports:
// without a zone and never IPv4-mapped.
func plain(addr netip.Addr) netip.Addr {
	return addr.WithZone("").Unmap()
}
