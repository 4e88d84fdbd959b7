package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"channelserver/apidocs"
	"channelserver/front"
	"channelserver/geo"
	"channelserver/metrics"
	"channelserver/ops"
	"channelserver/pairing"
	"channelserver/relay"
	"channelserver/settings"
	"channelserver/web"
)

// serve runs the server until a signal has drained it.
func serve(ctx context.Context, s settings.Settings, log *slog.Logger) error {
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(stop)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	proxies, err := geo.ParseProxies(string(s.TrustedProxyList))
	if err != nil {
		return err
	}
	database, places, err := openDatabase(&s, log)
	if err != nil {
		return err
	}
	go database.Watch(ctx, time.Duration(s.MMDBCheckInterval))
	go reload(ctx, hangup, database)

	running := thisVersion()
	observer, err := metrics.New(metrics.Options{
		Version: running.Version, Commit: running.Commit,
		StatsdHost: string(s.StatsdHost), StatsdName: string(s.MetricName), Log: log,
	})
	if err != nil {
		return err
	}
	defer observer.Close()

	process := thisProcess(log)
	s.FitMemory(process.Memory)
	hub := relay.New(s.Limits(), observer)
	guard := newGuard(&s, process, hub, log)
	go guard.Watch(ctx)
	observer.Watch(metrics.Sources{Stats: hub.Stats, Reloads: database.Reloads, DatabaseBuilt: database.Built, TurnedAway: guard.Refused})
	locator := &geo.Locator{Proxies: proxies, Database: database, DefaultLang: string(s.DefaultLang), Log: log}
	door := pairing.NewServer(hub, locator, observer, log, pairing.Options{
		ClientTimeout:     time.Duration(s.ClientTimeout),
		HeartbeatInterval: time.Duration(s.HeartbeatInterval),
		WriteTimeout:      time.Duration(s.WriteTimeout),
		MaxMessageSize:    int(s.MaxMessageSize),
		RequireBase64:     bool(s.RequireBase64),
		AllowedOrigins:    s.AllowedOrigins,
		Guard:             guard,
	})
	go door.Sweep(ctx)

	pages := apidocs.Pages()
	if s.Page {
		pages["/{$}"] = web.Page()
	}
	public := ops.Public{
		Version: running, Draining: hub.Draining, Pages: pages,
		Checks: func() map[string]string { return checks(hub, database) },
	}
	failed := make(chan error, 2)
	handler := public.Handler(pairing.Handles, door)
	server := counted(newPublicServer(handler, log), guard)
	handshakes := &front.Front{
		Handler: handler, Prefixes: pairing.WebSockets(), Timeout: headerTimeout, ConnState: server.ConnState, ErrorLog: server.ErrorLog,
	}
	address, err := listen(&s, proxies, server, handshakes, log, failed)
	if err != nil {
		return err
	}
	admin, err := listenAdmin(string(s.AdminAddr), counted(newServer(ops.Admin(observer.Handler()), log), guard), failed)
	if err != nil {
		return err
	}
	log.Info("listening on "+address+"; "+places, "version", running.Version, "admin", admin, "settings", s.Given(),
		"descriptors", process.Descriptors, "memory", process.Memory, "memory from", process.MemoryFrom)
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && !bool(s.HumanLogs) {
		fmt.Fprintf(os.Stderr, "channelserver: listening on %s; %s.\n", address, places) // for whoever sits there
	}

	return drain(stop, failed, hub, door, time.Duration(s.DrainTimeout), log)
}

// reload reloads the database at every hangup, until ctx is done. It logs what is wrong, and is apart
// from the signals to stop since a large database takes a while.
func reload(ctx context.Context, hangup <-chan os.Signal, database *geo.Database) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = database.Reload()
		}
	}
}

// openDatabase opens the database of places, or one that finds its file later, and says in words
// for the start-up line what became of it.
func openDatabase(s *settings.Settings, log *slog.Logger) (*geo.Database, string, error) {
	if s.MMDBLoc == "" {
		return nil, "places are off, as mmdb_loc says", nil
	}
	database, err := geo.Open(s.MMDBLoc, log)
	switch {
	case err == nil:
		return database, fmt.Sprintf("places are from %s (%s of %s)", s.MMDBLoc, database.Type(), database.Built().Format(time.DateOnly)), nil
	case errors.Is(err, fs.ErrNotExist) && !s.MMDBExplicit():
		return geo.OpenLater(s.MMDBLoc, log), fmt.Sprintf("places are off, for there is no database at %s: put a GeoLite2 or GeoIP2 City database there, or give its path with --mmdb_loc or PAIR_MMDB_LOC", s.MMDBLoc), nil
	case !s.MMDBExplicit():
		return nil, "", fmt.Errorf("%w (mmdb_loc is at its default; set it to \"\" to run without places)", err)
	}
	return nil, "", err
}

// listen serves the public listener and returns its URL. TLS connections go to the server all: their handshake
// costs more than there is to be gained.
func listen(s *settings.Settings, proxies geo.Proxies, server *http.Server, handshakes *front.Front, log *slog.Logger, failed chan<- error) (string, error) {
	network := "tcp"
	if ip := net.ParseIP(string(s.Hostname)).To4(); ip != nil {
		network = "tcp4" // else 0.0.0.0 would stand for IPv6 too
	}
	config := net.ListenConfig{}
	if s.ClientTimeout > 0 {
		config.KeepAlive = -1 // pings find lost clients sooner
	}
	listener, err := config.Listen(context.Background(), network, net.JoinHostPort(string(s.Hostname), strconv.Itoa(int(s.Port))))
	if err != nil {
		return "", fmt.Errorf("cannot listen where hostname=%q and port=%d say: %w", s.Hostname, s.Port, err)
	}
	url := "http://" + listener.Addr().String()
	if s.ProxyProtocol {
		listener = readProxyHeaders(listener, proxies)
	}
	if s.TLSCert != "" {
		certificate, err := openCertificate(s.TLSCert, s.TLSKey, log)
		if err != nil {
			return "", err
		}
		// HTTP/2 is not offered: WebSockets begin as HTTP/1.1 (RFC 6455 section 4.1).
		listener = tls.NewListener(pairing.Wires(listener), &tls.Config{GetCertificate: certificate.get, NextProtos: []string{"http/1.1"}})
		url = "https://" + listener.Addr().String()
	} else {
		listener = handshakes.Listen(listener)
	}
	go func() { failed <- server.Serve(listener) }()
	return url, nil
}

// listenAdmin serves the admin listener, if there is to be one, and returns its URL.
func listenAdmin(address string, server *http.Server, failed chan<- error) (string, error) {
	if address == "" {
		return "off", nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("cannot listen where admin_addr=%q says: %w; choose another address, or none to go without", address, err)
	}
	go func() { failed <- server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// headerTimeout is how long the head of a request may take to arrive, and before it a header of the PROXY
// protocol.
const headerTimeout = 5 * time.Second

// newPublicServer returns a server for strangers: it waits neither for a request nor for the
// reading of an answer. The upgrade to a WebSocket takes these limits off.
func newPublicServer(handler http.Handler, log *slog.Logger) *http.Server {
	server := newServer(handler, log)
	server.ReadTimeout = 10 * time.Second
	server.WriteTimeout = 10 * time.Second
	return server
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               16 << 10,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     newHTTPLog(log),
	}
}

// checks tells how the parts of the server are, for /__heartbeat__.
func checks(hub *relay.Hub, database *geo.Database) map[string]string {
	places := "off"
	if kind := database.Type(); kind != "" {
		places = "ok"
	}
	taking := "ok"
	if hub.Draining() {
		taking = "draining"
	}
	return map[string]string{"places": places, "channels": taking}
}
