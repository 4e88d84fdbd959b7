package load

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Report is what came of a run.
type Report struct {
	Scenario Scenario `json:"scenario"`
	Address  string   `json:"address"`  // of the server
	Channels int      `json:"channels"` // that were open all the time and relayed messages
	Idle     int      `json:"idle"`     // connections that were open all the time and said nothing
	Workers  int      `json:"workers"`  // channels that were open at one time, besides
	Size     int      `json:"size"`     // octets of a message
	Seconds  float64  `json:"seconds"`  // that were measured; opening and closing what was open all the time are not

	Sent     int64 `json:"sent"`     // messages, in the scenario rate
	Messages int64 `json:"messages"` // that arrived, as they were sent
	Pairings int64 `json:"pairings"` // channels opened, used and closed
	Resumes  int64 `json:"resumes"`  // seats taken back

	Message  Summary `json:"message"`  // from sending, or from when it should have been sent, until it is there
	Opening  Summary `json:"opening"`  // of a channel: two connections, and both seats
	Pairing  Summary `json:"pairing"`  // opening, messages and closing
	Resume   Summary `json:"resume"`   // a connection, the seat, and what was missed
	Lateness Summary `json:"lateness"` // of the generator itself, in the scenario rate

	Errors map[string]int `json:"errors"` // what went wrong, and how often

	Server    *Usage `json:"server,omitempty"` // when its process is known
	Generator *Usage `json:"generator,omitempty"`
}

// Failed tells whether anything went wrong.
func (r *Report) Failed() bool { return len(r.Errors) > 0 }

// A Progress is how far a run has come.
type Progress struct {
	Opened   int64 // channels that stay open
	Elapsed  time.Duration
	Messages int64
	Pairings int64
	Resumes  int64
	Errors   int64
}

// maxKinds is how many kinds of errors are told apart.
const maxKinds = 20

// A tally counts while a run runs. It may be used by many goroutines at one time.
type tally struct {
	opened, messages, pairings, resumes, failures atomic.Int64
	message, opening, pairing, resume             Latencies

	mu    sync.Mutex
	kinds map[string]int // guarded by mu
}

// fail counts an error.
func (t *tally) fail(err error) {
	t.failures.Add(1)
	kind := Kind(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.kinds[kind]; !known && len(t.kinds) >= maxKinds {
		kind = "other errors"
	}
	t.kinds[kind]++
}
