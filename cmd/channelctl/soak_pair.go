package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// patience is how long a client waits for what should come at once.
const patience = 30 * time.Second

// perPair is how many messages a pair exchanges in all: as many as a channel carries by default.
const perPair = 10

// errRefused says that the server has no room for a newcomer now (docs/protocol.md section 2).
var errRefused = errors.New("refused")

// A target is the server to be strained.
type target struct {
	url *url.URL // static
}

// A seat is a member of a channel, in either version of the protocol.
type seat struct {
	server  *target
	version int
	ws      *websocket.Conn
	id      string // of the channel
	token   string // version 2: to resume with
	n, seq  uint64 // version 2: numbers of the last message sent and received
}

// A frame of the server's, in any version; the keys that do not occur in it are zero.
type frame struct {
	Type, ChannelID, Resume, Message, Reason, Detail string
	Seq                                              uint64
}

// dial opens a WebSocket.
func (t *target) dial(path string) (*websocket.Conn, error) {
	dialer := websocket.Dialer{HandshakeTimeout: patience, Proxy: http.ProxyFromEnvironment}
	ws, response, err := dialer.Dial(t.url.JoinPath(path).String(), nil)
	if errors.Is(err, websocket.ErrBadHandshake) {
		if response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable {
			return nil, errRefused
		}
		return nil, fmt.Errorf("opening: %s", response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	ws.SetReadDeadline(time.Now().Add(patience))
	return ws, nil
}

// take takes a seat in a channel, in a new one if it has no id.
func (t *target) take(version int, id string) (*seat, error) {
	s := &seat{server: t, version: version, id: id}
	return s, s.connect()
}

// connect takes the seat, or takes it back.
func (s *seat) connect() (err error) {
	if s.ws, err = s.server.dial(fmt.Sprintf("/v%d/ws/%s", s.version, s.id)); err != nil {
		return err
	}
	if s.version == 2 {
		hello := map[string]any{"type": "hello"}
		if s.token != "" {
			hello["resume"], hello["after"] = s.token, s.seq
		}
		if err := s.ws.WriteJSON(hello); err != nil {
			return err
		}
	}
	var first frame
	if err := s.read(&first); err != nil {
		return err
	}
	if first.ChannelID == "" {
		return fmt.Errorf("the first frame names no channel: %+v", first)
	}
	s.id, s.token = first.ChannelID, first.Resume
	return nil
}

func (s *seat) read(f *frame) error {
	if err := s.ws.ReadJSON(f); err != nil {
		return fmt.Errorf("version %d, reading: %w", s.version, err)
	}
	return nil
}

func (s *seat) send(text string) error {
	if s.version == 1 {
		return s.ws.WriteMessage(websocket.TextMessage, []byte(text))
	}
	s.n++
	return s.ws.WriteJSON(map[string]any{"type": "send", "n": s.n, "message": text})
}

// receive returns the next message of the other.
func (s *seat) receive() (string, error) {
	for {
		var f frame
		if err := s.read(&f); err != nil {
			return "", err
		}
		switch {
		case s.version == 1:
			return f.Message, nil
		case f.Type == "message":
			s.seq = f.Seq
			return f.Message, nil
		case f.Type == "error":
			return "", fmt.Errorf("version 2: %s: %s", f.Reason, f.Detail)
		}
	}
}

// leave closes as is right, waits for the answer, and returns the messages that come before it: there should be none.
func (s *seat) leave() (rest []string, err error) {
	defer s.ws.Close()
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := s.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		message, err := s.receive()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code == websocket.CloseNormalClosure {
			return rest, nil
		}
		if err != nil {
			return rest, fmt.Errorf("leaving: %w", err)
		}
		rest = append(rest, message)
	}
}

// A ledger counts what one hears of another.
type ledger struct {
	delivered, lost, duplicated, reordered, foreign int
}

// text makes a message that can be told from all others, as URL-safe base64.
func text(channel, from string, n int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "soak %s %s %d", channel, from, n))
}

// settle counts what was heard, by what the other has sent.
func settle(channel, from string, sent int, heard []string) (l ledger) {
	numbers := make(map[string]int)
	for n := range sent {
		numbers[text(channel, from, n)] = n
	}
	highest := -1
	seen := make(map[int]bool)
	for _, message := range heard {
		n, ours := numbers[message]
		switch {
		case !ours:
			l.foreign++
			continue
		case seen[n]:
			l.duplicated++
			continue
		case n < highest:
			l.reordered++
		}
		seen[n] = true
		highest = max(highest, n)
	}
	l.delivered = len(seen)
	l.lost = sent - len(seen)
	return l
}

// pair opens a channel of two, lets them exchange messages, and says what was heard. In version 2 the second
// loses its connection when it has heard half, and takes its seat back.
func (t *target) pair(version int) (heard ledger, err error) {
	a, err := t.take(version, "")
	if a.ws != nil {
		defer a.ws.Close()
	}
	if err != nil {
		return heard, err
	}
	b, err := t.take(version, a.id)
	defer func() {
		if b.ws != nil {
			b.ws.Close()
		}
	}()
	if errors.Is(err, errRefused) {
		return heard, errors.New("the second of a pair was refused")
	}
	if err != nil {
		return heard, err
	}
	const each = perPair / 2
	var aHeard, bHeard []string
	var aSent, bSent int
	var aFailed, bFailed error
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for aFailed == nil && aSent < each {
			if aFailed = a.send(text(a.id, "a", aSent)); aFailed == nil {
				aSent++
			}
		}
		for aFailed == nil && len(aHeard) < each {
			var message string
			if message, aFailed = a.receive(); aFailed == nil {
				aHeard = append(aHeard, message)
			}
		}
	})
	tasks.Go(func() {
		for bFailed == nil && len(bHeard) < each {
			var message string
			if message, bFailed = b.receive(); bFailed == nil {
				bHeard = append(bHeard, message)
			}
			if version == 2 && bFailed == nil && len(bHeard) == each/2 {
				b.ws.NetConn().Close()
				bFailed = b.connect()
			}
		}
		for bFailed == nil && bSent < each {
			if bFailed = b.send(text(a.id, "b", bSent)); bFailed == nil {
				bSent++
			}
		}
	})
	tasks.Wait()
	if aFailed == nil && bFailed == nil {
		var aRest, bRest []string
		bRest, bFailed = b.leave()
		aRest, aFailed = a.leave()
		aHeard, bHeard = append(aHeard, aRest...), append(bHeard, bRest...)
	}
	toB, toA := settle(a.id, "a", aSent, bHeard), settle(a.id, "b", bSent, aHeard)
	return ledger{
		toA.delivered + toB.delivered, toA.lost + toB.lost, toA.duplicated + toB.duplicated,
		toA.reordered + toB.reordered, toA.foreign + toB.foreign,
	}, errors.Join(aFailed, bFailed)
}
