package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"
)

// A Channel is a seat in a channel. See the package comment for which methods may run at the same time.
type Channel struct {
	dialer  *Dialer // static, like all down to queue
	server  server
	version int
	id      string
	number  int // the member's, from 1 for the creator; 0 in version 1

	queue  *queue
	roster roster // owned by run, as is progress
	// progress says that the connection has brought something that no connection brought before.
	progress bool

	ctx    context.Context // done when the Channel is over or closed; its cause says why
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when run has ended
	wake   chan struct{} // says that there may be something to write; holds one signal
	turn   chan struct{} // full while a message is pending

	mu        sync.Mutex
	token     string    // guarded by mu, like all below
	self      Sender    // as the server sees this member
	expires   time.Time // zero without a limit
	maxText   int       // octets of one message; 0 is no limit
	sent      uint64    // how many messages the server is known to have
	pending   *outgoing // nil while none is under way
	received  uint64    // the Seq of the last message that Receive has returned
	processed uint64    // the Seq of the last message that will not be asked for again
	parting   string    // how the Channel is to end: "leave" or "end"
}

// An outgoing is a message that the server is not known to have.
type outgoing struct {
	n    uint64
	text string
	done chan struct{} // closed when it is settled
	seq  uint64        // set before done is closed, as is err
	err  error
}

func newChannel(d *Dialer, s server, version int, id string) *Channel {
	c := &Channel{
		dialer: d, server: s, version: version, id: id,
		queue: newQueue(), done: make(chan struct{}), wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// start begins with a new channel's first connection.
func (c *Channel) start(l *line, first *frame) (*Channel, error) {
	if c.version == 1 {
		first = &frame{ChannelID: first.ChannelID} // it says no more
	}
	if c.id == "" {
		c.id = first.ChannelID
	}
	c.number = first.Member
	c.sent = max(c.sent, first.N)
	if err := c.admit(first); err != nil {
		c.cancel(err)
		l.fail(err)
		return nil, err
	}
	go c.run(l, first)
	return c, nil
}

// admit notes what a welcome says.
func (c *Channel) admit(first *frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first.ChannelID != c.id || first.Member != c.number {
		return broken("the seat is that of member %d in %s, not %d in %s", first.Member, first.ChannelID, c.number, c.id)
	}
	most := c.sent
	if c.pending != nil {
		most++
	}
	if first.N < c.sent || first.N > most {
		return broken("the server has %d messages of this seat; it has accepted %d and been sent %d", first.N, c.sent, most)
	}
	c.token, c.self, c.maxText = first.Resume, first.Self, first.Limits.MaxMessageSize
	c.expires = time.Time{}
	if first.ExpiresIn > 0 {
		c.expires = time.Now().Add(milliseconds(first.ExpiresIn))
	}
	return nil
}

// ID returns the channel's id. Whoever knows it can join: it is a secret of the members.
func (c *Channel) ID() string { return c.id }

// Link returns the URL at which others join, with Dialer.Join or another client. It is as secret as the id.
func (c *Channel) Link() string { return c.server.url(c.version, c.id) }

// Version returns the version of the protocol that is spoken, 1 or 2.
func (c *Channel) Version() int { return c.version }

// Member returns the number of this member, which is 1 for the channel's creator, and 0 in version 1.
func (c *Channel) Member() int { return c.number }

// Self returns what the others are told about this member. In version 1 it is not known.
func (c *Channel) Self() Sender {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.self
}

// Expires returns when the channel ends at the latest; zero when there is no limit, and in version 1,
// where it is not known.
func (c *Channel) Expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expires
}

// MaxMessageSize returns how many octets a message may have; 0 when there is no limit, and in version 1,
// where it is not known.
func (c *Channel) MaxMessageSize() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.maxText
}

// Sent returns how many messages of this seat the server is known to have.
func (c *Channel) Sent() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// State returns what Dialer.Resume needs; it is zero in version 1, where seats cannot be resumed.
func (c *Channel) State() State {
	if c.version == 1 {
		return State{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return State{Link: c.Link(), Token: c.token, Processed: c.processed, Sent: c.sent}
}

// Send sends a message to the other members, and returns its number in the channel when the server
// has it; in version 1 it returns 0 when the message is written. While the connection is lost it waits
// for the next one. The text must be UTF-8.
//
// A *RefusedError is about this message only. When ctx is done first, the message may still be sent.
func (c *Channel) Send(ctx context.Context, text string) (seq uint64, err error) {
	if err := c.check(ctx, text); err != nil {
		return 0, err
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-c.ctx.Done():
		return 0, c.failure()
	}
	p, err := c.submit(text)
	if err != nil {
		<-c.turn
		return 0, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("client: the message may still be sent: %w", ctx.Err())
	case <-c.done:
		select {
		case <-p.done:
		default:
			return 0, c.failure()
		}
	}
	return p.seq, p.err
}

// check returns why a message need not be tried.
func (c *Channel) check(ctx context.Context, text string) error {
	if !utf8.ValidString(text) {
		return &RefusedError{"bad-payload", "a message must be UTF-8; encode other octets, as base64url for example"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maxText > 0 && len(text) > c.maxText {
		return &RefusedError{"message-too-big", fmt.Sprintf("the message has %d octets; the server allows %d", len(text), c.maxText)}
	}
	return ctx.Err()
}

// submit makes a text the pending message. The caller has the turn, which settle gives back.
func (c *Channel) submit(text string) (*outgoing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch err := c.failure(); {
	case err != nil:
		return nil, err
	case c.parting != "":
		return nil, ErrClosed
	}
	c.pending = &outgoing{n: c.sent + 1, text: text, done: make(chan struct{})}
	signal(c.wake)
	return c.pending, nil
}

// settle ends what is pending, if it is the message n, or any for 0.
func (c *Channel) settle(n, seq uint64, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pending
	if p == nil || n != 0 && n != p.n {
		return false
	}
	if err == nil {
		c.sent = p.n
	}
	c.pending = nil
	p.seq, p.err = seq, err
	close(p.done)
	<-c.turn
	signal(c.wake)
	return true
}

// Receive returns the next event, waiting for it until ctx is done. The message that the call before
// returned counts as processed from now on. When the Channel is over, and all events before that have
// been received, it returns why: a *CloseError as a rule. After Close it returns ErrClosed at once.
func (c *Channel) Receive(ctx context.Context) (Event, error) {
	c.process()
	for {
		if errors.Is(c.failure(), ErrClosed) {
			return nil, ErrClosed
		}
		over := isClosed(c.done) // before pop: nothing is pushed after that
		if e := c.queue.pop(); e != nil {
			c.note(e)
			return e, nil
		}
		if over {
			return nil, c.failure()
		}
		select {
		case <-c.queue.more:
		case <-c.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// process notes that what was received has been processed.
func (c *Channel) process() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.processed < c.received {
		c.processed = c.received
		signal(c.wake)
	}
}

// note remembers which message has been received.
func (c *Channel) note(e Event) {
	if m, ok := e.(Message); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.received = m.Seq
	}
}

// Leave gives the seat up, after what is pending has been sent and what was received has been
// acknowledged, and closes the Channel. It returns nil once the server has confirmed that the seat is
// gone, for whatever reason. When ctx is done first, the Channel is closed and the seat may be left.
func (c *Channel) Leave(ctx context.Context) error { return c.part(ctx, "leave") }

// End is Leave for the creator of a channel of version 2: it ends the channel for all. For others it
// returns an error that is errors.ErrUnsupported, and nothing happens.
func (c *Channel) End(ctx context.Context) error {
	if c.number != 1 {
		return fmt.Errorf("client: only the creator of a channel of version 2 may end it: %w", errors.ErrUnsupported)
	}
	return c.part(ctx, "end")
}

func (c *Channel) part(ctx context.Context, word string) error {
	c.process()
	c.mu.Lock()
	if c.parting == "" {
		c.parting = word
	}
	c.mu.Unlock()
	c.queue.abandon()
	signal(c.wake)
	select {
	case <-c.done:
	case <-ctx.Done():
		c.Close()
		return ctx.Err()
	}
	err := c.failure()
	closed, ok := errors.AsType[*CloseError](err)
	if ok && closed.seatGone() || c.version == 1 && !errors.Is(err, ErrClosed) { // there, no socket is no seat
		return nil
	}
	return err
}

// Close closes the connection. The seat stays for Dialer.Resume until the server gives it up, but in
// version 1 it is lost. Calls that wait return ErrClosed. Close may be called more than once; it takes some
// seconds at most, and returns nil.
func (c *Channel) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// fail ends the Channel for a reason, unless it is over already.
func (c *Channel) fail(err error) { c.cancel(err) }

// failure returns why the Channel is over, or nil.
func (c *Channel) failure() error { return context.Cause(c.ctx) }
