package admission

import (
	"net/http"
	"strconv"
	"time"
)

// serverWait is when to come back to a server that is full: soon, since pairings are short.
const serverWait = 5 * time.Second

// connectionsWait is when to come back from an address that has all the connections it may have.
const connectionsWait = 10 * time.Second

// A Why says which bound a visit met. Its word is a label of the metrics.
type Why uint8

// The bounds: those of an address, then those of the server.
const (
	none             Why = iota
	Openings             // Limits.OpeningsPerMinute
	Connections          // Limits.Connections
	WrongIDs             // Limits.WrongIDsPerMinute
	TotalConnections     // Limits.TotalConnections
	TotalChannels        // Limits.TotalChannels
	TotalKept            // Limits.TotalKept
	Descriptors          // nine tenths of Process.Descriptors
	Memory               // nine tenths of Process.Memory
	whyCount
)

var whyWords = [whyCount]struct{ word, detail string }{
	Openings:         {"openings", "too many channels were opened from this address within a minute"},
	Connections:      {"connections", "this address has too many connections at one time"},
	WrongIDs:         {"wrong-ids", "this address has asked for too many channels or seats that do not exist within a minute"},
	TotalConnections: {"total-connections", "this server has all the connections it may have"},
	TotalChannels:    {"total-channels", "this server has all the channels it may have"},
	TotalKept:        {"total-kept", "this server keeps all the messages it may keep"},
	Descriptors:      {"descriptors", "this server is short of file descriptors"},
	Memory:           {"memory", "this server is short of memory"},
}

// String returns the word for the bound.
func (w Why) String() string { return whyWords[w].word }

// Whys returns all bounds.
func Whys() []Why {
	all := make([]Why, 0, whyCount-1)
	for why := none + 1; why < whyCount; why++ {
		all = append(all, why)
	}
	return all
}

// A Refusal says why a visit was turned away, and when to come back.
type Refusal struct {
	Why  Why
	Wait time.Duration
}

// Status returns the HTTP status: 429 Too Many Requests (RFC 6585 section 4) for what the address has
// done, 503 Service Unavailable (RFC 9110 section 15.6.4) for what it has not.
func (r *Refusal) Status() int {
	if r.Why <= WrongIDs {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

// RetryAfter returns the value of the header of that name (RFC 9110 section 10.2.3): whole seconds, at
// least one.
func (r *Refusal) RetryAfter() string { return strconv.Itoa(r.seconds()) }

func (r *Refusal) seconds() int {
	return max(1, int((r.Wait+time.Second-1)/time.Second))
}

// Detail says in words what to do.
func (r *Refusal) Detail() string {
	return whyWords[r.Why].detail + "; try again in " + r.RetryAfter() + " s"
}
