package pairing

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/admission"
	"channelserver/geo"
	"channelserver/logs"
	"channelserver/relay"
)

// Options are the choices that an operator makes for a Server. Zero durations and sizes turn off
// what they bound, but for WriteTimeout.
type Options struct {
	ClientTimeout     time.Duration    // a connection from which no frame came for this long is closed
	HeartbeatInterval time.Duration    // idle time after which a ping is sent
	WriteTimeout      time.Duration    // how long a peer may refuse to read; 0 is 10 s
	MaxMessageSize    int              // octets of one message
	RequireBase64     bool             // refuse messages that are not URL-safe base64
	AllowedOrigins    []string         // see OriginAllowed
	Guard             *admission.Guard // decides who gets in; nil lets everybody in
}

// A Server is the HTTP handler that upgrades connections to WebSockets and seats them in channels.
// Create one with NewServer. Its methods may be called at the same time.
type Server struct {
	hub      *relay.Hub // static, like all down to upgrader
	locator  *geo.Locator
	observer relay.Observer
	log      *slog.Logger
	ids      logs.IDHasher
	options  Options
	upgrader websocket.Upgrader
	http     http.Handler // version 2 over plain HTTP

	buffers  pool         // for messages read, frames rendered and octets to send
	registry registry     // the open WebSockets
	streams  atomic.Int64 // requests for events that are being answered
}

// NewServer returns a Server for the channels of the hub. Run its Sweep beside it.
func NewServer(hub *relay.Hub, locator *geo.Locator, observer relay.Observer, log *slog.Logger, options Options) *Server {
	if options.WriteTimeout == 0 {
		options.WriteTimeout = 10 * time.Second
	}
	s := &Server{
		hub: hub, locator: locator, observer: observer, log: log, ids: logs.NewIDHasher(), options: options,
		upgrader: websocket.Upgrader{
			WriteBufferSize: 1024,
			WriteBufferPool: new(sync.Pool),
			CheckOrigin:     func(*http.Request) bool { return true }, // checked before
			Error:           refuseUpgrade,
		},
	}
	s.http = s.newHTTP()
	return s
}

// WebSockets returns what the paths of WebSockets begin with.
func WebSockets() []string { return []string{pathV1, pathV2} }

// Handles tells whether a path is this server's.
func Handles(path string) bool {
	for _, prefix := range []string{pathV1, pathV2, pathHTTP} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return true
		}
	}
	return false
}

// ServeHTTP serves version 2 over HTTP at its paths, and upgrades connections at the others. It seats
// an upgraded connection in a new channel or in the one that the path names. Without an upgrade it
// answers 426, for an origin that is not allowed 403, for a new channel while the hub drains 503, and
// as the guard says 429 or 503. What depends on the channel is refused after the upgrade, with a close
// code, because a browser's code cannot see an HTTP status.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, pathHTTP) {
		s.http.ServeHTTP(w, r)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) || !r.ProtoAtLeast(1, 1) { // RFC 9110 section 7.8: HTTP/1.0 knows no upgrade
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		http.Error(w, "This address speaks WebSocket only (RFC 6455); connect with ws:// or wss://.", http.StatusUpgradeRequired)
		return
	}
	if r.ContentLength != 0 {
		http.Error(w, "A WebSocket handshake has no body.", http.StatusBadRequest)
		return
	}
	if !OriginAllowed(s.options.AllowedOrigins, r.Header.Values("Origin")) {
		http.Error(w, "Pages of this origin may not connect here; the operator can add it to allowed_origins.", http.StatusForbidden)
		return
	}
	text, two := strings.CutPrefix(r.URL.Path, pathV2)
	text = strings.TrimPrefix(strings.TrimPrefix(text, pathV1), "/")
	id, request := parseRequest(text)
	s.observer.Requested(request)
	if request == relay.RequestNew && s.hub.Draining() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "This server is being replaced and opens no new channels; try again.", http.StatusServiceUnavailable)
		return
	}

	sender := s.locator.Sender(r)
	visit := s.visit(sender, id, request)
	visit.Holds = true
	pass, refusal := s.options.Guard.Enter(visit)
	if refusal != nil {
		w.Header().Set("Retry-After", refusal.RetryAfter())
		http.Error(w, refusal.Detail(), refusal.Status())
		return
	}
	seated := false
	defer func() {
		if !seated {
			pass.Leave()
		}
	}()
	seat := s.seat(id, request, sender.Addr)
	maxMessage := int64(s.options.MaxMessageSize)
	var v version
	if two {
		v = &v2{reader: reader{s.locator, sender.Wishes}, seat: seat, card: newCard(sender), id: id, kind: request}
		maxMessage = maxFrameV2(maxMessage)
	} else {
		v = &v1{seat: seat, card: newCard(sender)}
	}
	hijacker := &hijacker{ResponseWriter: w, server: s, maxMessage: maxMessage}
	if _, err := s.upgrader.Upgrade(hijacker, r, nil); err != nil {
		return // answered by refuseUpgrade, or the client is gone
	}
	pass.Hijacked()
	c := newConn(s, v, hijacker.socket, sender.Addr)
	c.pass = pass
	seated = true
	s.registry.add(c)
	c.begin()
	// The reader gets a goroutine of its own, so that what net/http, the upgrade and the greeting
	// have used, their stack above all, is free again.
	go c.serve()
}

// parseRequest returns what a path asks for whose part behind the version is text.
func parseRequest(text string) (id relay.ID, request relay.Request) {
	if text == "" {
		return id, relay.RequestNew
	}
	id, err := relay.ParseID(text)
	if err != nil {
		return id, relay.RequestBadID
	}
	return id, relay.RequestExisting
}

// visit tells the guard about a request. Whether the channel that it names lives is looked up here, so that
// wrong ids are counted exactly; all of them, whether they never were or are over, look the same.
func (s *Server) visit(sender geo.Sender, id relay.ID, request relay.Request) admission.Visit {
	return admission.Visit{
		Addr: sender.Addr, Exempt: sender.OfProxy,
		New:   request == relay.RequestNew,
		Wrong: request == relay.RequestBadID || request == relay.RequestExisting && !s.hub.Lives(id),
	}
}

// A seating takes the seat that a request asks for. The creator of a channel may ask for more exchanges
// than channels have (see relay.Hub.Create).
type seating func(card *card, peer relay.Peer, mode relay.Mode, exchanges int) (*relay.Attachment, relay.Reason)

func (s *Server) seat(id relay.ID, request relay.Request, addr netip.Addr) seating {
	return func(card *card, peer relay.Peer, mode relay.Mode, exchanges int) (*relay.Attachment, relay.Reason) {
		switch request {
		case relay.RequestNew:
			return s.hub.Create(addr, card, peer, mode, exchanges)
		case relay.RequestExisting:
			return s.hub.Join(id, addr, card, peer, mode)
		default:
			return nil, relay.BadChannelID
		}
	}
}

// Wait waits until all connections are closed or ctx is done.
func (s *Server) Wait(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.registry.count() > 0 || s.streams.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refuseUpgrade answers a request whose handshake is wrong (RFC 6455 section 4.2).
func refuseUpgrade(w http.ResponseWriter, r *http.Request, status int, reason error) {
	if r.Header.Get("Sec-Websocket-Version") != "13" {
		w.Header().Set("Sec-Websocket-Version", "13") // section 4.4
		status = http.StatusUpgradeRequired
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	http.Error(w, "This is not a WebSocket handshake: "+strings.TrimPrefix(reason.Error(), "websocket: "), status)
}

// A hijacker hands the connection under a request over as a socket.
type hijacker struct {
	http.ResponseWriter
	server     *Server
	maxMessage int64   // octets of one message
	socket     *socket // nil until Hijack
}

// Hijack is called by the upgrader.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, errors.New("this connection cannot be upgraded")
	}
	// Below the wrapping of a connection that came through the PROXY protocol is one with a descriptor.
	// What has been read behind the PROXY header went to net/http with its first read.
	if proxied, ok := conn.(interface{ TCPConn() (*net.TCPConn, bool) }); ok {
		if tcp, ok := proxied.TCPConn(); ok {
			conn = tcp
		}
	}
	h.socket = newSocket(conn, h.server.options.WriteTimeout, h.maxMessage, &h.server.buffers)
	if n := buffers.Reader.Buffered(); n > 0 { // a client that did not wait for the answer
		h.socket.octets = make([]byte, n)
		_, _ = io.ReadFull(buffers.Reader, h.socket.octets) // they are there
	}
	return h.socket, buffers, nil
}
