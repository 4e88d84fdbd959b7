package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// parseLocked returns the channel with an id, or why there is none.
func (f *fake) parseLocked(id string, v2 bool) (*fakeChannel, int, string) {
	if f.has("is of version 1, with the close codes of RFC 6455 only") && f.channels[id] == nil {
		return nil, 1000, ""
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if (err != nil || len(octets) != 16) && !(f.has("has channel ids of 32 hex digits") && len(id) == 32) {
		if f.has("does not tell malformed ids from unknown ones") && !v2 {
			return nil, 4004, "no-such-channel"
		}
		return nil, 4001, "bad-channel-id"
	}
	ch := f.channels[id]
	if f.has("compares the first characters of ids only") {
		for known, other := range f.channels {
			if known[:8] == id[:8] {
				ch = other
			}
		}
	}
	if ch == nil && f.has("closes unknown ids with 1000") && !v2 {
		return nil, 1000, "bye"
	}
	if ch == nil {
		return nil, 4004, "no-such-channel"
	}
	return ch, 0, ""
}

// admit seats a member of version 1, or closes the connection.
func (f *fake) admit(c *fakeConn, r *http.Request, id string) *fakeSeat {
	f.mu.Lock()
	defer f.mu.Unlock()
	seat := &fakeSeat{conn: c, header: r.Header, address: f.address(r)}
	code, reason := f.seatLocked(seat, id)
	if code != 0 {
		c.close(code, reason)
		return nil
	}
	ch := seat.channel
	first := map[string]any{"link": "/v1/ws/" + ch.id, "channelid": ch.id}
	switch {
	case f.has("tells a channelid that is not the one in the link"):
		first["channelid"] = newID()
	case ch.ever == 1 && f.has("leaves the channelid out of the first frame"):
		delete(first, "channelid")
	case ch.ever > 1 && f.has("tells joiners another channel"):
		first["channelid"] = newID()
		first["link"] = "/v1/ws/" + first["channelid"].(string)
	}
	c.send(first)
	f.tellLocked(seat, "joined")
	return seat
}

// seatLocked finds the channel and takes a seat in it, or says why not. It may let go of the lock for
// a moment.
func (f *fake) seatLocked(seat *fakeSeat, id string) (int, string) {
	k := f.knobs
	var ch *fakeChannel
	if id == "" {
		ch = f.mintLocked(seat)
	} else {
		var code int
		var reason string
		if ch, code, reason = f.parseLocked(id, seat.v2); ch == nil {
			return code, reason
		}
	}
	taken := len(ch.seats)
	if f.has("looks for a free seat and takes it later") {
		f.mu.Unlock()
		time.Sleep(time.Millisecond)
		f.mu.Lock()
	} else {
		taken = len(ch.seats)
	}
	switch {
	case f.has("never frees a seat"):
		taken = ch.ever
	case f.has("does not count away seats"):
		taken -= countAway(ch)
	}
	if k.MaxConnections > 0 && taken >= k.MaxConnections {
		if f.has("ends a channel when one too many comes") && !seat.v2 {
			f.endLocked(ch, 4011, "channel-full")
		}
		if f.has("gives no reason when a channel is full") && !seat.v2 {
			return 1000, ""
		}
		return 4011, "channel-full"
	}
	site := netip.PrefixFrom(seat.address, seat.address.BitLen())
	if seat.address.Is6() && !f.has("compares whole IPv6 addresses") {
		site, _ = seat.address.Prefix(64)
	}
	counted := ch.ever
	if f.has("forgets who has left") {
		counted = len(ch.seats)
	}
	known := ch.known
	if f.has("knows the first address only") && len(known) > 1 {
		known = known[:1]
	}
	if counted >= 2 && !f.has("lets in whoever knows the id") && !slices.Contains(known, site) {
		return 4012, "address-refused"
	}
	if ch.ever < 2 {
		ch.known = append(ch.known, site)
	}
	ch.ever++
	seat.channel = ch
	seat.member = ch.ever
	ch.seats = append(ch.seats, seat)
	return 0, ""
}

func newID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return base64.RawURLEncoding.EncodeToString(id)
}

func (f *fake) mintLocked(seat *fakeSeat) *fakeChannel {
	ch := &fakeChannel{id: newID(), agent: seat.header.Get("User-Agent"), born: time.Now()}
	if f.has("has channel ids of 32 hex digits") {
		id, _ := base64.RawURLEncoding.DecodeString(ch.id)
		ch.id = hex.EncodeToString(id)
	}
	f.channels[ch.id] = ch
	f.startExpiryLocked(ch)
	return ch
}

// life is how long a channel lives.
func (f *fake) life() time.Duration {
	switch {
	case f.knobs.Lifespan == 0:
		return 300 * time.Second
	case f.has("ends channels too soon") && f.knobs.Lifespan < 30*time.Second:
		return f.knobs.Lifespan * 3 / 4
	}
	return f.knobs.Lifespan
}

func (f *fake) startExpiryLocked(ch *fakeChannel) {
	if ch.expiry != nil {
		ch.expiry.Stop()
	}
	ch.expiry = time.AfterFunc(f.life(), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.has("closes expired channels with 1000") {
			f.endLocked(ch, 1000, "")
		} else {
			f.endLocked(ch, 4008, "channel-expired")
		}
	})
	if warning := f.life() - 30*time.Second; warning > 0 && warning < 10*time.Second && !f.has("does not warn of the end") {
		time.AfterFunc(warning, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, seat := range ch.seats {
				seat.tell(map[string]any{"type": "ending", "in_ms": 30000, "reason": "channel-expired"})
			}
		})
	}
}

// endLocked ends a channel for all its members.
func (f *fake) endLocked(ch *fakeChannel, code int, reason string) {
	if ch.ended {
		return
	}
	if code == 4008 && f.has("never ends a channel that expires") {
		return
	}
	ch.ended = true
	ch.expiry.Stop()
	if !(code == 4013 && f.has("keeps channels that have carried too many messages")) {
		delete(f.channels, ch.id)
	}
	for i, seat := range ch.seats {
		if seat.awayAt != nil {
			seat.awayAt.Stop()
		}
		if seat.conn == nil {
			continue
		}
		seat.releaseLocked()
		if code == 4013 && i > 0 && !seat.v2 && f.has("has another code for those who did not send too much") {
			seat.conn.close(1000, "bye")
			continue
		}
		seat.conn.close(code, reason)
	}
}

// leave gives a seat up.
func (f *fake) leave(seat *fakeSeat, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaveLocked(seat, reason)
}

func (f *fake) leaveLocked(seat *fakeSeat, reason string) {
	ch := seat.channel
	if seat.gone || ch.ended && !f.has("keeps channels that have carried too many messages") {
		return
	}
	seat.gone = true
	if reason == "bye" {
		ch.left = append(ch.left, seat)
	}
	ch.seats = slices.DeleteFunc(ch.seats, func(s *fakeSeat) bool { return s == seat })
	if f.has("closes a member that is left alone") && !seat.v2 && seat.conn != nil && seat.conn.bye && len(ch.seats) > 0 && len(ch.seats) <= 2 && ch.seats[0].conn != nil {
		ch.seats[0].conn.close(1000, "bye")
	}
	if len(ch.seats) == 0 {
		f.endLocked(ch, 1000, "bye")
		return
	}
	if f.has("tells away of members that leave") && reason == "bye" && !seat.conn.bye {
		f.tellLocked(seat, "away")
		return
	}
	f.tellLocked(seat, "left")
}
