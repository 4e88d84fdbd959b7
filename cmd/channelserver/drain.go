package main

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"time"

	"channelserver/geo"
	"channelserver/pairing"
	"channelserver/relay"
)

// spread is the time over which the channels that are left at the end of a drain are closed.
const spread = time.Second

// drain waits for signals. SIGHUP reloads the database. The first of the others lets the living
// channels finish, for as long as patience goes, and closes what is left with Restart, spread over
// the last second; the next one closes all at once with Shutdown. It returns early with the error
// of a listener that has failed.
func drain(signals <-chan os.Signal, failed <-chan error, hub *relay.Hub, door *pairing.Server, database *geo.Database, patience time.Duration, log *slog.Logger) error {
	stopping, err := wait(signals, failed, nil, database)
	if !stopping {
		return err
	}
	log.Info("draining: no new channels; living ones may go on", "channels", hub.Stats().Channels, "for", patience.String())
	empty := hub.Drain()

	late, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		again, _ := wait(signals, failed, empty, database)
		if again {
			log.Warn("stopping at once, on a second signal", "channels", hub.Stats().Channels)
		}
	}()
	select {
	case <-late.Done():
	case <-time.After(max(patience-spread, 0)):
		log.Warn("closing the channels that are left", "channels", hub.Stats().Channels)
		hub.EndAll(late, relay.Restart, min(spread, patience))
	}
	hub.EndAll(context.Background(), relay.Shutdown, 0)

	goodbye, cancel := context.WithTimeout(context.Background(), 3*time.Second) // longer than a closing handshake may take
	defer cancel()
	door.Wait(goodbye)
	log.Info("stopped")
	return nil
}

// wait returns true when a signal to stop comes, false when empty is closed or a listener fails.
// Meanwhile it reloads the database on SIGHUP.
func wait(signals <-chan os.Signal, failed <-chan error, empty <-chan struct{}, database *geo.Database) (bool, error) {
	for {
		select {
		case got := <-signals:
			if got != syscall.SIGHUP {
				return true, nil
			}
			_ = database.Reload() // logs what is wrong
		case err := <-failed:
			return false, err
		case <-empty:
			return false, nil
		}
	}
}
