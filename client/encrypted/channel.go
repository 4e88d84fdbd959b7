package encrypted

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"channelserver/client"
)

const (
	// maxAnswers is how many answers to others may wait to be sent, besides one for the device that this
	// one is paired with. What is said by more of them at once is not answered.
	maxAnswers = 16
	// assumedMessageSize is reckoned with where no limit is known, as in version 1 of the protocol. It is
	// what servers allow by default.
	assumedMessageSize = 65536
	// maxExchanges is how many messages a channel is to carry, if the Dialer does not say. A file takes many.
	maxExchanges = 1000
	// partTimeout is how long a seat that is of no more use may take to be left.
	partTimeout = 2 * time.Second
)

// A Channel is a seat in a channel from which this device is paired with another. See the package comment
// for which methods may run at the same time.
type Channel struct {
	channel *client.Channel // static, like all down to cancel
	answers chan string
	data    chan *item // what SendText and SendBinary send
	done    chan struct{}
	ctx     context.Context // done when the Channel is over; its cause says why
	cancel  context.CancelCauseFunc

	mu      sync.Mutex
	session *session // guarded by mu, like all below
}

// An item is a message to the paired device.
type item struct {
	kind byte
	data []byte
	done chan struct{} // closed when it is settled
	seq  uint64        // set before done is closed, as is err
	err  error
}

// Create mints a channel on the server with this URL, such as https://pair.example, and waits there for
// another device to pair with. It tries once. The Dialer may be nil. The context is for Create only.
//
// Errors are those of client.Dialer.Create.
func Create(ctx context.Context, d *client.Dialer, page string) (*Channel, error) {
	page, err := pageOf(page)
	if err != nil {
		return nil, err
	}
	asking := *dialer(d)
	if asking.MaxExchanges == 0 {
		asking.MaxExchanges = maxExchanges
	}
	under, err := asking.Create(ctx, page)
	if err != nil {
		return nil, err
	}
	s, err := newCreator(page, under.ID(), rand.Reader)
	if err == nil {
		_, err = parseLink(s.invitation.link()) // a server may have ids of another form
	}
	if err != nil {
		abandon(ctx, under)
		return nil, err
	}
	return start(ctx, under, s)
}

// Join joins the channel of a link, as Channel.Link returns it, to pair with its creator. It tries once,
// since an answer that is lost may have taken a seat. The Dialer may be nil. The context is for Join only.
//
// Errors are those of client.Dialer.Join, and one that says what is wrong with the link. Whether it can
// be paired is told by Channel.Receive.
func Join(ctx context.Context, d *client.Dialer, link string) (*Channel, error) {
	v, err := parseLink(link)
	if err != nil {
		return nil, err
	}
	server, err := v.server()
	if err != nil {
		return nil, err
	}
	under, err := dialer(d).Join(ctx, server)
	if err != nil {
		return nil, err
	}
	return start(ctx, under, newJoiner(v, rand.Reader))
}

func dialer(d *client.Dialer) *client.Dialer {
	if d == nil {
		return new(client.Dialer)
	}
	return d
}

// pageOf returns the URL to show for that of a server: http and https stand for ws and wss.
func pageOf(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", unreadable(err)
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), checkPage(u.String())
}

// start says what there is to be said first. In version 1 of the protocol nothing is kept for who comes later:
// the creator waits to be asked.
func start(ctx context.Context, under *client.Channel, s *session) (*Channel, error) {
	if s.creator == (under.Version() != 1) {
		if _, err := under.Send(ctx, s.greeting()); err != nil {
			abandon(ctx, under)
			return nil, err
		}
	}
	c := &Channel{
		channel: under, session: s,
		answers: make(chan string, maxAnswers+1), data: make(chan *item), done: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	go c.send()
	return c, nil
}

// Link returns the URL by which another device joins: the creator's, or the one that was joined by.
// Whoever knows it before another device has paired can pair: it is to be shown to that device only.
func (c *Channel) Link() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.invitation.link()
}

// ShortString returns the six digits, such as "123 456", that people compare with those of the other
// device. It is empty before the devices are paired.
func (c *Channel) ShortString() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.short
}

// MaxData returns how many octets fit into one message.
func (c *Channel) MaxData() int { return maxData(c.channel.MaxMessageSize()) }

// maxData returns how many octets of data a message of this size has room for; 0 is a limit that is not known.
func maxData(size int) int {
	if size == 0 {
		size = assumedMessageSize
	}
	return max(size/4*3+size%4*3/4-overhead, 0) // floor(size * 3 / 4) less what is not data
}

// Expires returns when the channel ends at the latest; zero when there is no limit, and in version 1 of
// the protocol, where it is not known.
func (c *Channel) Expires() time.Time { return c.channel.Expires() }

// Version returns the version of the protocol that is spoken with the server, 1 or 2.
func (c *Channel) Version() int { return c.channel.Version() }

// Receive returns the next event, waiting for it until ctx is done. When the Channel is over, and all
// events before that have been received, it returns why: ErrWrongSecret, ErrAlreadyPaired, ErrMissing,
// client.ErrClosed after Close, or as a rule a *client.CloseError.
func (c *Channel) Receive(ctx context.Context) (Event, error) {
	for {
		if err := c.failure(); err != nil {
			return nil, err
		}
		event, err := c.channel.Receive(ctx)
		if err != nil {
			if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
				c.fail(err)
				err = c.failure() // which may be why it was closed
			}
			return nil, err
		}
		message, ok := event.(client.Message)
		if !ok {
			return event, nil
		}
		told, err := c.take(message)
		if err != nil {
			c.leave(ctx, err)
			return nil, err
		}
		if told != nil {
			return told, nil
		}
	}
}

// take takes in a message of the channel.
func (c *Channel) take(message client.Message) (Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, event, err := c.session.receive(message)
	if answer == "" || err != nil {
		return event, err
	}
	_, first := event.(Paired)
	if first || len(c.answers) < maxAnswers { // nobody else adds to them: there is room
		c.answers <- answer
	}
	return event, nil
}

// leave ends a Channel that is of no more use.
func (c *Channel) leave(ctx context.Context, why error) {
	c.fail(why)
	abandon(ctx, c.channel)
}

// abandon gives a seat up that is of no use, or at least its connection.
func abandon(ctx context.Context, under *client.Channel) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	_ = under.Leave(ctx) // why it is abandoned matters more
}

// SendText sends a text, which must be UTF-8, to the paired device, and returns its number in the channel
// when the server has it; in version 1 of the protocol it returns 0 when the message is written. While
// the connection is lost it waits for the next one.
//
// ErrNotPaired and a *client.RefusedError are about this message only. When ctx is done first, the message
// may still be sent.
func (c *Channel) SendText(ctx context.Context, text string) (seq uint64, err error) {
	if !utf8.ValidString(text) {
		return 0, &client.RefusedError{Reason: "bad-payload", Detail: "a text must be UTF-8; SendBinary sends other octets"}
	}
	return c.submit(ctx, kindText, []byte(text))
}

// SendBinary is SendText for any octets. They must not be changed before it returns, or when it returns the
// error of ctx, at all.
func (c *Channel) SendBinary(ctx context.Context, data []byte) (seq uint64, err error) {
	return c.submit(ctx, kindBinary, data)
}

func (c *Channel) submit(ctx context.Context, kind byte, data []byte) (uint64, error) {
	if most := c.MaxData(); len(data) > most {
		return 0, &client.RefusedError{Reason: "message-too-big", Detail: fmt.Sprintf("the message has %d octets; the server allows %d", len(data), most)}
	}
	if err := c.failure(); err != nil {
		return 0, err
	}
	m := &item{kind: kind, data: data, done: make(chan struct{})}
	select {
	case c.data <- m:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-c.ctx.Done():
		return 0, c.failure()
	}
	select {
	case <-m.done:
		return m.seq, m.err
	case <-ctx.Done():
		return 0, fmt.Errorf("encrypted: the message may still be sent: %w", ctx.Err())
	}
}

// send sends what there is to be sent, until the Channel is over. It does not end with the context of a
// call, so that a number is never left out.
func (c *Channel) send() {
	defer close(c.done)
	for {
		select {
		case answer := <-c.answers:
			c.sendAnswer(answer)
		case m := <-c.data:
			for len(c.answers) > 0 { // the other side pairs by one of them
				c.sendAnswer(<-c.answers)
			}
			m.seq, m.err = c.sendData(m)
			close(m.done)
		case <-c.ctx.Done():
			return
		}
	}
}

// sendAnswer sends an answer. Where the server refuses one, pairing is not possible. When the Channel is over,
// Receive tells.
func (c *Channel) sendAnswer(text string) {
	_, err := c.channel.Send(context.Background(), text)
	if refused, ok := errors.AsType[*client.RefusedError](err); ok {
		c.fail(refused)
		c.channel.Close()
	}
}

// sendData sends a message to the paired device.
func (c *Channel) sendData(m *item) (uint64, error) {
	c.mu.Lock()
	text, err := c.session.seal(m.kind, m.data)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	seq, err := c.channel.Send(context.Background(), text) // it ends with the Channel
	if err == nil {
		c.mu.Lock()
		c.session.sent++
		c.mu.Unlock()
	}
	return seq, err
}

// Leave gives the seat up, after what is being sent, and closes the Channel. It returns nil once the server
// has confirmed that the seat is gone, for whatever reason.
func (c *Channel) Leave(ctx context.Context) error { return c.part(ctx, c.channel.Leave) }

// End is Leave for the creator of a channel of version 2: it ends the channel for all. For others it
// returns an error that is errors.ErrUnsupported, and nothing happens.
func (c *Channel) End(ctx context.Context) error { return c.part(ctx, c.channel.End) }

func (c *Channel) part(ctx context.Context, how func(context.Context) error) error {
	err := how(ctx)
	if !errors.Is(err, errors.ErrUnsupported) {
		c.fail(client.ErrClosed)
		<-c.done
	}
	return err
}

// Close closes the connection, and with it the pairing: the seat is given up by the server in its time. Calls
// that wait return client.ErrClosed. Close may be called more than once; it takes some seconds at most, and
// returns nil.
func (c *Channel) Close() error {
	c.fail(client.ErrClosed)
	err := c.channel.Close()
	<-c.done
	return err
}

// fail ends the Channel for a reason, unless it is over already.
func (c *Channel) fail(err error) { c.cancel(err) }

// failure returns why the Channel is over, or nil.
func (c *Channel) failure() error { return context.Cause(c.ctx) }
