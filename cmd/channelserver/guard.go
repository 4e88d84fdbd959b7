package main

import (
	"log/slog"
	"net"
	"net/http"

	"channelserver/admission"
	"channelserver/relay"
	"channelserver/settings"
)

// fewDescriptors is the limit of descriptors at which a server is likely to meet it before any other.
const fewDescriptors = 1024

// thisProcess finds the limits of this process, and warns when connections will soon meet one.
func thisProcess(log *slog.Logger) admission.Process {
	process := admission.ThisProcess()
	if process.Descriptors > 0 && process.Descriptors < fewDescriptors {
		log.Warn("few file descriptors, and every connection takes one: raise the limit (ulimit -n, LimitNOFILE)", "descriptors", process.Descriptors)
	}
	return process
}

// counted makes the guard count the connections of a server, and returns the server.
func counted(server *http.Server, guard *admission.Guard) *http.Server {
	server.ConnState = func(_ net.Conn, state http.ConnState) { guard.Track(state) }
	return server
}

func newGuard(s *settings.Settings, process admission.Process, hub *relay.Hub, log *slog.Logger) *admission.Guard {
	return admission.New(admission.Options{
		Limits: admission.Limits{
			OpeningsPerMinute: int(s.MaxOpeningsPerMinute),
			Connections:       int(s.MaxConnectionsPerAddress),
			WrongIDsPerMinute: int(s.MaxWrongIdsPerMinute),
			TotalConnections:  int(s.MaxConnections),
			TotalChannels:     int(s.MaxChannels),
			TotalKept:         int64(s.MaxKeptTotal),
		},
		Process: process,
		Holds: func() admission.Holdings {
			stats := hub.Stats()
			return admission.Holdings{Channels: stats.Channels, Kept: stats.Octets}
		},
		Log: log,
	})
}
