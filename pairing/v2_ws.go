package pairing

import (
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// v2 is version 2 of the protocol over WebSocket: the client takes a seat with its first frame, and
// may take it back after the connection is lost.
type v2 struct {
	reader
	seat  seating
	card  *card
	id    relay.ID      // of the channel that the path names; zero for a new one
	kind  relay.Request // what the path asks for
	hello *time.Timer   // closes the connection of a client that does not say hello
}

func (v *v2) greet(c *conn) {
	if v.kind == relay.RequestBadID {
		c.end(relay.BadChannelID)
		return
	}
	v.hello = time.AfterFunc(helloTimeout, func() {
		if c.member.Load() == nil {
			c.end(relay.ClientTimeout)
		}
	})
}

func (v *v2) receive(c *conn, text []byte) {
	q, refused := parseFrame(text)
	if refused != nil {
		c.complain(refused)
		return
	}
	a := c.member.Load()
	switch {
	case q.Type == "hello" && a == nil:
		v.sayHello(c, &q)
	case q.Type == "hello":
		c.complain(refuse(relay.ProtocolError, "this connection has a seat already"))
	case a == nil && (q.Type == "send" || q.Type == "ack" || q.Type == "leave" || q.Type == "end"):
		c.complain(refuse(relay.ProtocolError, "say hello first"))
	case q.Type == "send":
		receipt, why, refused := c.server.send(&q, func(body []byte, size int) (relay.Receipt, relay.Reason) {
			return a.SendNumberedHeld(q.N, body, size, &c.wakes)
		})
		if refused != nil {
			c.complain(refused)
		} else if why == relay.None { // else Take tells
			c.reply(accepted(q.N, receipt))
		}
	case q.Type == "ack":
		a.AckHeld(q.Seq, &c.wakes)
	case q.Type == "leave":
		c.end(relay.Bye)
	case q.Type == "end":
		if !a.Member.EndChannel() {
			c.complain(refuse(relay.ProtocolError, "only the creator of the channel may end it"))
		}
	}
}

// sayHello takes a seat, or takes it back.
func (v *v2) sayHello(c *conn, q *request) {
	v.hello.Stop()
	var a *relay.Attachment
	var why relay.Reason
	if q.Resume == "" {
		a, why = v.seat(v.card, c, relay.Kept, q.exchanges())
	} else if token, err := relay.ParseToken(q.Resume); err != nil {
		why = relay.NoSuchChannel // as for any token that stands for no seat
	} else {
		a, why = c.server.hub.Resume(v.id, token, q.After, c, relay.Welcomed)
	}
	if why == relay.NoSuchChannel {
		c.pass.Erred()
	}
	if why != relay.None {
		c.end(why)
		return
	}
	v.seat, v.card, v.hello = nil, nil, nil // an idle connection keeps no more than it needs
	c.sit(a)
	c.reply(v.renderWelcome(a))
	c.Wake()
}

func (v *v2) appendFrame(dst []byte, e relay.Entry) []byte { return v.appendEvent(dst, &e) }

func (v *v2) giveUp(a *relay.Attachment, why relay.Reason) {
	if why == relay.Bye {
		a.Leave(why)
	} else {
		a.Detach(why)
	}
}

func (v *v2) closed(code int) relay.Reason {
	if code == websocket.CloseNormalClosure {
		return relay.Bye
	}
	return relay.Lost
}

// complain sends an error frame.
func (c *conn) complain(r *refusal) {
	c.reply(marshal(struct {
		Type string `json:"type"`
		*refusal
	}{"error", r}))
}
