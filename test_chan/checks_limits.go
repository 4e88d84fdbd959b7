package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// limitChecks are about how much a channel carries.
func limitChecks() []check {
	return []check{
		{"max-exchange", core, "A channel carries max_exchanges messages; one more ends it for every member, and it cannot be joined any more.", plain, 0, maxExchange},
		{"max-exchange-code", ours, "A message beyond max_exchanges ends the channel with 4013 too-many-messages for every member.", plain, 0, maxExchangeCode},
		{"exact-exchanges", ours, "Not one message over max_exchanges arrives, and not one less, when members send at the same time.", plain, 0, exactExchanges},
		{"no-max-exchange", ours, "Where max_exchanges is 0, a channel carries any number of messages.", endless, 0, noMaxExchange},
		{"max-data", core, "A message that is larger than max_data ends the connections of all members.", data, 0, maxData},
		{"max-data-exact", ours, "A channel carries max_data octets, not characters; one more ends it with 4014 too-much-data for every member.", data, 0, maxDataExact},
		{"exact-data", ours, "Not one octet over max_data arrives when members send at the same time.", data, 0, exactData},
	}
}

// exchanges returns max_exchanges, or why the check cannot be run.
func (t *T) exchanges() (int, error) {
	switch n := t.knobs.MaxExchanges; {
	case n == 0:
		return 0, notRun("the server has no max_exchanges")
	case n > 1000:
		return 0, notRun("max_exchanges is more than 1000, which is more than this tester sends")
	default:
		return n, nil
	}
}

func maxExchange(ctx context.Context, t *T) error {
	n, err := t.exchanges()
	if err != nil {
		return err
	}
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	from, to := alice, bob
	for i := range n {
		text := "This is message " + strconv.Itoa(i+1)
		from.say(text)
		if err := to.hears(ctx, text); err != nil {
			return fmt.Errorf("message %d of %d that may be sent: %w", i+1, n, err)
		}
		from, to = to, from
	}
	from.say("one too many")
	for _, p := range []*peer{to, from} {
		if _, err := p.end(ctx); err != nil {
			return fmt.Errorf("after %d messages, of which %d may be sent: %w", n+1, n, err)
		}
	}
	if more := to.heard(); len(more) > 0 {
		return fmt.Errorf("%s: expected no message after %d, got %q", to.name, n, more)
	}
	if err := t.eventually(ctx, func() error {
		_, err := t.refused(ctx, "carol", visit{path: alice.link})
		return err
	}); err != nil {
		return fmt.Errorf("the channel has ended, but can be joined: %w", err)
	}
	return nil
}

func maxExchangeCode(ctx context.Context, t *T) error {
	n, err := t.exchanges()
	if err != nil {
		return err
	}
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	for i := range n + 1 {
		alice.say("message " + strconv.Itoa(i+1))
	}
	if err := bob.ends(ctx, 4013, "too-many-messages"); err != nil {
		return err
	}
	return alice.ends(ctx, 4013, "too-many-messages")
}

// flood makes two members send messages at the same time, as many as each says, and returns how
// many arrived in all. The channel must end by it. A format has a place for the sender and one for the number.
func flood(ctx context.Context, alice, bob *peer, each int, format string) (arrived int, err error) {
	both := []*peer{alice, bob}
	if err := together(2, func(i int) error {
		for k := range each {
			both[i].say(fmt.Sprintf(format, both[i].name, k))
		}
		_, err := both[i].end(ctx)
		return err
	}); err != nil {
		return 0, err
	}
	return len(alice.heard()) + len(bob.heard()), nil
}

func exactExchanges(ctx context.Context, t *T) error {
	n, err := t.exchanges()
	if err != nil {
		return err
	}
	for range 3 {
		alice, bob, err := t.pair(ctx)
		if err != nil {
			return err
		}
		arrived, err := flood(ctx, alice, bob, n, "%s %d")
		if err != nil {
			return err
		}
		if arrived != n {
			return fmt.Errorf("two members sent %d messages each at the same time: expected %d to arrive, got %d", n, n, arrived)
		}
	}
	return nil
}

func noMaxExchange(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	const many = 300
	for i := range many {
		text := "message " + strconv.Itoa(i+1)
		alice.say(text)
		if err := bob.hears(ctx, text); err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, many, err)
		}
	}
	return nil
}

func maxData(ctx context.Context, t *T) error {
	if t.knobs.MaxMessageSize > 0 && t.knobs.MaxMessageSize < t.knobs.MaxData*5/4 {
		return notRun("max_data is about as large as max_message_size, or larger")
	}
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	text := strings.Repeat("d", t.knobs.MaxData*5/4)
	alice.say(text)
	for _, p := range []*peer{bob, alice} {
		if _, err := p.end(ctx); err != nil {
			return fmt.Errorf("after %d octets, of which max_data allows %d: %w", len(text), t.knobs.MaxData, err)
		}
	}
	if got := bob.heard(); len(got) > 0 {
		return fmt.Errorf("bob: expected no message that is larger than max_data, got %s", short(got[0]))
	}
	return nil
}

func maxDataExact(ctx context.Context, t *T) error {
	if t.knobs.MaxMessageSize > 0 && t.knobs.MaxMessageSize < t.knobs.MaxData {
		return notRun("max_data is larger than max_message_size")
	}
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	half := strings.Repeat("é", t.knobs.MaxData/4)
	rest := strings.Repeat("d", t.knobs.MaxData-len(half))
	alice.say(half)
	if err := bob.hears(ctx, half); err != nil {
		return err
	}
	bob.say(rest)
	if err := alice.hears(ctx, rest); err != nil {
		return fmt.Errorf("with all of the %d octets that max_data allows: %w", t.knobs.MaxData, err)
	}
	alice.say("1")
	for _, p := range []*peer{bob, alice} {
		if err := p.ends(ctx, 4014, "too-much-data"); err != nil {
			return fmt.Errorf("after one octet more than max_data, which is %d: %w", t.knobs.MaxData, err)
		}
	}
	return nil
}

func exactData(ctx context.Context, t *T) error {
	each := 5
	if t.knobs.MaxExchanges != 0 {
		each = min(each, t.knobs.MaxExchanges)
	}
	// Whatever the order, one message less than each sends fills most of max_data.
	size := t.knobs.MaxData / each
	if size < 20 || t.knobs.MaxMessageSize > 0 && size > t.knobs.MaxMessageSize {
		return notRun("max_data is too small or too large for it")
	}
	for range 3 {
		alice, bob, err := t.pair(ctx)
		if err != nil {
			return err
		}
		arrived, err := flood(ctx, alice, bob, each, "%-10s%0"+strconv.Itoa(size-10)+"d")
		if err != nil {
			return err
		}
		if arrived != t.knobs.MaxData/size {
			return fmt.Errorf("two members sent %d messages of %d octets each at the same time: expected %d to arrive before max_data of %d ends the channel, got %d", each, size, t.knobs.MaxData/size, t.knobs.MaxData, arrived)
		}
	}
	return nil
}
