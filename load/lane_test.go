package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipeConn is one end of a channel without a server.
type pipeConn struct {
	net.Conn // for its deadlines
	send     func(message string) error
	receive  func() (string, error)
}

func (p *pipeConn) Send(messages [][]byte) error {
	for _, m := range messages {
		if err := p.send(string(m)); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeConn) Receive() ([]byte, error) {
	text, err := p.receive()
	return []byte(text), err
}

func (p *pipeConn) NetConn() net.Conn { return p.Conn }

// newPipe makes the ends of a channel from what happens at each. Nothing goes the other way.
func newPipe(send func(string) error, receive func() (string, error)) (from, to Conn) {
	a, b := net.Pipe()
	return &pipeConn{Conn: a, send: send}, &pipeConn{Conn: b, receive: receive}
}

func TestLane(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hears func(sent []string) []string
		good  bool
	}{
		"all":       {func(s []string) []string { return s }, true},
		"reordered": {func(s []string) []string { return []string{s[1], s[0], s[2]} }, false},
		"one lost":  {func(s []string) []string { return []string{s[0], s[2], s[2]} }, false},
		"one twice": {func(s []string) []string { return []string{s[0], s[0], s[1]} }, false},
		"cut":       {func(s []string) []string { return []string{s[0], s[1], s[2][:40]} }, false},
		"longer":    {func(s []string) []string { return []string{s[0], s[1], s[2] + "A"} }, false},
		"changed":   {func(s []string) []string { return []string{s[0], s[1], s[2][:40] + "!" + s[2][41:]} }, false},
		"empty":     {func(s []string) []string { return []string{"", s[1], s[2]} }, false},
	} {
		var sent []string
		heard := 0
		from, to := newPipe(func(m string) error {
			sent = append(sent, m)
			return nil
		}, func() (string, error) {
			heard++
			return c.hears(sent)[heard-1], nil
		})
		err := NewLane(from, to, 64, 7<<32).Burst(3)
		if c.good != (err == nil) || !c.good && !errors.Is(err, errWrongMessage) {
			t.Errorf("%s: %v", name, err)
		}
		for i, m := range sent {
			if len(m) != 64 || !strings.HasPrefix(m, fmt.Sprintf("%016x", 7<<32+i+1)) {
				t.Errorf("message %d is %s", i, m)
			}
		}
	}
}

// Latency counts from when a message should have been sent, however late it was.
func TestOpenLoopHidesNoStall(t *testing.T) {
	t.Parallel()
	const messages, late = 200, time.Second
	queue := make(chan string, messages)
	from, to := newPipe(func(m string) error {
		queue <- m
		return nil
	}, func() (string, error) { return <-queue, nil })
	loop := &OpenLoop{Lanes: []*Lane{NewLane(from, to, 64, 0)}, Rate: 1000, For: messages * time.Millisecond}
	if err := loop.run(t.Context(), time.Now().Add(-late)); err != nil {
		t.Fatal(err)
	}
	least := late - loop.For - late/1000 // for the last, but for the precision of the histogram
	s := loop.Latency.Summary()
	if s.Count != messages || loop.Sent.Load() != messages || loop.Received.Load() != messages || s.P50 < least+loop.For/2 || loop.Latency.Quantile(0) < least || loop.Lateness.Quantile(0) < least {
		t.Errorf("sent %d, received %d, latency %+v, lateness %+v", loop.Sent.Load(), loop.Received.Load(), s, loop.Lateness.Summary())
	}
}

// It may run again, and sends as many messages over each lane as is its share.
func TestOpenLoopAgain(t *testing.T) {
	t.Parallel()
	var lanes []*Lane
	var sent [3]int
	for i := range sent {
		queue := make(chan string, 100)
		from, to := newPipe(func(m string) error {
			sent[i]++
			queue <- m
			return nil
		}, func() (string, error) { return <-queue, nil })
		lanes = append(lanes, NewLane(from, to, 64, uint64(i)<<32))
	}
	loop := &OpenLoop{Lanes: lanes, Rate: 1000, For: 11 * time.Millisecond}
	for range 2 {
		if err := loop.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if sent != [3]int{8, 8, 6} || loop.Received.Load() != 22 {
		t.Errorf("sent %d, received %d", sent, loop.Received.Load())
	}
	for _, bad := range []*OpenLoop{{Rate: 1000, For: time.Second}, {Lanes: lanes, For: time.Second}, {Lanes: lanes, Rate: 1, For: time.Millisecond}} {
		if err := bad.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "sends nothing") {
			t.Errorf("%v", err)
		}
	}
}

// It ends when a message does not come, when its sender fails, and when it is to.
func TestOpenLoopEnds(t *testing.T) {
	t.Parallel()
	nothing := func(string) error { return nil }
	interrupted, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		send func(string) error
		want string
	}{
		"lost":        {t.Context(), nothing, "no answer in time"},
		"failed":      {t.Context(), func(string) error { return syscall.EPIPE }, "broken pipe"},
		"interrupted": {interrupted, func(string) error { cancel(); return nil }, ""},
	} {
		from, to := newPipe(c.send, nil)
		to.(*pipeConn).receive = func() (string, error) {
			_, err := to.NetConn().Read(make([]byte, 1)) // until its deadline
			return "", err
		}
		loop := &OpenLoop{Lanes: []*Lane{NewLane(from, to, 64, 0)}, Rate: 100, For: 50 * time.Millisecond, Patience: time.Hour}
		switch name {
		case "lost":
			loop.Patience = time.Millisecond
		case "interrupted":
			loop.For = time.Hour
		}
		if err := loop.Run(c.ctx); err == nil || c.want != "" && Kind(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"":                                        nil,
		"closed with 4013 too-many-messages":      fmt.Errorf("joining: %w", &CloseError{4013, "too-many-messages"}),
		"closed with 1005":                        &CloseError{Code: 1005},
		"refused with 429 Too Many Requests":      errors.Join(nil, &RefusedError{"429 Too Many Requests"}),
		"wrong message":                           fmt.Errorf("%w: x", errWrongMessage),
		"no answer in time":                       &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded},
		"interrupted":                             context.Canceled,
		"ended without a close frame":             fmt.Errorf("reading: %w", io.EOF),
		"connection reset by peer":                &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"the answer is not HTTP, or no WebSocket": errors.New("the answer is not HTTP, or no WebSocket"),
	} {
		if got := Kind(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestLatencies(t *testing.T) {
	t.Parallel()
	var empty, odd, all Latencies
	if empty.Summary() != (Summary{}) || empty.Quantile(0.5) != 0 {
		t.Errorf("of nothing: %+v", empty.Summary())
	}
	for n := 1; n <= 1000; n++ {
		l := &all
		if n%2 == 1 {
			l = &odd
		}
		l.Record(time.Duration(n) * time.Millisecond)
	}
	all.Add(&odd)
	all.Add(&empty)
	s := all.Summary()
	near := func(got, want time.Duration) bool { return got >= want-want/500 && got <= want+want/500 }
	if s.Count != 1000 || !near(s.P50, 500*time.Millisecond) || !near(s.P90, 900*time.Millisecond) || !near(s.P99, 990*time.Millisecond) || !near(s.P999, 999*time.Millisecond) || !near(s.Max, time.Second) {
		t.Errorf("%+v", s)
	}
	all.Record(-time.Second)
	all.Record(1000 * time.Hour)
	if low, high := all.Quantile(0), all.Quantile(1); low > time.Microsecond || !near(high, longest) {
		t.Errorf("from %v to %v", low, high)
	}
}

// A message in flight takes no memory from the heap.
func TestAllocations(t *testing.T) {
	d, _ := startServer(t, "--max_exchanges=0")
	for _, door := range []Door{V1{}, V2{}} {
		p := openPair(t, door, d)
		lane := NewLane(p.A, p.B, 512, 0)
		answer := NewLane(p.B, p.A, 512, 1<<32)
		run := func() {
			if err := errors.Join(lane.Burst(10), answer.One()); err != nil {
				t.Fatal(err)
			}
		}
		if allocations := testing.AllocsPerRun(100, run); allocations > 0 {
			t.Errorf("%T: %v allocations for 11 messages", door, allocations)
		}
	}
}
