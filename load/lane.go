package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// MinSize is the fewest octets a message of a Lane has: its number.
const MinSize = 16

// A Lane is one direction of a pair: numbered messages go in at one end, and what comes out at the other is compared
// with them. Its methods may not run at the same time as each other, but those of the other direction may.
type Lane struct {
	from, to Conn
	n        uint64   // of the last message sent
	messages [][]byte // the buffers of a burst
	size     int
}

// NewLane makes a lane of messages of so many octets, at least MinSize. Numbers begin after first: let it tell lanes
// apart, so that a message in the wrong channel is found out.
func NewLane(from, to Conn, size int, first uint64) *Lane {
	return &Lane{from: from, to: to, size: max(size, MinSize), n: first}
}

// One sends a message and waits until it is there.
func (l *Lane) One() error { return l.Burst(1) }

// Burst sends so many messages in one write, and waits until all of them are there.
func (l *Lane) Burst(count int) error {
	if err := l.send(count); err != nil {
		return err
	}
	return l.take(count)
}

// take waits for the messages of the last send.
func (l *Lane) take(count int) error {
	for _, want := range l.messages[:count] {
		got, err := l.to.Receive()
		if err != nil {
			return err
		}
		if err := same(got, want); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lane) send(count int) error {
	for len(l.messages) < count {
		l.messages = append(l.messages, newMessage(l.size))
	}
	for _, m := range l.messages[:count] {
		l.n++
		putNumber(m, l.n)
	}
	return l.from.Send(l.messages[:count])
}

// newMessage makes a message of URL-safe base64 characters.
func newMessage(size int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	message := make([]byte, size)
	for i := range message {
		message[i] = alphabet[i%len(alphabet)]
	}
	return message
}

const hex = "0123456789abcdef"

// putNumber writes a number into the first MinSize octets of a message.
func putNumber(message []byte, n uint64) {
	for i := range MinSize {
		message[i] = hex[n>>(4*(MinSize-1-i))&0xF]
	}
}

// same compares what came out of a channel with what went in.
func same(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%w: %.40q of %d octets, want %.40q of %d", errWrongMessage, got, len(got), want, len(want))
}

// Openers is how many pairs OpenPairs opens at one time.
const Openers = 16

// OpenPairs opens so many pairs, several at a time. opened is called after each, maybe by several goroutines at one time; it
// may be nil. The first error ends it, and all that were opened.
func OpenPairs(ctx context.Context, door Door, d *Dialer, count int, opened func()) ([]Pair, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pairs := make([]Pair, count)
	var next atomic.Int64
	var tasks sync.WaitGroup
	for range min(Openers, count) {
		tasks.Go(func() {
			for i := next.Add(1) - 1; i < int64(count) && ctx.Err() == nil; i = next.Add(1) - 1 {
				a, b, err := door.Open(ctx, d)
				if err != nil {
					cancel(err) // of which the first is kept
					return
				}
				pairs[i] = Pair{a, b}
				if opened != nil {
					opened()
				}
			}
		})
	}
	tasks.Wait()
	if ctx.Err() == nil {
		return pairs, nil
	}
	for _, p := range pairs {
		if p.A != nil {
			p.Cut()
		}
	}
	return nil, context.Cause(ctx)
}

// ClosePairs closes pairs, several at a time, and returns all errors, joined.
func ClosePairs(pairs []Pair) error { return errors.Join(closePairs(pairs)...) }

func closePairs(pairs []Pair) (errs []error) {
	var mu sync.Mutex // guards errs
	var next atomic.Int64
	var tasks sync.WaitGroup
	for range min(Openers, len(pairs)) {
		tasks.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(pairs)); i = next.Add(1) - 1 {
				if err := pairs[i].Close(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	tasks.Wait()
	return errs
}

// Pairing is the whole life of a channel: it is opened, the two members exchange messages of so many octets, one in
// flight, by turns, and close.
func Pairing(ctx context.Context, door Door, d *Dialer, size, messages int) error {
	return pairing(ctx, door, d, size, messages, func() {}, func() {})
}

// pairing is Pairing. It calls opened when both members are there, and relayed after each message.
func pairing(ctx context.Context, door Door, d *Dialer, size, messages int, opened, relayed func()) error {
	a, b, err := door.Open(ctx, d)
	if err != nil {
		return err
	}
	opened()
	p := Pair{a, b}
	stop := context.AfterFunc(ctx, p.expire)
	defer stop()
	lanes := [2]*Lane{NewLane(a, b, size, 0), NewLane(b, a, size, 1<<32)}
	for n := range messages {
		if err := lanes[n%2].One(); err != nil {
			p.Cut()
			return err
		}
		relayed()
	}
	return p.Close()
}
