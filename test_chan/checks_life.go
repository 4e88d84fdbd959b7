package main

import (
	"context"
	"fmt"
	"time"
)

// lifeChecks are about how long connections and channels live. They wait for as long as that is.
func lifeChecks() []check {
	return []check{
		{"max-period", strict, "A channel ends for every member conn_lifespan after it was created, though messages keep coming.", lifespan, 0, maxPeriod},
		{"channel-expired", ours, "A channel in which only pings are answered ends after conn_lifespan with 4008 channel-expired for every member, and is gone then.", lifespan, 0, channelExpired},
		{"heartbeat", ours, "A connection that is idle for heartbeat_interval is sent a ping, and not before.", silence, 0, heartbeat},
		{"silent-client", strict, "A connection from which nothing came for client_timeout, not even a pong, is ended; one that answers pings is not.", silence, 0, silentClient},
		{"client-timeout", ours, "A connection from which nothing came for client_timeout is ended with 4010 client-timeout.", silence, 0, clientTimeout},
	}
}

func maxPeriod(ctx context.Context, t *T) error {
	start := time.Now()
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	if err := t.wait(ctx, t.knobs.Lifespan/3, "waiting before the second member joins"); err != nil {
		return err
	}
	bob, err := t.join(ctx, "bob", visit{path: alice.link})
	if err != nil {
		return err
	}
	// Two more messages, which is no more than any max_exchanges allows.
	for _, text := range []string{"first", "second"} {
		alice.say(text)
		if err := bob.hears(ctx, text); err != nil {
			return err
		}
		if err := t.wait(ctx, t.knobs.Lifespan/6, "waiting between messages"); err != nil {
			return err
		}
	}
	t.progress(fmt.Sprintf("waiting for the end of the channel after %v", t.knobs.Lifespan))
	for _, p := range []*peer{bob, alice} {
		// Late by half a life is what a clock that starts anew with each message comes to.
		if _, err := p.endWithin(ctx, time.Until(start.Add(t.knobs.Lifespan+t.knobs.Lifespan/3))); err != nil {
			return fmt.Errorf("conn_lifespan is %v: %w", t.knobs.Lifespan, err)
		}
		if lived := time.Since(start); lived < t.knobs.Lifespan {
			return fmt.Errorf("%s: expected the channel to live for %v, got %v after %v", p.name, t.knobs.Lifespan, p.ended, lived)
		}
	}
	return nil
}

func channelExpired(ctx context.Context, t *T) error {
	alice, bob, err := t.pair(ctx)
	if err != nil {
		return err
	}
	t.progress(fmt.Sprintf("waiting for the end of the channel after %v", t.knobs.Lifespan))
	for _, p := range []*peer{alice, bob} {
		if err := p.endsWithin(ctx, t.knobs.Lifespan+t.patience, 4008, "channel-expired"); err != nil {
			return err
		}
	}
	_, err = t.refused(ctx, "carol", visit{path: alice.link})
	return err
}

func heartbeat(ctx context.Context, t *T) error {
	start := time.Now()
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	t.progress(fmt.Sprintf("waiting for a ping after %v", t.knobs.Heartbeat))
	timer := time.NewTimer(2 * t.knobs.Heartbeat)
	defer timer.Stop()
	select {
	case <-alice.pings:
		if after := time.Since(start); after < t.knobs.Heartbeat {
			return fmt.Errorf("expected no ping before %v of silence, got one after %v", t.knobs.Heartbeat, after)
		}
		return nil
	case <-alice.over:
		return fmt.Errorf("expected a ping, got %v", alice.ended)
	case <-timer.C:
		return fmt.Errorf("expected a ping after %v of silence, got none in twice that time", t.knobs.Heartbeat)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func silentClient(ctx context.Context, t *T) error {
	start := time.Now()
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	silent, err := t.join(ctx, "a silent member", visit{path: alice.link, mute: true})
	if err != nil {
		return err
	}
	t.progress(fmt.Sprintf("waiting for the end of a silent connection after %v", t.knobs.ClientTimeout))
	if _, err := silent.endWithin(ctx, t.knobs.ClientTimeout+t.patience); err != nil {
		return fmt.Errorf("client_timeout is %v: %w", t.knobs.ClientTimeout, err)
	}
	if after := time.Since(start); after < t.knobs.ClientTimeout {
		return fmt.Errorf("expected a silent connection to live for %v, got %v after %v", t.knobs.ClientTimeout, silent.ended, after)
	}
	if err := t.wait(ctx, t.knobs.Heartbeat, "waiting whether the other goes on"); err != nil {
		return err
	}
	if err := alice.alive(ctx); err != nil {
		return fmt.Errorf("alice, who answers pings, came with the silent one: %w", err)
	}
	return nil
}

func clientTimeout(ctx context.Context, t *T) error {
	alice, err := t.join(ctx, "alice", visit{path: pathV1, mute: true})
	if err != nil {
		return err
	}
	t.progress(fmt.Sprintf("waiting for the end of a silent connection after %v", t.knobs.ClientTimeout))
	return alice.endsWithin(ctx, t.knobs.ClientTimeout+t.patience, 4010, "client-timeout")
}
