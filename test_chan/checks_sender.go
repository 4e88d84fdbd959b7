package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
)

// senderChecks are about what members are told about each other.
func senderChecks() []check {
	return []check{
		{"sender", core, "The sender in an envelope has the User-Agent as ua and the address as remote, and of city, region and country what is known.", plain, 0, senderKeys},
		{"forged-address", strict, "X-Forwarded-For is not believed when it does not come from a trusted proxy.", plain, 0, forgedAddress},
		{"forwarded", strict, "Behind trusted proxies, remote is the rightmost address in X-Forwarded-For that is not one of theirs.", proxied, 0, forwarded},
		{"places", strict, "City, region and country are named in the language that the sender accepts.", proxied, 0, placeNames},
		{"places-weights", ours, "Of several accepted languages, the one with the highest weight (q) is taken.", proxied, 0, placesByWeight},
		{"places-match", ours, "Names are in the best match for a language that the database does not have as such: German for de-AT.", proxied, 0, placesByMatch},
		{"places-default", ours, "Names are in default_lang for a sender that accepts no language of the database.", proxied, 0, placesByDefault},
		{"places-unknown", strict, "What is not known of a place is left out.", proxied, 0, placesLeftOut},
	}
}

// introduce opens a channel from two visits and returns what the second is told about the first.
func (t *T) introduce(ctx context.Context, first, second visit) (*peer, map[string]string, error) {
	first.path = pathV1
	alice, err := t.join(ctx, "alice", first)
	if err != nil {
		return nil, nil, err
	}
	second.path = alice.link
	bob, err := t.join(ctx, "bob", second)
	if err != nil {
		return nil, nil, err
	}
	alice.say("this is me")
	e, err := bob.hear(ctx)
	return alice, e.Sender, err
}

func senderKeys(ctx context.Context, t *T) error {
	alice, sender, err := t.introduce(ctx, visit{header: http.Header{"User-Agent": {"Mozilla/5.0 (of alice)"}}}, visit{})
	if err != nil {
		return err
	}
	if sender["ua"] != alice.agent {
		return fmt.Errorf("expected the sender to have the User-Agent %q as ua, got %v", alice.agent, sender)
	}
	remote, err := netip.ParseAddr(sender["remote"])
	if err != nil {
		return fmt.Errorf("expected the sender to have an IP address as remote, got %v", sender)
	}
	if target, err := netip.ParseAddr(t.base.Hostname()); err == nil && target.IsLoopback() {
		if local := netip.MustParseAddrPort(alice.ws.NetConn().LocalAddr().String()).Addr().Unmap(); local != remote {
			return fmt.Errorf("expected the address %v as remote, got %v", local, remote)
		}
	}
	for key, value := range sender {
		if !slices.Contains([]string{"ua", "remote", "city", "region", "country"}, key) || value == "" {
			return fmt.Errorf("expected ua, remote, city, region and country in the sender, and none of them empty, got %q: %q", key, value)
		}
	}
	return nil
}

func forgedAddress(ctx context.Context, t *T) error {
	const forged = "192.0.2.66"
	_, sender, err := t.introduce(ctx, visit{header: http.Header{"X-Forwarded-For": {forged}}}, visit{})
	if err != nil {
		return err
	}
	if sender["remote"] == forged {
		return fmt.Errorf("expected the address of the connection as remote, got %s, which the client claims in X-Forwarded-For", forged)
	}
	return nil
}

func forwarded(ctx context.Context, t *T) error {
	_, sender, err := t.introduce(ctx, via("", "192.0.2.66, 198.51.100.9, 127.0.0.1"), via("", "192.0.2.1"))
	if err != nil {
		return err
	}
	if sender["remote"] != "198.51.100.9" {
		return fmt.Errorf(`expected the remote 198.51.100.9 for X-Forwarded-For: "192.0.2.66, 198.51.100.9, 127.0.0.1", got %q`, sender["remote"])
	}
	return nil
}

// told returns an error unless a sender from the city of the database who accepts these languages is
// described like this to somebody who accepts none of them.
func (t *T) told(ctx context.Context, languages string, want map[string]string) error {
	from := via("", cityAddress, "Accept-Language", languages)
	if languages == "" {
		from.header.Del("Accept-Language")
	}
	_, sender, err := t.introduce(ctx, from, via("", "198.51.100.9", "Accept-Language", "ja"))
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(want)) { // so that the same fault is told in the same words
		name := want[key]
		if sender[key] != name {
			return fmt.Errorf("a sender in Munich with Accept-Language %q: expected the %s %q, got %q", languages, key, name, sender[key])
		}
	}
	return nil
}

func placeNames(ctx context.Context, t *T) error {
	return t.told(ctx, "de", map[string]string{"city": "München", "region": "Bayern", "country": "Deutschland"})
}

func placesByWeight(ctx context.Context, t *T) error {
	return t.told(ctx, "en;q=0.2, fr;q=0.9, de;q=0.5", map[string]string{"country": "Allemagne"})
}

func placesByMatch(ctx context.Context, t *T) error {
	return t.told(ctx, "de-AT", map[string]string{"country": "Deutschland"})
}

func placesByDefault(ctx context.Context, t *T) error {
	for _, languages := range []string{"", "tlh"} {
		if err := t.told(ctx, languages, map[string]string{"country": "Germany"}); err != nil {
			return err
		}
	}
	return nil
}

func placesLeftOut(ctx context.Context, t *T) error {
	for address, want := range map[string][]string{
		countryAddress: {"country", "remote"},
		"192.0.2.1":    {"remote"}, // nowhere
	} {
		_, sender, err := t.introduce(ctx, via("", address), via("", "198.51.100.9"))
		if err != nil {
			return err
		}
		delete(sender, "ua") // which is not a matter of places
		if got := slices.Sorted(maps.Keys(sender)); !slices.Equal(got, want) {
			return fmt.Errorf("a sender at %s: expected %v to be told, got %v", address, want, sender)
		}
	}
	return nil
}
