package apidocs_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/admission"
	"channelserver/apidocs"
	"channelserver/geo"
	"channelserver/geo/geotest"
	"channelserver/ops"
	"channelserver/pairing"
	"channelserver/relay"
	"channelserver/settings"
)

// A stage is a server as cmd/channelserver puts it together, and the network around it, in memory.
type stage struct {
	t        testing.TB
	settings settings.Settings
	hub      *relay.Hub
	pipes    chan net.Conn
}

// newStage starts a server with arguments as on its command line. All of it ends with the test.
func newStage(t testing.TB, args []string) *stage {
	t.Helper()
	s, _, err := settings.Load(args)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "places.mmdb")
	geotest.Write(t, file)
	log := slog.New(slog.DiscardHandler)
	database, err := geo.Open(file, log)
	if err != nil {
		t.Fatal(err)
	}
	hub := relay.New(s.Limits(), relay.Nobody{})
	guard := admission.New(admission.Options{
		Limits: admission.Limits{
			OpeningsPerMinute: int(s.MaxOpeningsPerMinute), WrongIDsPerMinute: int(s.MaxWrongIdsPerMinute),
			TotalConnections: int(s.MaxConnections), TotalChannels: int(s.MaxChannels),
		},
		Holds: func() admission.Holdings { return admission.Holdings{Channels: hub.Stats().Channels} },
	})
	door := pairing.NewServer(hub, &geo.Locator{Database: database, DefaultLang: string(s.DefaultLang)}, relay.Nobody{}, log, pairing.Options{
		ClientTimeout: time.Duration(s.ClientTimeout), HeartbeatInterval: time.Duration(s.HeartbeatInterval),
		MaxMessageSize: int(s.MaxMessageSize), RequireBase64: bool(s.RequireBase64), AllowedOrigins: s.AllowedOrigins,
		Guard: guard,
	})
	public := ops.Public{
		Version:  ops.Version{Source: "channelserver", Version: "1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567", Build: "go1.26.0"},
		Draining: hub.Draining,
		Checks:   func() map[string]string { return map[string]string{"channels": "ok", "places": "ok"} },
		Pages:    apidocs.Pages(),
	}
	stage := &stage{t: t, settings: s, hub: hub, pipes: make(chan net.Conn)}
	server := http.Server{Handler: public.Handler(pairing.Handles, door), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = server.Serve(stage) })
	tasks.Go(func() { door.Sweep(ctx) })
	t.Cleanup(func() {
		hub.EndAll(ctx, relay.Shutdown, 0)
		door.Wait(ctx)
		cancel()
		server.Close()
		tasks.Wait()
	})
	return stage
}

// act does what a server does by itself.
func (s *stage) act(what string) {
	switch what {
	case "drains":
		s.hub.Drain(time.Duration(s.settings.DrainTimeout))
	case "restarts":
		s.hub.EndAll(context.Background(), relay.Restart, 0)
	case "stops":
		s.hub.EndAll(context.Background(), relay.Shutdown, 0)
	default:
		s.t.Errorf("a server never %s", what)
	}
}

// Accept, Close and Addr make a stage a net.Listener.
func (s *stage) Accept() (net.Conn, error) {
	conn, ok := <-s.pipes
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (s *stage) Close() error   { close(s.pipes); return nil }
func (s *stage) Addr() net.Addr { return &net.TCPAddr{} }

// A pipeEnd is a pipe with an address.
type pipeEnd struct {
	net.Conn
	remote net.Addr
}

func (p *pipeEnd) RemoteAddr() net.Addr { return p.remote }

// dialer returns what opens pipes to the server, as if from an address.
func (s *stage) dialer(from string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		s.pipes <- &pipeEnd{there, &net.TCPAddr{IP: netip.MustParseAddr(from).AsSlice(), Port: 1}}
		return here, nil
	}
}

// browser returns what makes requests from an address.
func (s *stage) browser(from string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.dialer(from), DisableKeepAlives: true}}
}

// A socket is a WebSocket that is read all the time, as browsers do.
type socket struct {
	ws   *websocket.Conn
	read chan frame
}

// A frame is a text, or the error that ended the connection.
type frame struct {
	text string
	err  error
}

func (s *stage) connect(from string, header http.Header, path string) *socket {
	s.t.Helper()
	dialer := websocket.Dialer{NetDialContext: s.dialer(from)}
	ws, _, err := dialer.Dial("ws://relay.test"+path, header)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ws.Close() })
	w := &socket{ws: ws, read: make(chan frame, 100)} // more than any conversation has
	go func() {
		for {
			_, text, err := ws.ReadMessage()
			w.read <- frame{string(text), err}
			if err != nil {
				return
			}
		}
	}()
	return w
}

// next returns what has come, and whether there was anything.
func (w *socket) next() (text string, err error, more bool) {
	select {
	case f := <-w.read:
		return f.text, f.err, true
	default:
		return "", nil, false
	}
}
