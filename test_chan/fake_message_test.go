package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// receive takes in a message of a member of version 1.
func (f *fake) receive(seat *fakeSeat, text string) {
	if !f.has("does not trim messages") {
		text = strings.TrimSpace(text)
	}
	if f.knobs.RequireBase64 && !isBase64(text, f.has("accepts + and / in base64")) {
		seat.conn.close(1007, "bad-payload")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.storeLocked(seat, text)
}

func isBase64(text string, standard bool) bool {
	if strings.ContainsAny(text, "\r\n") {
		return false
	}
	if standard {
		text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	}
	encoding := base64.RawURLEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.URLEncoding
	}
	_, err := encoding.DecodeString(text)
	return err == nil
}

// storeLocked counts a message and hands it on. It returns its seq, or 0 when the channel has ended.
func (f *fake) storeLocked(seat *fakeSeat, text string) int {
	ch := seat.channel
	if ch.ended {
		return 0
	}
	k := f.knobs
	limit := k.MaxExchanges
	if limit == 0 && f.has("counts messages in one octet") {
		limit = 255
	}
	counted := len(ch.log)
	carried := ch.octets
	if f.has("counts messages after it has looked at the limit") && k.MaxData == 0 ||
		f.has("counts octets after it has looked at the limit") && k.MaxData > 0 {
		slow := time.Millisecond
		if seat.member != 1 {
			slow *= 10 // so that it is known how the two come together
		}
		f.mu.Unlock()
		time.Sleep(slow)
		f.mu.Lock()
	}
	size := len(text)
	if f.has("counts characters for octets") {
		size = len([]rune(text))
	}
	if limit > 0 && counted >= limit && !f.has("has no max_exchanges") {
		if f.has("delivers one message too many") {
			for _, other := range ch.seats {
				if other != seat && !other.v2 {
					f.relayLocked(seat, other, text, limit+1)
				}
			}
		}
		f.endLocked(ch, 4013, "too-many-messages")
		return 0
	}
	over := carried+size > k.MaxData
	if f.has("does not mind a first message that is too large") {
		over = over && carried > 0
	}
	if k.MaxData > 0 && over {
		f.endLocked(ch, 4014, "too-much-data")
		return 0
	}
	if ch.ended {
		return 0
	}
	ch.log = append(ch.log, fakeEntry{seat, text})
	ch.octets += size
	seq := len(ch.log)
	if f.has("starts the clock of a channel anew with each message") {
		f.startExpiryLocked(ch)
	}
	for _, other := range slices.Clone(ch.seats) {
		switch {
		case other == seat && !(f.has("echoes messages to their sender") && !seat.v2):
			continue
		case other.v2:
			f.catchUpLocked(other)
			continue
		}
		f.relayLocked(seat, other, text, seq)
		if f.has("relays to the first other member only") && !other.v2 {
			break
		}
	}
	if f.has("takes channels with the same User-Agent for one") {
		for _, near := range f.channels {
			if near != ch && near.agent == ch.agent {
				for _, other := range near.seats {
					f.relayLocked(seat, other, text, seq)
				}
			}
		}
	}
	return seq
}

// relayLocked sends a message to a member of version 1.
func (f *fake) relayLocked(from, to *fakeSeat, text string, seq int) {
	if f.has("loses characters beyond the basic plane") {
		text = strings.Map(func(c rune) rune {
			if c > 0xffff {
				return -1
			}
			return c
		}, text)
	}
	if f.has("truncates messages of more than 1 KiB") && len(text) > 1024 && len(text) < 30000 {
		text = text[:1024]
	}
	envelope := map[string]any{"message": text, "sender": f.sender(from, to)}
	switch {
	case f.has("has another key in envelopes") && !from.v2:
		envelope["seq"] = seq
	case f.has("tells no sender of answers") && from.member == 2:
		delete(envelope, "sender")
	case f.has("sends members of version 1 the frames of version 2") && from.v2:
		envelope = map[string]any{"type": "message", "seq": seq, "from": from.member, "message": text}
	}
	switch {
	case f.has("sends the second message after the third") && seq == 2:
		to.held = envelope
		time.AfterFunc(time.Millisecond, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			to.releaseLocked()
		})
	case f.has("waits for each peer to read"):
		frame, _ := json.Marshal(envelope)
		f.mu.Unlock()
		to.conn.mu.Lock()
		_, _ = to.conn.net.Write(bareFrame(fin|opText, 0, frame))
		to.conn.mu.Unlock()
		f.mu.Lock()
	default:
		to.conn.send(envelope)
		to.releaseLocked()
	}
}

// releaseLocked sends the message that is held back.
func (s *fakeSeat) releaseLocked() {
	if s.held != nil {
		s.conn.send(s.held)
		s.held = nil
	}
}

// address returns where a request comes from.
func (f *fake) address(r *http.Request) netip.Addr {
	address := netip.MustParseAddrPort(r.RemoteAddr).Addr()
	claimed := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	if claimed[0] == "" || !f.knobs.TrustLoopback && !f.has("believes X-Forwarded-For from strangers") {
		return address
	}
	if !f.has("takes the leftmost address of X-Forwarded-For") {
		slices.Reverse(claimed)
	}
	for _, text := range claimed {
		if a, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil && !a.IsLoopback() {
			return a
		}
	}
	return address
}

// sender returns the metadata of a member, for another one.
func (f *fake) sender(from, to *fakeSeat) map[string]string {
	sender := map[string]string{"ua": from.header.Get("User-Agent"), "remote": from.address.String()}
	if f.has("does not tell the User-Agent") && !to.v2 {
		delete(sender, "ua")
	}
	if !f.knobs.TrustLoopback {
		return sender
	}
	reader := from
	if to.v2 && !f.has("names places in the language of the sender to all") || f.has("names places in the language of the reader") {
		reader = to
	}
	language := f.language(reader.header.Get("Accept-Language"))
	place := map[string][3]string{
		"en": {"Munich", "Bavaria", "Germany"}, "de": {"München", "Bayern", "Deutschland"}, "fr": {"Munich", "Bavière", "Allemagne"},
	}[language]
	switch from.address.String() {
	case cityAddress:
		sender["city"], sender["region"], sender["country"] = place[0], place[1], place[2]
	case countryAddress:
		sender["country"] = "Switzerland"
		if f.has("tells what it does not know as empty") {
			sender["city"] = ""
		}
	}
	if f.has("leaves out the region") {
		delete(sender, "region")
	}
	return sender
}

// language returns the language of the database that is wanted most.
func (f *fake) language(accepted string) string {
	best, weight := "en", 0.0
	if f.has("takes German for the default") {
		best = "de"
	}
	for wish := range strings.SplitSeq(accepted, ",") {
		tag, q, weighted := strings.Cut(strings.TrimSpace(wish), ";q=")
		w := 1.0
		if weighted && !f.has("takes no notice of weights") {
			_, _ = fmt.Sscan(q, &w)
		}
		if !f.has("knows languages by their whole tag only") {
			tag, _, _ = strings.Cut(tag, "-")
		}
		if slices.Contains([]string{"de", "en", "fr"}, tag) && w > weight {
			best, weight = tag, w
		}
	}
	return best
}
