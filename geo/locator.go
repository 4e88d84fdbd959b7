package geo

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxUserAgentBytes = 512
	maxPlaceBytes     = 128 // for each part of X-Client-Geo-Location

	// logInterval is the least time between two log lines about proxies that
	// do not say who their client is.
	logInterval = time.Minute
)

// Locator finds out who a request appears to come from. Its fields must not
// change once it is in use, and it must not be copied. The zero value trusts
// no proxy and knows no places.
type Locator struct {
	Proxies     Proxies
	Database    *Database    // may be nil
	DefaultLang string       // BCP 47 tag of the language of names nobody has a wish for
	Log         *slog.Logger // may be nil

	recent   recent   // headers
	nameless throttle // log lines about requests whose client is unknown
}

// Sender is who a request appears to come from. What is unknown has its zero
// value.
type Sender struct {
	UserAgent string     // printable UTF-8, at most 512 octets
	Addr      netip.Addr // never IPv4-mapped, without a zone
	OfProxy   bool       // the request is a trusted proxy's own: it has no X-Forwarded-For at all
	Place     Place      // in the sender's own language
	Wishes    Wishes     // to ask Database.Place for places in the sender's language
}

// Sender reads the sender of r from its socket's address and the headers
// User-Agent, Accept-Language and, when the socket's other end is a trusted
// proxy, X-Forwarded-For and X-Client-Geo-Location.
//
// X-Client-Geo-Location has the form "Region,City", as load balancers of
// Google can be set up to send. It gives the city when the database has none,
// and then also the region when the database has none. Of several lines the last counts, for
// it is from the nearest proxy.
//
// Sender logs, at most once a minute, that a trusted proxy does not say who
// its client is.
func (l *Locator) Sender(r *http.Request) Sender {
	var peer netip.Addr
	if socket, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer = plain(socket.Addr())
	}
	sender := Sender{
		UserAgent: printable(r.Header.Get("User-Agent"), maxUserAgentBytes),
		Addr:      l.Proxies.ClientAddr(peer, r.Header),
		Wishes:    l.recent.wishes(r.Header["Accept-Language"]),
	}
	sender.Place = l.Database.Place(sender.Addr, sender.Wishes, l.DefaultLang)
	if !l.Proxies.Trusts(peer) {
		return sender
	}

	sender.OfProxy = len(r.Header[forwardedFor]) == 0
	if !sender.Addr.IsValid() {
		l.logNameless(peer, !sender.OfProxy)
	}
	if sender.Place.City == "" {
		region, city := parseGeoLocation(r.Header["X-Client-Geo-Location"])
		sender.Place.City = city
		if sender.Place.Region == "" {
			sender.Place.Region = region
		}
	}
	return sender
}

func (l *Locator) logNameless(proxy netip.Addr, hasHeader bool) {
	if l.Log == nil {
		return
	}
	suppressed, ok := l.nameless.allow(logInterval)
	if !ok {
		return
	}
	problem := "no X-Forwarded-For"
	if hasHeader {
		problem = "no usable client address in X-Forwarded-For"
	}
	l.Log.Warn("client address unknown: a trusted proxy does not say who its client is; "+
		"make it append the client to X-Forwarded-For, or take it off the list of trusted proxies",
		"problem", problem, "proxy", Mask(proxy).String(), "suppressed", suppressed)
}

// parseGeoLocation splits the last of the lines at its first comma. A part
// that is too long or not printable is left out.
func parseGeoLocation(lines []string) (region, city string) {
	if len(lines) == 0 {
		return "", ""
	}
	region, city, _ = strings.Cut(lines[len(lines)-1], ",")
	return placeName(region), placeName(city)
}

func placeName(s string) string {
	s = strings.TrimSpace(s)
	if printable(s, maxPlaceBytes) != s {
		return ""
	}
	return s
}

// printable returns s with a replacement character for every invalid octet,
// without characters that cannot be seen (control characters, and also those
// that reorder text, which could disguise the rest), and without white space
// around it. It cuts s off at maxBytes, between two characters.
func printable(s string, maxBytes int) string {
	var b strings.Builder
	b.Grow(min(len(s), maxBytes))
	for i, r := range s {
		if i >= maxBytes || b.Len()+utf8.RuneLen(r) > maxBytes {
			break
		}
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// throttle lets one event through in an interval and counts the others. The
// zero value is ready; its methods may be called at the same time.
type throttle struct {
	mu         sync.Mutex
	next       time.Time // guarded by mu
	suppressed uint64    // since the last one let through; guarded by mu
}

// allow says whether an event may pass and, if so, how many did not pass since
// the last one that did.
func (t *throttle) allow(interval time.Duration) (suppressed uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.next) {
		t.suppressed++
		return 0, false
	}
	suppressed, t.suppressed = t.suppressed, 0
	t.next = now.Add(interval)
	return suppressed, true
}
