package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"
)

// drainChecks are about how a server ends. Each ends one.
func drainChecks() []check {
	return []check{
		{"drain", ours, "A server told to end opens no new channels (503, Retry-After), says so to load balancers, lets the living ones go on for drain_timeout, and then ends them with 1012 restart.", drained, 0, drain},
		{"shutdown", ours, "A server that is told to end twice ends all connections with 1001 shutdown.", shutDown, 0, shutdown},
	}
}

// startDrain opens a channel and tells the server to end, and waits until it has noticed.
func (t *T) startDrain(ctx context.Context) (alice *peer, err error) {
	if alice, err = t.open(ctx, "alice"); err != nil {
		return nil, err
	}
	if err := t.signal(syscall.SIGTERM); err != nil {
		return nil, notRun(fmt.Sprintf("the server cannot be signalled: %v", err))
	}
	return alice, t.eventually(ctx, func() error {
		got, err := t.get(ctx, "/__lbheartbeat__")
		if err != nil {
			return err
		}
		if got.status != http.StatusServiceUnavailable {
			return fmt.Errorf("while the server drains, expected 503 from /__lbheartbeat__, got %v", got)
		}
		return nil
	})
}

func drain(ctx context.Context, t *T) error {
	start := time.Now()
	alice, err := t.startDrain(ctx)
	if err != nil {
		return err
	}
	bob, err := t.join(ctx, "bob", visit{path: alice.link})
	if err != nil {
		return fmt.Errorf("while the server drains, bob should still join alice: %w", err)
	}
	bob.say("in time")
	if err := alice.hears(ctx, "in time"); err != nil {
		return err
	}
	_, err = t.visit(ctx, "carol", visit{path: pathV1})
	if err := expectStatus(err, http.StatusServiceUnavailable); err != nil {
		return fmt.Errorf("while the server drains, a new channel: %w", err)
	}
	var refused *refusal
	if errors.As(err, &refused) && refused.header.Get("Retry-After") == "" {
		return fmt.Errorf("while the server drains: expected Retry-After with 503, got none")
	}
	t.progress(fmt.Sprintf("waiting for the end of the drain after %v", t.knobs.DrainTimeout))
	for _, p := range []*peer{alice, bob} {
		if err := p.endsWithin(ctx, t.knobs.DrainTimeout+t.patience, 1012, "restart"); err != nil {
			return err
		}
		// How they are spread over the end is up to the server.
		if lived := time.Since(start); lived < t.knobs.DrainTimeout/2 {
			return fmt.Errorf("%s: expected living channels to go on while the server drains, for %v, got %v after %v", p.name, t.knobs.DrainTimeout, p.ended, lived)
		}
	}
	return nil
}

func shutdown(ctx context.Context, t *T) error {
	alice, err := t.startDrain(ctx)
	if err != nil {
		return err
	}
	if err := t.signal(syscall.SIGTERM); err != nil {
		return notRun(fmt.Sprintf("the server cannot be signalled: %v", err))
	}
	return alice.ends(ctx, 1001, "shutdown")
}
