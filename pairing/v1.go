package pairing

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"channelserver/geo"
	"channelserver/relay"
)

// pathV1 is where version 1 is served: alone or with a slash it mints a channel, with a slash and
// an id it joins one.
const pathV1 = "/v1/ws"

// A card is the note that a member carries in the hub: what its peers are told about it.
type card struct {
	sender   geo.Sender
	rendered []byte // the sender object, with places in the sender's own language
}

// v1 is version 1 of the protocol: the seat is taken with the connection and lost with it.
type v1 struct {
	seat seating
	card *card
}

func (v *v1) greet(c *conn) {
	a, why := v.seat(v.card, c, relay.Live, 0)
	v.seat, v.card = nil, nil // an idle connection keeps no more than it needs
	if why != relay.None {
		c.end(why)
		return
	}
	c.sit(a)
	link := c.server.buffers.get()
	*link = appendLink(*link, a.ChannelID())
	c.socket.queue(*link)
	c.server.buffers.put(link)
}

func (*v1) receive(c *conn, text []byte) {
	text = bytes.TrimSpace(text)
	if c.server.options.RequireBase64 && !isBase64URL(text) {
		c.end(relay.BadPayload)
		return
	}
	if a := c.member.Load(); a != nil {
		body := c.server.buffers.get()
		*body = appendQuoted(*body, text)
		a.SendHeld(*body, len(text), &c.wakes) // when it ends the channel, Take tells
		c.server.buffers.put(body)
	}
}

func (*v1) appendFrame(dst []byte, e relay.Entry) []byte { return appendEnvelope(dst, &e) }

func (*v1) giveUp(a *relay.Attachment, why relay.Reason) { a.Leave(why) }

func (*v1) closed(int) relay.Reason { return relay.Bye }

func newCard(s geo.Sender) *card {
	s.UserAgent = strings.Clone(s.UserAgent) // which may be a part of something larger
	return &card{sender: s, rendered: renderSender(s, s.Place)}
}

// renderSender returns the sender object (docs/protocol.md section 1) of somebody in a place, which may be in
// any language. What is unknown is left out.
func renderSender(s geo.Sender, place geo.Place) []byte {
	remote := ""
	if s.Addr.IsValid() {
		remote = s.Addr.String()
	}
	var buffer [256]byte
	dst := buffer[:0]
	for _, field := range [...]struct{ key, value string }{
		{`"ua":`, s.UserAgent}, {`"remote":`, remote}, {`"city":`, place.City}, {`"region":`, place.Region}, {`"country":`, place.Country},
	} {
		if field.value != "" {
			dst = appendQuoted(append(append(dst, ','), field.key...), field.value)
		}
	}
	if len(dst) == 0 {
		return []byte("{}")
	}
	dst[0] = '{'
	return bytes.Clone(append(dst, '}'))
}

// appendLink appends the first frame that a member gets (docs/protocol.md section 2).
func appendLink(dst []byte, id relay.ID) []byte {
	dst = id.Append(append(dst, `{"link":"`+pathV1+`/`...))
	dst = id.Append(append(dst, `","channelid":"`...))
	return append(dst, `"}`...)
}

// appendEnvelope appends the frame in which a message reaches a member of version 1. The body of
// an entry is the message as a JSON string.
func appendEnvelope(dst []byte, e *relay.Entry) []byte {
	dst = append(dst, `{"message":`...)
	dst = append(dst, e.Body...)
	dst = append(dst, `,"sender":`...)
	dst = append(dst, e.From.Card.(*card).rendered...)
	return append(dst, '}')
}

// appendQuoted appends text, which is valid UTF-8, as a JSON string (RFC 8259 section 7). What clients send is base64 as a rule, which needs
// no escapes and is copied; all else is left to encoding/json.
func appendQuoted[T string | []byte](dst []byte, text T) []byte {
	if isBare(text) {
		return append(append(append(dst, '"'), text...), '"')
	}
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(string(text)) // a string: it cannot fail
	return append(dst, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

// isBare tells whether all of text is ASCII of which a JSON string needs none escaped. It looks at eight octets at one time.
func isBare[T string | []byte](text T) bool {
	const (
		ones  = 0x0101010101010101
		tops  = 0x8080808080808080
		space = ' ' * ones
		quote = '"' * ones
		slash = '\\' * ones
		rest  = (0x80 - 0x7f) * ones // what lifts a DEL to the top bit
	)
	for len(text) >= 8 {
		eight := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		// Subtracting borrows from the next octet only where an octet is found.
		found := eight | (eight - space) | ((eight ^ quote) - ones) | ((eight ^ slash) - ones) | (eight + rest)
		if found&tops != 0 {
			return false
		}
		text = text[8:]
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// isBase64URL tells whether text is URL-safe base64 (RFC 4648 section 5), padded or not, in one
// line.
func isBase64URL(text []byte) bool {
	if bytes.ContainsAny(text, "\r\n") { // which the decoder would skip
		return false
	}
	encoding := base64.RawURLEncoding
	if bytes.HasSuffix(text, []byte("=")) {
		encoding = base64.URLEncoding
	}
	_, err := encoding.Decode(make([]byte, encoding.DecodedLen(len(text))), text)
	return err == nil
}
