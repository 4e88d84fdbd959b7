package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/gorilla/websocket"
)

// memberChecks are about who may be in a channel.
func memberChecks() []check {
	return []check{
		{"bad-connection", core, "An id that differs from that of a living channel in one character is refused.", plain, 0, badConnection},
		{"no-such-channel", ours, "An id that no channel has, or no longer, is refused with 4004 no-such-channel after the upgrade.", plain, 0, noSuchChannel},
		{"bad-channel-id", ours, "An id that is not 22 characters of canonical base64url is refused with 4001 bad-channel-id after the upgrade.", plain, 0, badChannelID},
		{"no-slash", ours, "A connection to /v1/ws, without a slash at the end, mints a channel too.", plain, 0, noSlash},
		{"stays", ours, "A member whose peer leaves stays, and another may join it.", plain, 0, stays},
		{"max-connections", core, "A connection beyond max_channel_connections is refused, and the members go on.", plain, 0, maxConnections},
		{"channel-full", ours, "A connection beyond max_channel_connections is refused with 4011 channel-full after the upgrade.", plain, 0, channelFull},
		{"exact-seats", ours, "Not one connection too many gets a seat, and not one less, when they come at the same time.", plain, 0, exactSeats},
		{"seat-freed", ours, "max_channel_connections counts the members at one time: a seat that was given up can be taken.", plain, 0, seatFreed},
		{"address-rule", strict, "After the second connection, one from another address is refused; one from the second's address is not.", plain, 0, addressRule},
		{"address-refused", ours, "After the second connection ever, even if it has left, one from another address is refused with 4012 address-refused.", plain, 0, addressRefused},
		{"address-network", ours, "IPv6 addresses of one /64 count as one address, others do not.", proxied, 0, addressNetwork},
	}
}

func badConnection(ctx context.Context, t *T) error {
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	// Any shape of id keeps it when a character in the middle becomes another of its kind.
	at := len(alice.link) - 8
	if at < 0 {
		return fmt.Errorf("expected a link with an id at its end, got %q", alice.link)
	}
	other := "a"
	if alice.link[at] == 'a' {
		other = "b"
	}
	_, err = t.refused(ctx, "bob", visit{path: alice.link[:at] + other + alice.link[at+1:]})
	return err
}

func noSuchChannel(ctx context.Context, t *T) error {
	if err := t.refusedWith(ctx, "alice", visit{path: pathV1 + base64.RawURLEncoding.EncodeToString(make([]byte, 16))}, 4004, "no-such-channel"); err != nil {
		return fmt.Errorf("an id that never was: %w", err)
	}
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	for _, p := range []*peer{alice, bob} {
		if _, err := p.bye(ctx, websocket.CloseNormalClosure); err != nil {
			return err
		}
	}
	if err := t.eventually(ctx, func() error {
		return t.refusedWith(ctx, "carol", visit{path: alice.link}, 4004, "no-such-channel")
	}); err != nil {
		return fmt.Errorf("after the last member has left: %w", err)
	}
	return nil
}

func badChannelID(ctx context.Context, t *T) error {
	for _, id := range []string{
		"x", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", // 1, 21 and 23 characters
		"AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB", // padded; with a bit that is not used
		"AAAAAAAAAAAAAAAAAAAA.A", "AAAAAAAAAAAAAAAAAAAAAA/",
	} {
		if err := t.refusedWith(ctx, "alice", visit{path: pathV1 + id}, 4001, "bad-channel-id"); err != nil {
			return fmt.Errorf("the id %q: %w", id, err)
		}
	}
	return nil
}

func noSlash(ctx context.Context, t *T) error {
	_, err := t.join(ctx, "alice", visit{path: strings.TrimSuffix(pathV1, "/")})
	return err
}

func stays(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	if _, err := bob.bye(ctx, websocket.CloseNormalClosure); err != nil {
		return err
	}
	carol, err := t.join(ctx, "carol", visit{path: alice.link})
	if err != nil {
		return fmt.Errorf("after bob has left: %w", err)
	}
	alice.say("still here")
	if err := carol.hears(ctx, "still here"); err != nil {
		return fmt.Errorf("after bob has left: %w", err)
	}
	return nil
}

// seats returns max_channel_connections, or why the check cannot be run.
func (t *T) seats() (int, error) {
	switch n := t.knobs.MaxConnections; {
	case n == 0:
		return 0, notRun("the server has no max_channel_connections")
	case n < 2 || n > 50:
		return 0, notRun("max_channel_connections is less than 2 or more than 50")
	default:
		return n, nil
	}
}

// seatForThree returns why a check that seats three members cannot be run, or nil.
func (t *T) seatForThree() error {
	if n := t.knobs.MaxConnections; n != 0 && n < 3 {
		return notRun("max_channel_connections leaves no seat for a third member")
	}
	return nil
}

// fill opens a channel and takes all its seats.
func (t *T) fill(ctx context.Context) ([]*peer, error) {
	n, err := t.seats()
	if err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("member %d of %d", i+1, n)
	}
	return t.group(ctx, names...)
}

func maxConnections(ctx context.Context, t *T) error {
	all, err := t.fill(ctx)
	if err != nil {
		return err
	}
	if _, err := t.refused(ctx, "one too many", visit{path: all[0].link}); err != nil {
		return err
	}
	all[0].say("go on")
	if err := all[1].hears(ctx, "go on"); err != nil {
		return fmt.Errorf("after one too many was refused: %w", err)
	}
	return nil
}

func channelFull(ctx context.Context, t *T) error {
	all, err := t.fill(ctx)
	if err != nil {
		return err
	}
	return t.refusedWith(ctx, "one too many", visit{path: all[0].link}, 4011, "channel-full")
}

func exactSeats(ctx context.Context, t *T) error {
	n, err := t.seats()
	if err != nil {
		return err
	}
	alice, _, err := t.pair(ctx)
	if err != nil {
		return err
	}
	var admitted atomic.Int64
	err = together(n+3, func(i int) error {
		p, err := t.visit(ctx, fmt.Sprintf("joiner %d", i+1), visit{path: alice.link})
		if err != nil {
			var refused *refusal
			if errors.As(err, &refused) {
				return nil
			}
			return err
		}
		if _, err := p.next(ctx, "a first frame or the end"); err == nil {
			admitted.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if got := int(admitted.Load()) + 2; got != n {
		return fmt.Errorf("%d connections came at the same time to a channel with two members: expected %d members in the end, got %d", n+3, n, got)
	}
	return nil
}

func seatFreed(ctx context.Context, t *T) error {
	all, err := t.fill(ctx)
	if err != nil {
		return err
	}
	if _, err := all[len(all)-1].bye(ctx, websocket.CloseNormalClosure); err != nil {
		return err
	}
	if err := t.eventually(ctx, func() error {
		_, err := t.join(ctx, "the next one", visit{path: all[0].link})
		return err
	}); err != nil {
		return fmt.Errorf("after a member of a full channel has left: %w", err)
	}
	return nil
}

// strangers opens a channel with two members from two addresses, and returns a third one.
func (t *T) strangers(ctx context.Context) (alice, bob *peer, addresses []netip.Addr, err error) {
	if err := t.seatForThree(); err != nil {
		return nil, nil, nil, err
	}
	if addresses, err = t.addresses(3); err != nil {
		return nil, nil, nil, err
	}
	if alice, err = t.join(ctx, "alice", visit{path: pathV1, local: addresses[0]}); err != nil {
		return nil, nil, nil, err
	}
	bob, err = t.join(ctx, "bob", visit{path: alice.link, local: addresses[1]})
	return alice, bob, addresses, err
}

func addressRule(ctx context.Context, t *T) error {
	alice, _, addresses, err := t.strangers(ctx)
	if err != nil {
		return err
	}
	if _, err := t.refused(ctx, "carol", visit{path: alice.link, local: addresses[2]}); err != nil {
		return fmt.Errorf("from %v, when the members are from %v: %w", addresses[2], addresses[:2], err)
	}
	if _, err := t.join(ctx, "bob again", visit{path: alice.link, local: addresses[1]}); err != nil {
		return fmt.Errorf("from the address of the second member, %v: %w", addresses[1], err)
	}
	return nil
}

func addressRefused(ctx context.Context, t *T) error {
	alice, bob, addresses, err := t.strangers(ctx)
	if err != nil {
		return err
	}
	if err := t.refusedWith(ctx, "carol", visit{path: alice.link, local: addresses[2]}, 4012, "address-refused"); err != nil {
		return err
	}
	if _, err := bob.bye(ctx, websocket.CloseGoingAway); err != nil {
		return err
	}
	if err := t.refusedWith(ctx, "carol", visit{path: alice.link, local: addresses[2]}, 4012, "address-refused"); err != nil {
		return fmt.Errorf("after bob has left: %w", err)
	}
	return nil
}

// via is a visit through a trusted proxy for this address.
func via(path, address string, more ...string) visit {
	header := http.Header{"X-Forwarded-For": {address}}
	for i := 0; i+1 < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return visit{path: path, header: header}
}

func addressNetwork(ctx context.Context, t *T) error {
	if err := t.seatForThree(); err != nil {
		return err
	}
	alice, err := t.join(ctx, "alice", via(pathV1, "2001:db8:0:1::1"))
	if err != nil {
		return err
	}
	if _, err := t.join(ctx, "bob", via(alice.link, "198.51.100.7")); err != nil {
		return err
	}
	if err := t.refusedWith(ctx, "carol", via(alice.link, "2001:db8:0:2::1"), 4012, "address-refused"); err != nil {
		return fmt.Errorf("from another /64: %w", err)
	}
	if _, err := t.join(ctx, "alice again", via(alice.link, "2001:db8:0:1:ffff::2")); err != nil {
		return fmt.Errorf("from the /64 of the first member: %w", err)
	}
	return nil
}
