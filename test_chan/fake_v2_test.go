package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// admitV2 takes a seat for a hello, or a seat back. It returns the welcome, or why there is none.
func (f *fake) admitV2(c *fakeConn, r *http.Request, id, token string, after int) (*fakeSeat, object, int, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var s *fakeSeat
	if token != "" {
		ch, code, reason := f.parseLocked(id, true)
		if ch == nil {
			return nil, nil, code, reason
		}
		if s = f.find(ch, token); s == nil {
			return nil, nil, 4004, "no-such-channel"
		}
		if f.has("asks for a known address when a seat is resumed") && f.address(r) != s.address {
			return nil, nil, 4012, "address-refused"
		}
		if s.awayAt != nil {
			s.awayAt.Stop()
			s.awayAt = nil
		}
		if old := s.conn; old != nil && !f.has("keeps the old connection of a resumed seat") {
			old.close(4009, "replaced")
		}
		s.passed = after
		if f.has("replays from the start") {
			s.passed = 0
		}
		f.tellLocked(s, "back")
	} else {
		s = &fakeSeat{header: r.Header, address: f.address(r), v2: true, token: newID(), seqs: map[int]int{}}
		if code, reason := f.seatLocked(s, id); code != 0 {
			return nil, nil, code, reason
		}
		if f.has("keeps nothing for joiners") {
			s.passed = len(s.channel.log)
		}
		f.tellLocked(s, "joined")
	}
	s.conn = c
	return s, f.welcomeLocked(s), 0, ""
}

// find returns the seat with a token.
func (f *fake) find(ch *fakeChannel, token string) *fakeSeat {
	for _, s := range ch.seats {
		if s.v2 && (s.token == token || f.has("does not compare the first character of tokens") && len(token) == 22 && s.token[1:] == token[1:]) {
			return s
		}
	}
	if f.has("keeps the seats of those who left") {
		for _, s := range ch.left {
			if s.token == token {
				return s
			}
		}
	}
	return nil
}

func (f *fake) welcomeLocked(s *fakeSeat) object {
	ch := s.channel
	members := []object{}
	for _, other := range ch.seats {
		if other != s {
			members = append(members, object{"member": other.member, "sender": f.sender(other, s), "present": other.conn != nil && !f.has("takes everybody for away in welcomes")})
		}
	}
	n := s.n
	if f.has("forgets the last n") {
		n = 0
	}
	welcome := object{
		"type": "welcome", "channelid": ch.id, "link": "/v2/ws/" + ch.id, "member": s.member, "resume": s.token,
		"expires_in_ms": time.Until(ch.born.Add(f.life())).Milliseconds(), "limits": object{"max_exchanges": f.knobs.MaxExchanges},
		"members": members, "self": f.sender(s, s), "n": n,
	}
	if f.has("does not tell a member about itself") {
		delete(welcome, "self")
	}
	return welcome
}

// tellLocked tells the other members of version 2 about one.
func (f *fake) tellLocked(about *fakeSeat, kind string) {
	if kind == "joined" && f.has("tells nobody of joiners of version 2") && about.v2 || kind == "back" && f.has("does not tell who is back") {
		return
	}
	for _, s := range about.channel.seats {
		frame := object{"type": kind, "member": about.member}
		if kind == "joined" {
			frame["sender"] = f.sender(about, s)
		}
		if s != about {
			s.tell(frame)
		}
	}
}

// tell sends a frame to a member of version 2 that is there.
func (s *fakeSeat) tell(frame any) {
	if s.v2 && s.conn != nil {
		s.conn.send(frame)
	}
}

// catchUpLocked sends a member what it has not got yet.
func (f *fake) catchUpLocked(s *fakeSeat) {
	if s.conn == nil {
		return
	}
	for ; s.passed < len(s.channel.log); s.passed++ {
		if s.channel.log[s.passed].from != s {
			s.tell(f.event(s.channel, s.passed))
		}
	}
}

// event returns a message as a frame.
func (f *fake) event(ch *fakeChannel, i int) object {
	e := ch.log[i]
	from := e.from.member
	if f.has("does not say whose message it is") && e.text == "hello, bob" {
		from = 0
	}
	return object{"type": "message", "seq": i + 1, "from": from, "message": e.text}
}

func countAway(ch *fakeChannel) int {
	n := 0
	for _, s := range ch.seats {
		if s.awayAt != nil {
			n++
		}
	}
	return n
}

// serveSeat serves a WebSocket of version 2.
func (f *fake) serveSeat(c *fakeConn, r *http.Request, id string) {
	var s *fakeSeat
	impatient := time.AfterFunc(f.helloTime(), func() { c.close(4010, "client-timeout") })
	defer impatient.Stop()
	c.read(func(text string) {
		var in struct {
			Type, Resume, Message string
			After, N, Seq         int
		}
		_ = json.Unmarshal([]byte(text), &in)
		if s == nil && (in.Type == "hello" || f.has("takes anything for a hello")) {
			impatient.Stop()
			var welcome object
			var code int
			var reason string
			if s, welcome, code, reason = f.admitV2(c, r, id, in.Resume, in.After); s == nil {
				if f.has("closes all bad ids of version 2 with 4000") && in.Resume == "" && (code == 4001 || code == 4004) {
					code = 4000
				}
				c.close(code, reason)
				return
			}
			c.send(welcome)
			f.mu.Lock()
			f.catchUpLocked(s)
			f.mu.Unlock()
			return
		}
		if s == nil {
			c.send(object{"type": "error", "reason": "protocol-error"})
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		switch in.Type {
		case "send":
			if seq := f.sendLocked(s, in.N, in.Message); seq > 0 {
				c.send(object{"type": "accepted", "n": in.N, "seq": seq})
			}
		case "ack":
			if f.has("counts acks as messages") {
				s.channel.log = append(s.channel.log, fakeEntry{s, ""})
			}
			for _, other := range s.channel.seats {
				if other != s && !f.has("keeps acks to itself") {
					other.tell(object{"type": "delivered", "member": s.member, "seq": in.Seq})
				}
			}
		case "leave":
			c.close(1000, "bye")
			f.leaveLocked(s, "bye")
		case "end":
			switch {
			case s.member == 1 && f.has("ends a channel with 1000"):
				f.endLocked(s.channel, 1000, "bye")
			case s.member == 1 || f.has("lets anybody end a channel"):
				f.endLocked(s.channel, 4015, "channel-ended")
			default:
				c.send(object{"type": "error", "reason": "protocol-error"})
			}
		default:
			if f.has("takes offence at unknown types") {
				c.close(1002, "protocol-error")
			}
		}
	}, func() {})
	if s == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case s.conn != c || s.gone || s.channel.ended: // resumed, left or over
	case c.bye && !f.has("takes members that close for away"):
		f.leaveLocked(s, "bye")
	default:
		s.conn = nil
		if !f.has("does not tell who is away") {
			f.tellLocked(s, "away")
		}
		patience := f.knobs.ResumeTimeout
		if patience == 0 || f.has("never gives up a seat") {
			patience = 300 * time.Second
		}
		s.awayAt = time.AfterFunc(patience, func() { f.leave(s, "resume-timeout") })
	}
}

func (f *fake) helloTime() time.Duration {
	if f.has("waits a minute for hello") {
		return time.Minute
	}
	return 10 * time.Second
}

// sendLocked stores a message once and returns its seq.
func (f *fake) sendLocked(s *fakeSeat, n int, text string) int {
	if seq := s.seqs[n]; seq > 0 && !f.has("stores repeated messages again") {
		return seq
	}
	seq := f.storeLocked(s, text)
	if f.has("numbers the messages of each member") && s.member == 2 && text == "message 2" {
		seq = n
	}
	if seq > 0 {
		s.n, s.seqs[n] = n, seq
	}
	return seq
}

// serveV2 serves version 2 over HTTP.
func (f *fake) serveV2(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, object any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(object)
	}
	id, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v2/channels"), "/"), "/")
	if r.Method == http.MethodPost && (id == "" || rest == "members") {
		_, welcome, code, reason := f.admitV2(nil, r, id, "", 0)
		if code != 0 {
			if !f.has("has problems in plain text") {
				w.Header().Set("Content-Type", "application/problem+json")
			}
			status := map[int]int{4001: 404, 4004: 404, 4011: 409, 4012: 403}[code]
			if f.has("calls a full channel gone") && code == 4011 {
				status = 410
			}
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(object{"status": status, "reason": reason})
			return
		}
		if f.has("does not tell who is there over HTTP") {
			delete(welcome, "members")
		}
		answer(http.StatusCreated, welcome)
		return
	}
	f.mu.Lock()
	ch, _, _ := f.parseLocked(id, true)
	var s *fakeSeat
	if ch != nil {
		if s = f.find(ch, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); s == nil && f.has("asks for no token over HTTP") && r.Header.Get("Authorization") == "" {
			s = ch.seats[0]
		}
	}
	f.mu.Unlock()
	switch {
	case ch == nil:
		w.WriteHeader(http.StatusNotFound)
	case s == nil:
		w.WriteHeader(http.StatusUnauthorized)
	case rest == "events":
		f.serveEvents(w, r, s)
	case rest == "messages":
		var in struct {
			N       int
			Message string
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		if len(in.Message) > f.knobs.MaxMessageSize {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		f.mu.Lock()
		if f.has("does not tell posted messages to WebSockets") {
			for _, other := range ch.seats {
				other.passed = len(ch.log) + 1
			}
		}
		seq := f.sendLocked(s, in.N, in.Message)
		f.mu.Unlock()
		answer(http.StatusOK, object{"type": "accepted", "n": in.N, "seq": seq})
	case rest == "members/me":
		if !f.has("does not let members over HTTP leave") {
			f.leave(s, "left")
		}
		w.WriteHeader(http.StatusNoContent)
	case s.member != 1:
		w.WriteHeader(http.StatusForbidden)
	default:
		if !f.has("does not let a creator over HTTP end a channel") {
			f.mu.Lock()
			f.endLocked(ch, 4015, "channel-ended")
			f.mu.Unlock()
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// serveEvents serves a stream, or a long poll. It looks for news every 10 ms.
func (f *fake) serveEvents(w http.ResponseWriter, r *http.Request, s *fakeSeat) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	if last := r.Header.Get("Last-Event-ID"); last != "" && !f.has("takes no notice of Last-Event-ID") {
		after, _ = strconv.Atoi(last)
	}
	wait := r.URL.Query().Get("wait")
	if wait == "" {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	seconds, _ := strconv.Atoi(wait)
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for r.Context().Err() == nil {
		events := []object{}
		f.mu.Lock()
		for ; after < len(s.channel.log); after++ {
			if s.channel.log[after].from != s {
				events = append(events, f.event(s.channel, after))
			}
		}
		f.mu.Unlock()
		if wait != "" && (len(events) > 0 || time.Now().After(end) || f.has("does not wait in long polls")) {
			_ = json.NewEncoder(w).Encode(events)
			return
		}
		if wait == "" {
			for _, e := range events {
				text, _ := json.Marshal(e)
				fmt.Fprintf(w, "id: %v\ndata: %s\n\n", e["seq"], text)
			}
			_ = http.NewResponseController(w).Flush()
		}
		time.Sleep(10 * time.Millisecond)
	}
}
