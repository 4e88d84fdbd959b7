package pairing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"channelserver/geo"
	"channelserver/relay"
)

// pathV2 is where version 2 is served over WebSocket, like pathV1.
const pathV2 = "/v2/ws"

// helloTimeout is how long a connection of version 2 may take to say hello.
const helloTimeout = 10 * time.Second

// maxFrameV2 returns how long a frame may be, in octets, that carries a message of so many: each may be
// written as an escape of six (RFC 8259 section 7).
// Without a bound on messages there is none on frames.
func maxFrameV2(maxMessage int64) int64 {
	if maxMessage == 0 {
		return math.MaxInt64
	}
	return 6*maxMessage + 1024
}

// request is a frame of a client of version 2 (docs/protocol.md section 5). Unknown keys are ignored.
type request struct {
	Type    string          `json:"type"`
	Resume  string          `json:"resume"`
	After   uint64          `json:"after"`
	N       uint64          `json:"n"`
	Message json.RawMessage `json:"message"`
	Seq     uint64          `json:"seq"`
	Ask     uint64          `json:"max_exchanges"`
}

// exchanges returns how many messages the creator of a channel asks for.
func (q *request) exchanges() int { return int(min(q.Ask, math.MaxInt32)) }

// A refusal says why a request was not carried out. The connection stays.
type refusal struct {
	Reason string `json:"reason"` // the word of a relay.Reason
	Detail string `json:"detail"` // for the developer of the client
}

func refuse(why relay.Reason, format string, args ...any) *refusal {
	return &refusal{why.String(), fmt.Sprintf(format, args...)}
}

// parseUsual reads a frame in the form in which it comes as a rule, that of JavaScript's JSON.stringify for
// {type: "send", n, message} and {type: "ack", seq}, with a message that needs no escapes. It tells whether
// the frame had that form; then it is what parseFrame would have returned, but that the message lies in the text.
func parseUsual(text []byte) (q request, ok bool) {
	if rest, isAck := bytes.CutPrefix(text, []byte(`{"type":"ack","seq":`)); isAck {
		q.Type = "ack"
		q.Seq, rest = parseDigits(rest)
		return q, string(rest) == "}"
	}
	rest, isSend := bytes.CutPrefix(text, []byte(`{"type":"send","n":`))
	if !isSend {
		return q, false
	}
	q.Type = "send"
	q.N, rest = parseDigits(rest)
	message, isMessage := bytes.CutPrefix(rest, []byte(`,"message":`))
	message, ends := bytes.CutSuffix(message, []byte(`}`))
	if !isMessage || !ends || !isPlain(message) {
		return q, false
	}
	q.Message = message
	return q, true
}

// parseDigits reads a number of at most 18 digits and returns what comes behind it; nothing for what is no such number.
func parseDigits(text []byte) (n uint64, rest []byte) {
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		n = 10*n + uint64(text[digits]-'0')
		digits++
	}
	if digits == 0 || digits > 18 || digits > 1 && text[0] == '0' {
		return 0, nil
	}
	return n, text[digits:]
}

// isPlain tells whether text is a JSON string without escapes.
func isPlain(text []byte) bool {
	last := len(text) - 1
	if last < 1 || text[0] != '"' || text[last] != '"' {
		return false
	}
	for _, c := range text[1:last] {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// parseFrame reads a request. It refuses what is no object, and a known type of request with a key of the
// wrong type; other types are for later versions, and so are their keys.
func parseFrame(text []byte) (q request, refused *refusal) {
	if q, ok := parseUsual(text); ok {
		return q, nil
	}
	return parseAny(text)
}

func parseAny(text []byte) (q request, refused *refusal) {
	if text = bytes.TrimLeft(text, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return q, refuse(relay.BadPayload, "a frame must be a JSON object")
	}
	err := json.Unmarshal(text, &q) // goes on behind a wrong type
	wrong, isWrong := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case isWrong && wrong.Field != "type" && !slices.Contains([]string{"hello", "send", "ack", "leave", "end"}, q.Type):
	case isWrong:
		const most = 40 // octets of what the client wrote
		value := wrong.Value[:min(len(wrong.Value), most)]
		refused = refuse(relay.BadPayload, "%q must not be a %s", wrong.Field, value)
	case err != nil:
		refused = refuse(relay.BadPayload, "a frame must be a JSON object: %v", err)
	}
	return q, refused
}

// parseMessage checks the message of a request, which must be a JSON string. It returns the string as the
// client wrote it, to be passed on as it is, and its size in octets.
func (s *Server) parseMessage(raw json.RawMessage) (body []byte, size int, refused *refusal) {
	if len(raw) == 0 || raw[0] != '"' {
		return nil, 0, refuse(relay.BadPayload, `"message" must be a string`)
	}
	text := []byte(raw[1 : len(raw)-1]) // which it is, when it has no escapes
	if bytes.IndexByte(text, '\\') >= 0 {
		var unescaped string
		_ = json.Unmarshal(raw, &unescaped) // it has been read as JSON before
		text = []byte(unescaped)
	}
	if limit := s.options.MaxMessageSize; limit > 0 && len(text) > limit {
		return nil, 0, refuse(relay.MessageTooBig, "the message has %d octets; %d are allowed", len(text), limit)
	}
	if s.options.RequireBase64 && !isBase64URL(text) {
		return nil, 0, refuse(relay.BadPayload, "this server relays URL-safe base64 only")
	}
	return raw, len(text), nil
}

// send checks the message of a request and lets it be appended to the channel.
func (s *Server) send(q *request, appends func(body []byte, size int) (relay.Receipt, relay.Reason)) (relay.Receipt, relay.Reason, *refusal) {
	if q.N == 0 {
		return relay.Receipt{}, relay.None, refuse(relay.BadPayload, `"n" must count your messages from 1`)
	}
	body, size, refused := s.parseMessage(q.Message)
	if refused != nil {
		return relay.Receipt{}, relay.None, refused
	}
	receipt, why := appends(body, size)
	if why == relay.None && !receipt.Stored {
		refused = refuse(relay.BadPayload, `"n" is %d, but %d comes next`, q.N, receipt.Next)
	}
	return receipt, why, refused
}

// A reader is somebody to whom place names are told in their own language.
type reader struct {
	locator *geo.Locator
	wishes  geo.Wishes
}

// sender renders what the reader is told about a member.
func (r reader) sender(m *relay.Member) json.RawMessage {
	s := m.Card.(*card).sender
	place := r.locator.Database.Place(s.Addr, r.wishes, r.locator.DefaultLang)
	// A city that the database does not know in any language came from a proxy, in whatever language that has.
	if place.City == "" && r.locator.Database.Place(s.Addr, s.Wishes, r.locator.DefaultLang).City == "" {
		place.City = s.Place.City
		if place.Region == "" {
			place.Region = s.Place.Region
		}
	}
	return renderSender(s, place)
}

// welcome is the frame that a member gets when it takes its seat or takes it back.
type welcome struct {
	Type      string          `json:"type"`
	ChannelID string          `json:"channelid"`
	Link      string          `json:"link"`
	Member    int             `json:"member"`
	Resume    string          `json:"resume"`
	ExpiresIn int64           `json:"expires_in_ms,omitempty"`
	Limits    limitsJSON      `json:"limits"`
	Members   []presence      `json:"members"`
	Self      json.RawMessage `json:"self"`
	N         uint64          `json:"n"`
}

type limitsJSON struct {
	MaxExchanges   int   `json:"max_exchanges"`
	MaxData        int64 `json:"max_data"`
	MaxMessageSize int   `json:"max_message_size"`
	MaxConnections int   `json:"max_channel_connections"`
	ConnLifespan   int64 `json:"conn_lifespan_ms"`
	ResumeTimeout  int64 `json:"resume_timeout_ms"`
}

type presence struct {
	Member  int             `json:"member"`
	Sender  json.RawMessage `json:"sender"`
	Present bool            `json:"present"`
}

// renderWelcome takes the welcome out of an attachment.
func (r reader) renderWelcome(a *relay.Attachment) []byte {
	m, w, limits := a.Member, a.Welcome, a.Member.Limits()
	a.Welcome = nil
	frame := welcome{
		Type: "welcome", ChannelID: m.ChannelID().String(), Link: pathV2 + "/" + m.ChannelID().String(),
		Member: m.Number, Resume: m.Token().String(), ExpiresIn: w.Expires.Milliseconds(),
		Limits: limitsJSON{
			limits.MaxExchanges, limits.MaxData, limits.MaxMessageSize, limits.MaxConnections,
			limits.Lifespan.Milliseconds(), limits.ResumeTimeout.Milliseconds(),
		},
		Members: []presence{}, Self: r.sender(m), N: w.Sent,
	}
	for _, other := range w.Others {
		frame.Members = append(frame.Members, presence{other.Member.Number, r.sender(other.Member), other.Present})
	}
	return marshal(frame)
}

// appendEvent renders what a member of version 2 takes.
func (r reader) appendEvent(dst []byte, e *relay.Entry) []byte {
	member := func(dst []byte, kind string) []byte {
		return strconv.AppendInt(append(dst, `{"type":"`+kind+`","member":`...), int64(e.From.Number), 10)
	}
	reason := func(dst []byte) []byte {
		return append(append(append(dst, `,"reason":"`...), e.Why.String()...), `"}`...)
	}
	switch e.Kind {
	case relay.Message:
		dst = strconv.AppendUint(append(dst, `{"type":"message","seq":`...), e.Seq, 10)
		dst = strconv.AppendInt(append(dst, `,"from":`...), int64(e.From.Number), 10)
		dst = append(append(dst, `,"message":`...), e.Body...)
	case relay.Joined:
		dst = append(append(member(dst, "joined"), `,"sender":`...), r.sender(e.From)...)
	case relay.Left:
		return reason(member(dst, "left"))
	case relay.Away:
		return reason(member(dst, "away"))
	case relay.Back:
		dst = member(dst, "back")
	case relay.Delivered:
		dst = strconv.AppendUint(append(member(dst, "delivered"), `,"seq":`...), e.Seq, 10)
	case relay.Ending:
		in := max(time.Until(e.At).Milliseconds(), 0)
		return reason(strconv.AppendInt(append(dst, `{"type":"ending","in_ms":`...), in, 10))
	}
	return append(dst, '}')
}

// accepted is the frame that answers a message.
func accepted(n uint64, receipt relay.Receipt) []byte {
	frame := strconv.AppendUint([]byte(`{"type":"accepted","n":`), n, 10)
	if receipt.Seq != 0 {
		frame = strconv.AppendUint(append(frame, `,"seq":`...), receipt.Seq, 10)
	}
	return append(frame, '}')
}

// marshal renders what cannot fail to be rendered: structs of strings, numbers and JSON of ours.
func marshal(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
