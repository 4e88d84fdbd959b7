package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// httpChecks are about what is answered to requests that are not upgrades, or refused ones.
func httpChecks() []check {
	return []check{
		{"lbheartbeat", core, "/__lbheartbeat__ is answered with 200.", plain, 0, lbHeartbeat},
		{"heartbeat-page", core, "/__heartbeat__ is answered with 200 and a JSON object.", plain, 0, heartbeatPage},
		{"version", core, "/__version__ is answered with 200 and a JSON object that has version, commit and build.", plain, 0, versionPage},
		{"plain-request", core, "A request for a link without an upgrade is refused.", plain, 0, plainRequest},
		{"upgrade-required", ours, "A request to /v1/ws/ without an upgrade is answered with 426 and says what to upgrade to.", plain, 0, upgradeRequired},
		{"origin", ours, "Pages of origins that are not allowed are refused with 403 before the upgrade; allowed ones, and clients without an origin, are not.", origins, 0, originAllowed},
	}
}

func lbHeartbeat(ctx context.Context, t *T) error {
	got, err := t.get(ctx, "/__lbheartbeat__")
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("expected 200 OK, got %v", got)
	}
	return nil
}

func heartbeatPage(ctx context.Context, t *T) error {
	got, err := t.get(ctx, "/__heartbeat__")
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("expected 200 OK, got %v", got)
	}
	_, err = got.object()
	return err
}

func versionPage(ctx context.Context, t *T) error {
	got, err := t.get(ctx, "/__version__")
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("expected 200 OK, got %v", got)
	}
	object, err := got.object()
	if err != nil {
		return err
	}
	for _, key := range []string{"version", "commit", "build"} {
		if _, ok := object[key].(string); !ok {
			return fmt.Errorf("expected an object with version, commit and build, got %s", short(got.body))
		}
	}
	return nil
}

func plainRequest(ctx context.Context, t *T) error {
	alice, err := t.open(ctx, "alice")
	if err != nil {
		return err
	}
	got, err := t.get(ctx, alice.link)
	if err != nil {
		return err
	}
	if got.status < 400 || got.status > 499 {
		return fmt.Errorf("expected a status from 400 to 499, got %v", got)
	}
	return nil
}

func upgradeRequired(ctx context.Context, t *T) error {
	got, err := t.get(ctx, pathV1)
	if err != nil {
		return err
	}
	if got.status != http.StatusUpgradeRequired {
		return fmt.Errorf("expected 426 Upgrade Required, got %v", got)
	}
	if upgrade := got.header.Get("Upgrade"); !strings.EqualFold(upgrade, "websocket") { // RFC 9110 section 15.5.22
		return fmt.Errorf("expected the header Upgrade: websocket with 426, got %q", upgrade)
	}
	return nil
}

func originAllowed(ctx context.Context, t *T) error {
	for _, origin := range []string{t.knobs.Origin, ""} {
		v := visit{path: pathV1}
		if origin != "" {
			v.header = http.Header{"Origin": {origin}}
		}
		if _, err := t.join(ctx, "alice", v); err != nil {
			return fmt.Errorf("with the Origin %q: %w", origin, err)
		}
	}
	for _, origin := range []string{"https://stranger.example", t.knobs.Origin + ".stranger.example", "null"} {
		_, err := t.visit(ctx, "a stranger", visit{path: pathV1, header: http.Header{"Origin": {origin}}})
		if err := expectStatus(err, http.StatusForbidden); err != nil {
			return fmt.Errorf("with the Origin %q: %w", origin, err)
		}
	}
	return nil
}

// expectStatus returns an error unless what a visit came to is a refusal with this HTTP status.
func expectStatus(err error, status int) error {
	var refused *refusal
	switch {
	case err == nil:
		return fmt.Errorf("expected HTTP status %d, got an upgrade", status)
	case !errors.As(err, &refused):
		return err
	case refused.status != status:
		return fmt.Errorf("expected HTTP status %d, got %d: %s", status, refused.status, short(refused.body))
	}
	return nil
}
