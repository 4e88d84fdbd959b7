package relay_test

import (
	"time"

	"channelserver/relay"
)

// A client is who sits on a seat, and what it has learnt across all its attachments.
type client struct {
	seat   *modelMember
	last   uint64       // the last message that it has processed
	honest bool         // it has never acknowledged what it had not processed, and resumed after the last
	known  map[int]bool // numbers of the members that it has been told of
	view   map[int]bool // the others, and whether they are present
	sure   bool         // whether the view must be right
}

// welcome compares what an attachment was told as it began.
func (p *play) welcome(a twin, c *client) {
	w := a.real.Welcome
	expires := time.Duration(0)
	if p.limits.Lifespan > 0 {
		expires = time.Until(c.seat.channel.born.Add(p.limits.Lifespan))
	}
	if w.Sent != a.model.sent || w.Expires != expires || len(w.Others) != len(a.model.others) {
		p.fail("Welcome = %+v, want %d others, %d sent, %v left", w, len(a.model.others), a.model.sent, expires)
	}
	c.view, c.sure = make(map[int]bool), true
	for i, other := range w.Others {
		if p.clients[other.Member].seat != a.model.others[i] || other.Present != a.model.present[i] {
			p.fail("Welcome.Others[%d] is %d, present: %v", i, other.Member.Number, other.Present)
		}
		c.view[other.Member.Number] = other.Present
		c.known[other.Member.Number] = true
	}
}

// learn lets a client look at what it has taken.
func (p *play) learn(c *client, e *relay.Entry) {
	switch e.Kind {
	case relay.Message:
		p.process(c, e)
	case relay.Joined:
		c.view[e.From.Number] = true
		c.known[e.From.Number] = true
	case relay.Left:
		delete(c.view, e.From.Number)
	case relay.Away, relay.Back:
		if _, there := c.view[e.From.Number]; there {
			c.view[e.From.Number] = e.Kind == relay.Back
		}
	}
}

// process checks that an honest client is given each message of the others once and in order, and
// is told who sent it.
func (p *play) process(c *client, e *relay.Entry) {
	if c.seat.mode == relay.Live {
		return
	}
	for _, said := range c.seat.channel.log {
		if c.honest && said.kind == relay.Message && said.from != c.seat && said.seq > c.last {
			if said.seq != e.Seq {
				p.fail("it has processed message %d and is given %d, not %d", c.last, e.Seq, said.seq)
			}
			break
		}
	}
	c.last = max(c.last, e.Seq)
	if c.honest && !p.bounded() && !c.known[e.From.Number] {
		p.fail("message %d is from %d, of whom it was never told", e.Seq, e.From.Number)
	}
}

func (p *play) bounded() bool { return p.limits.MaxLag > 0 || p.limits.MaxKept > 0 }
