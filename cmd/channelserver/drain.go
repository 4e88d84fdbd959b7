package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"channelserver/pairing"
	"channelserver/relay"
)

// spread is the time over which the channels that are left at the end of a drain are closed.
const spread = time.Second

// drain waits for a signal to stop. The first one lets the living channels finish, for as long as
// patience goes, and closes what is left with Restart, spread over the last second; the next one
// closes all at once with Shutdown. It returns early with the error of a listener that has failed
// before the first signal; those who are paired need none to finish.
func drain(stop <-chan os.Signal, failed <-chan error, hub *relay.Hub, door *pairing.Server, patience time.Duration, log *slog.Logger) error {
	select {
	case <-stop:
	case err := <-failed:
		return err
	}
	log.Info("draining: no new channels; living ones may go on", "channels", hub.Stats().Channels, "for", patience.String())
	empty := hub.Drain(patience)

	late, now := context.WithCancel(context.Background())
	go func() {
		defer now()
		select {
		case <-empty:
		case <-stop:
			log.Warn("stopping at once, on a second signal", "channels", hub.Stats().Channels)
		}
	}()
	select {
	case <-late.Done():
	case <-time.After(max(patience-spread, 0)):
		if left := hub.Stats().Channels; left > 0 {
			log.Warn("closing the channels that are left", "channels", left)
		}
		hub.EndAll(late, relay.Restart, min(spread, patience))
	}
	hub.EndAll(context.Background(), relay.Shutdown, 0)

	goodbye, cancel := context.WithTimeout(context.Background(), 3*time.Second) // longer than a closing handshake may take
	defer cancel()
	door.Wait(goodbye)
	log.Info("stopped")
	return nil
}
