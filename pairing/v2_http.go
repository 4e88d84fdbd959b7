package pairing

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"channelserver/admission"
	"channelserver/relay"
)

// pathHTTP is where version 2 is served over plain HTTP.
const pathHTTP = "/v2/channels"

// streamHeartbeat is how often a stream of events that has nothing to tell gets a comment, so that
// no proxy takes it for dead.
const streamHeartbeat = 15 * time.Second

// maxWait is how long a long poll may wait at most.
const maxWait = time.Minute

// newHTTP returns the handler of docs/protocol.md section 5.4.
func (s *Server) newHTTP() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathHTTP, s.postSeat)
	mux.HandleFunc("POST "+pathHTTP+"/{id}/members", s.postSeat)
	mux.HandleFunc("GET "+pathHTTP+"/{id}/events", s.getEvents)
	mux.HandleFunc("POST "+pathHTTP+"/{id}/messages", s.postMessage)
	mux.HandleFunc("DELETE "+pathHTTP+"/{id}/members/me", s.deleteSeat)
	mux.HandleFunc("DELETE "+pathHTTP+"/{id}", s.deleteChannel)
	none := func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusNotFound, relay.None, "there is no such resource, or it does not know this method")
	}
	mux.HandleFunc("HEAD "+pathHTTP+"/{id}/events", none) // which GET would answer, and a look would take the seat
	mux.HandleFunc("/", none)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.crossOrigin(w, r) {
			problem(w, http.StatusForbidden, relay.None, "pages of this origin may not use this server; the operator can add it to allowed_origins")
			return
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// crossOrigin sets what pages of other origins need (Fetch Standard, section 3.3 CORS protocol), and tells
// whether the request's origin is allowed.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if len(s.options.AllowedOrigins) > 0 {
		h.Add("Vary", "Origin")
	}
	if !OriginAllowed(s.options.AllowedOrigins, r.Header.Values("Origin")) {
		return false
	}
	if len(s.options.AllowedOrigins) == 0 {
		h.Set("Access-Control-Allow-Origin", "*")
	} else if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
	}
	h.Set("Access-Control-Expose-Headers", "Location, Retry-After")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "600")
	}
	return true
}

// postSeat mints a channel, or joins one, and answers with the welcome. The seat is away until its
// owner asks for events.
func (s *Server) postSeat(w http.ResponseWriter, r *http.Request) {
	id, kind := parseRequest(r.PathValue("id"))
	s.observer.Requested(kind)
	if kind == relay.RequestNew && s.hub.Draining() {
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, relay.Restart, "this server is being replaced and opens no new channels; try again")
		return
	}
	sender := s.locator.Sender(r)
	pass, ok := s.admit(w, s.visit(sender, id, kind))
	if !ok {
		return
	}
	defer pass.Leave()
	var q request
	if kind == relay.RequestNew && r.ContentLength != 0 && !s.readBody(w, r, &q) {
		return
	}
	a, why := s.seat(id, kind, sender.Addr)(newCard(sender), newDoorbell(), relay.Kept, q.exchanges())
	if why != relay.None {
		s.observer.Refused(why)
		s.problemOf(w, id, why)
		return
	}
	body := reader{s.locator, sender.Wishes}.renderWelcome(a)
	a.Detach(relay.Lost)
	w.Header().Set("Location", pathHTTP+"/"+a.ChannelID().String())
	writeJSON(w, http.StatusCreated, body)
}

// postMessage takes one message in. It may be repeated with the same n.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) {
	m := s.member(w, r)
	if m == nil {
		return
	}
	var q request
	if !s.readBody(w, r, &q) {
		return
	}
	receipt, why, refused := s.send(&q, func(body []byte, size int) (relay.Receipt, relay.Reason) {
		return m.SendNumbered(q.N, body, size)
	})
	switch {
	case refused != nil && refused.Reason == relay.MessageTooBig.String():
		problem(w, http.StatusRequestEntityTooLarge, relay.MessageTooBig, refused.Detail)
	case refused != nil:
		problem(w, http.StatusBadRequest, relay.BadPayload, refused.Detail)
	case why != relay.None:
		s.problemOf(w, m.ChannelID(), why)
	default:
		writeJSON(w, http.StatusOK, accepted(q.N, receipt))
	}
}

// readBody reads the JSON object that is the body of a request, or answers why it cannot.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, q *request) bool {
	limit := maxFrameV2(int64(s.options.MaxMessageSize))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		problem(w, http.StatusRequestEntityTooLarge, relay.MessageTooBig, "the body has more than "+strconv.FormatInt(limit, 10)+" octets")
		return false
	case err != nil:
		return false // the client is gone
	}
	if !utf8.Valid(text) { // encoding/json would not mind (RFC 8259 section 8.1)
		problem(w, http.StatusBadRequest, relay.BadPayload, "the body is not UTF-8")
		return false
	}
	if err := json.Unmarshal(text, q); err != nil {
		problem(w, http.StatusBadRequest, relay.BadPayload, "the body must be a JSON object: "+err.Error())
		return false
	}
	return true
}

func (s *Server) deleteSeat(w http.ResponseWriter, r *http.Request) {
	if m := s.member(w, r); m != nil {
		m.Leave(relay.Bye)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) deleteChannel(w http.ResponseWriter, r *http.Request) {
	m := s.member(w, r)
	switch {
	case m == nil:
	case m.EndChannel():
		w.WriteHeader(http.StatusNoContent)
	default:
		problem(w, http.StatusForbidden, relay.None, "only the creator of the channel may end it")
	}
}

// getEvents sends what the member takes: as a stream of server-sent events (HTML Standard, section
// 9.2), or in answer to a long poll as an array.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	id, token, ok := s.credentials(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	after, wait := query.Get("after"), query.Get("wait")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		after = last
	}
	seq, err := strconv.ParseUint(after, 10, 64)
	if after != "" && err != nil {
		problem(w, http.StatusBadRequest, relay.BadPayload, "after and Last-Event-ID must be the number of a message")
		return
	}
	seconds, err := strconv.ParseUint(wait, 10, 32)
	if wait != "" && err != nil {
		problem(w, http.StatusBadRequest, relay.BadPayload, "wait must be a whole number of seconds")
		return
	}
	how := relay.Welcomed
	if wait != "" {
		how = relay.Continued
	}
	sender := s.locator.Sender(r)
	pass, ok := s.admit(w, admission.Visit{Addr: sender.Addr, Exempt: sender.OfProxy, Holds: true})
	if !ok {
		return
	}
	defer pass.Leave()
	bell := newDoorbell()
	a, why := s.hub.Resume(id, token, seq, bell, how)
	if why != relay.None {
		s.deny(w, r, id, why)
		return
	}
	e := events{
		server: s, a: a, bell: bell, w: w, out: http.NewResponseController(w),
		reader: reader{s.locator, sender.Wishes},
	}
	s.streams.Add(1)
	defer s.streams.Add(-1)
	s.observer.Admitted()
	began := time.Now()
	if wait != "" {
		why = e.poll(r.Context(), min(time.Duration(seconds)*time.Second, maxWait))
	} else {
		why = e.stream(r.Context())
	}
	a.Detach(why)
	s.observer.Closed(why, time.Since(began))
}

// events is one request for events.
type events struct {
	server *Server
	a      *relay.Attachment
	bell   doorbell
	w      http.ResponseWriter
	out    *http.ResponseController
	reader reader
}

// poll answers with what there is, as soon as there is something or the time is up. It returns why the
// connection ended.
func (e *events) poll(ctx context.Context, wait time.Duration) relay.Reason {
	_ = e.out.SetReadDeadline(time.Now().Add(wait + e.server.options.WriteTimeout))
	up := time.After(wait)
	body := []byte{'['}
	for {
		var entries [batch]relay.Entry
		n, end := e.a.Take(entries[:])
		for i := range entries[:n] {
			if len(body) > 1 {
				body = append(body, ',')
			}
			body = e.reader.appendEvent(body, &entries[i])
		}
		switch {
		case n > 0:
			continue
		case end != relay.None && len(body) == 1:
			e.patient()
			e.server.problemOf(e.w, e.a.ChannelID(), end)
			return end
		case len(body) == 1:
			select {
			case <-e.bell:
				continue
			case <-ctx.Done():
				return relay.Lost
			case <-up:
			}
		}
		e.patient()
		writeJSON(e.w, http.StatusOK, append(body, ']'))
		return relay.Lost // away until the next poll
	}
}

// stream sends events until the client goes or the channel ends. It returns why the connection ended.
func (e *events) stream(ctx context.Context) relay.Reason {
	_ = e.out.SetReadDeadline(time.Time{}) // else the context would end with it
	e.w.Header().Set("Content-Type", "text/event-stream")
	e.w.Header().Set("X-Accel-Buffering", "no") // or nginx would hold events back
	heartbeat := time.NewTicker(streamHeartbeat)
	defer heartbeat.Stop()
	first := append([]byte("retry: 1000\ndata: "), e.reader.renderWelcome(e.a)...)
	err := e.send(append(first, "\n\n"...))
	for err == nil {
		var entries [batch]relay.Entry
		var out []byte
		n, end := e.a.Take(entries[:])
		for i := range entries[:n] {
			if entries[i].Kind == relay.Message {
				out = append(strconv.AppendUint(append(out, "id: "...), entries[i].Seq, 10), '\n')
			}
			out = append(e.reader.appendEvent(append(out, "data: "...), &entries[i]), "\n\n"...)
		}
		switch {
		case n > 0:
			err = e.send(out)
		case end != relay.None:
			_ = e.send([]byte("event: close\ndata: {\"code\":" + strconv.Itoa(end.Code()) + ",\"reason\":\"" + end.String() + "\"}\n\n"))
			return end
		default:
			select {
			case <-e.bell:
			case <-ctx.Done():
				return relay.Lost
			case <-heartbeat.C:
				err = e.send([]byte(":\n\n"))
			}
		}
	}
	return failure(err)
}

// patient gives the client time to read what comes next: the deadline of the request may be over.
func (e *events) patient() {
	_ = e.out.SetWriteDeadline(time.Now().Add(e.server.options.WriteTimeout))
}

func (e *events) send(octets []byte) error {
	e.patient()
	if _, err := e.w.Write(octets); err != nil {
		return err
	}
	return e.out.Flush()
}

// A doorbell is a peer whose goroutine waits for it.
type doorbell chan struct{}

func newDoorbell() doorbell { return make(doorbell, 1) }

// Wake implements relay.Peer.
func (b doorbell) Wake() {
	select {
	case b <- struct{}{}:
	default: // it has been rung already
	}
}

// credentials reads the channel's id and the seat's token out of a request, or answers it.
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) (id relay.ID, token relay.Token, ok bool) {
	id, err := relay.ParseID(r.PathValue("id"))
	if err != nil {
		s.deny(w, r, id, relay.BadChannelID)
		return id, token, false
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token, err = relay.ParseToken(text)
	if !strings.EqualFold(scheme, "Bearer") || err != nil {
		token = relay.Token{} // which is no seat's
	}
	return id, token, true
}

// member returns the member that a request's token stands for, or answers it and returns nil.
func (s *Server) member(w http.ResponseWriter, r *http.Request) *relay.Member {
	id, token, ok := s.credentials(w, r)
	if !ok {
		return nil
	}
	m, why := s.hub.Holder(id, token)
	if why != relay.None {
		s.deny(w, r, id, why)
		return nil
	}
	return m
}

// admit asks the guard about a visit, and answers it when it is turned away.
func (s *Server) admit(w http.ResponseWriter, v admission.Visit) (*admission.Pass, bool) {
	pass, refusal := s.options.Guard.Enter(v)
	if refusal != nil {
		w.Header().Set("Retry-After", refusal.RetryAfter())
		problem(w, refusal.Status(), relay.None, refusal.Detail())
		return nil, false
	}
	return pass, true
}

// deny answers a request about a channel or seat that was refused, and counts it against its
// address where that channel or seat does not exist.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, id relay.ID, why relay.Reason) {
	if why == relay.NoSuchChannel || why == relay.BadChannelID {
		sender := s.locator.Sender(r)
		if _, ok := s.admit(w, admission.Visit{Addr: sender.Addr, Exempt: sender.OfProxy, Wrong: true}); !ok {
			return
		}
	}
	s.problemOf(w, id, why)
}

// problemOf answers a request about a channel that was refused.
func (s *Server) problemOf(w http.ResponseWriter, id relay.ID, why relay.Reason) {
	switch why {
	case relay.NoSuchChannel:
		if s.hub.Lives(id) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, http.StatusUnauthorized, relay.None, "send Authorization: Bearer with the resume token of your welcome; the seat of this one, if there ever was one, has been given up")
			return
		}
		problem(w, http.StatusNotFound, why, "the channel never existed, has expired or has ended")
	case relay.BadChannelID:
		problem(w, http.StatusBadRequest, why, "a channel id is 22 characters of canonical base64url")
	case relay.ChannelFull:
		problem(w, http.StatusConflict, why, "all seats of the channel are taken")
	case relay.AddressRefused:
		problem(w, http.StatusForbidden, why, "this channel admits only addresses that it has seen")
	case relay.Restart:
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, why, "this server is being replaced; try again")
	default:
		problem(w, http.StatusGone, why, "the channel, or the seat, has ended")
	}
}

// problem answers with an error (RFC 9457). The reason is left out where none of the protocol's fits.
func problem(w http.ResponseWriter, status int, why relay.Reason, detail string) {
	body := struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Reason string `json:"reason,omitempty"`
		Detail string `json:"detail"`
	}{Title: http.StatusText(status), Status: status, Detail: detail}
	if why != relay.None {
		body.Reason = why.String()
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(marshal(body))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
