package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// minPause is how long the first pause before a new connection is at most. Each one that follows
	// may last twice as long as the one before, up to maxPause.
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
)

// pause returns how long to wait before an attempt to connect, numbered from 0. It is spread over the
// whole range, so that the clients of a server that went down do not all come back at one moment.
func pause(attempt int) time.Duration {
	return rand.N(min(minPause<<min(attempt, 10), maxPause)) + 1
}

// run keeps the Channel going until it is over.
func (c *Channel) run(l *line, first *frame) {
	defer close(c.done)
	attempt := 0
	for {
		began := time.Now()
		err := c.converse(l, first)
		if c.ctx.Err() != nil || c.version == 1 || isFinal(err) {
			c.fail(err)
			return
		}
		// A server that lets everyone in and drops them at once is not to be asked at full speed.
		if c.progress || time.Since(began) >= maxPause {
			attempt = 0
		}
		c.progress = false
		c.queue.push(c.ctx, Reconnecting{err})
		if l, first, attempt, err = c.reconnect(attempt); err != nil {
			c.fail(err)
			return
		}
		c.queue.push(c.ctx, Resumed{})
	}
}

// reconnect takes the seat back, with as many attempts as it takes, and returns the number of the next.
func (c *Channel) reconnect(attempt int) (*line, *frame, int, error) {
	var asked time.Duration // by the server
	for ; ; attempt++ {
		wait := max(pause(attempt), asked)
		if expires := c.Expires(); !expires.IsZero() {
			left := time.Until(expires)
			if left <= 0 {
				return nil, nil, 0, &CloseError{codeExpired, "channel-expired"}
			}
			wait = min(wait, left)
		}
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return nil, nil, 0, c.ctx.Err()
		}
		l, first, err := c.dialer.open(c.ctx, 2, c.Link(), c.hello())
		if err == nil {
			if err = c.admit(first); err == nil {
				return l, first, attempt + 1, nil
			}
			l.fail(err)
		}
		if c.ctx.Err() != nil || isFinal(err) {
			return nil, nil, 0, err
		}
		asked = 0
		if status, ok := errors.AsType[*StatusError](err); ok {
			asked = status.RetryAfter
		}
	}
}

// hello returns the frame that takes the seat back. What was received but not processed comes again, and
// is not received again.
func (c *Channel) hello() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := c.processed
	return command{Type: "hello", Resume: c.token, After: &after}.render()
}

// converse reads and writes until the connection is over, and returns why.
func (c *Channel) converse(l *line, first *frame) error {
	stop := context.AfterFunc(c.ctx, func() { c.hangUp(l) })
	defer stop()
	over := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { c.write(l, over) })
	err := c.read(l, first)
	close(over)
	l.fail(err)
	writer.Wait()
	return err
}

// hangUp closes a connection so that the server keeps the seat.
func (c *Channel) hangUp(l *line) {
	code := codeGoingAway
	if c.version == 1 { // there is no seat to be kept
		code = codeBye
	}
	l.hangUp(code)
	l.ws.Close()
}

// read takes in what the server sends.
func (c *Channel) read(l *line, first *frame) error {
	if c.version == 2 {
		if err := c.tell(c.roster.welcome(first)); err != nil {
			return err
		}
	}
	for {
		text, err := l.read()
		if err != nil {
			return err
		}
		f, err := parseFrame(c.version, text)
		if err == nil && f != nil {
			err = c.take(f)
		}
		if err != nil {
			return err
		}
	}
}

// take takes in one frame.
func (c *Channel) take(f *frame) error {
	switch {
	case c.version == 1 && f.Message != nil:
		return c.tell([]Event{Message{Text: *f.Message, Sender: f.Sender}}, nil)
	case c.version == 1:
		return nil
	case f.Type == "accepted":
		c.progress = c.settle(f.N, f.Seq, nil) || c.progress
		return nil
	case f.Type == "error": // messages are all that a server can refuse of this client
		c.settle(0, 0, &RefusedError{f.Reason, f.Detail})
		return nil
	}
	c.progress = c.progress || f.Type == "message" && f.Seq > c.roster.got
	return c.tell(c.roster.read(f))
}

// tell hands events to Receive.
func (c *Channel) tell(events []Event, err error) error {
	if err != nil {
		return err
	}
	for _, e := range events {
		c.queue.push(c.ctx, e)
	}
	return nil
}

// An outbox is what a connection has been given to send.
type outbox struct {
	message *outgoing
	acked   uint64
	parted  bool
}

// write sends what there is to be sent, until the connection is over. When it fails it leaves the
// connection to the reader: the server may have said why.
func (c *Channel) write(l *line, over <-chan struct{}) {
	ping := time.NewTicker(silence / 2)
	defer ping.Stop()
	var out outbox
	for {
		wrote, err := c.writeNext(l, &out)
		if err == nil && !wrote {
			select {
			case <-c.wake:
			case <-ping.C:
				err = l.ping()
			case <-over:
				return
			}
		}
		if err != nil {
			l.hurry()
			return
		}
	}
}

// writeNext sends one frame, if there is one to be sent.
func (c *Channel) writeNext(l *line, out *outbox) (wrote bool, err error) {
	c.mu.Lock()
	p, processed, parting := c.pending, c.processed, c.parting
	c.mu.Unlock()
	switch {
	case c.version == 2 && processed > out.acked:
		out.acked = processed
		return true, l.write(command{Type: "ack", Seq: processed}.render())
	case p != nil && p != out.message:
		out.message = p
		if c.version == 2 {
			return true, l.write(command{Type: "send", N: p.n, Message: &p.text}.render())
		}
		if err := l.write([]byte(p.text)); err != nil {
			return true, err
		}
		c.settle(p.n, 0, nil)
		return true, nil
	case p == nil && parting != "" && !out.parted:
		out.parted = true
		if c.version == 2 {
			return true, l.write(command{Type: parting}.render())
		}
		l.hangUp(codeBye)
		return true, nil
	}
	return false, nil
}
