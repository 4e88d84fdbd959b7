package pairing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"channelserver/relay"
)

// TestV2Cuts makes thousands of pairings over sockets that are cut at random octets: in the handshake,
// in frames, between them and in the close. The clients take their seats back and send again what was
// not accepted. Every pairing must be complete: each message stored once, and received once and in
// order.
func TestV2Cuts(t *testing.T) {
	const (
		pairings = 2000
		atOnce   = 16
		seed     = 20261121 // each pairing has a generator of its own: this and its number
	)
	url, counts := newTCP(t, false, relay.Limits{MaxLag: 1 << 20, ResumeTimeout: 5 * time.Minute}, Options{MaxMessageSize: 65536})
	journey := &journey{proxy: newProxy(t, strings.TrimPrefix(url, "ws://"))}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := next.Add(1); i <= pairings; i = next.Add(1) {
				if err := journey.pair(seed, uint64(i)); err != nil {
					t.Errorf("seed %d, pairing %d: %v", seed, i, err)
				}
			}
		})
	}
	workers.Wait()
	closed := make(map[relay.Reason]int)
	for _, why := range counts.all() {
		closed[why]++
	}
	t.Logf("seed %d: %d connections; %d were cut, in the handshake %d, before the first welcome %d, after leaving %d; closed: %v",
		seed, journey.connections.Load(), journey.cuts.Load(), journey.inHandshake.Load(), journey.startedOver.Load(), journey.inClose.Load(), closed)
	for _, why := range []relay.Reason{relay.Bye, relay.Lost, relay.Replaced} {
		if closed[why] == 0 {
			t.Errorf("no connection ended with %s: this tests less than it should", why)
		}
		delete(closed, why)
	}
	delete(closed, relay.NoSuchChannel) // who left before the cut
	if len(closed) > 0 || counts.panics > 0 {
		t.Errorf("connections also ended with %v; %d panics", closed, counts.panics)
	}
}

// each is how many messages each party of a pairing sends.
const each = 5

// A journey counts what happens to the parties of many pairings.
type journey struct {
	proxy       *proxy
	connections atomic.Int64
	cuts        atomic.Int64
	inHandshake atomic.Int64
	startedOver atomic.Int64 // its token was lost with the first welcome
	inClose     atomic.Int64
}

// A party owns one seat of a pairing, over many connections.
type party struct {
	*journey
	random *rand.Rand
	name   string
	other  string // the name of the other party
	cuts   int    // connections that will be cut
	lines  *lines

	minted   chan<- string // is told the id of the channel; nil once it was
	id       string        // of the channel
	token    string
	member   int
	peers    map[int]bool   // whether each is present
	shown    map[int]bool   // those in the welcome; others may have left before, and what is replayed of them has gaps
	receipts map[int]uint64 // what each has acknowledged
	sent     int            // on this connection: the last n
	accepted []uint64       // seq by n-1
	received map[uint64]string
	last     uint64 // seq of the last message received
	leaving  bool   // it has said leave at least once
	left     bool   // it has said leave on this connection
	done     bool
}

// lines are those of a pairing.
type lines struct {
	mu   sync.Mutex
	all  []*line // guarded by mu, like over
	over bool
}

func (l *lines) add(one *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, one)
	if l.over {
		one.hangUp()
	}
}

// hangUp ends all lines, and those yet to come.
func (l *lines) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, one := range l.all {
		one.hangUp()
	}
}

// pair makes one pairing and checks it.
func (j *journey) pair(seed, number uint64) error {
	random := rand.New(rand.NewPCG(seed, number))
	parties, lines := make([]*party, 2), new(lines)
	defer lines.hangUp()
	for i := range parties {
		parties[i] = &party{
			journey: j, lines: lines, name: fmt.Sprintf("%d/%d", number, i), other: fmt.Sprintf("%d/%d", number, 1-i), received: make(map[uint64]string), receipts: make(map[int]uint64),
			random: rand.New(rand.NewPCG(random.Uint64(), random.Uint64())), cuts: random.IntN(5),
		}
	}
	minted := make(chan string, 1)
	parties[0].minted = minted
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var tasks sync.WaitGroup
	for i, p := range parties {
		tasks.Go(func() {
			if i == 1 {
				select {
				case p.id = <-minted:
				case <-ctx.Done():
					return
				}
			}
			for !p.done && ctx.Err() == nil {
				if err := p.connect(); err != nil {
					cancel(fmt.Errorf("party %d: %w", i, err))
					lines.hangUp() // the other may be waiting
				}
			}
		})
	}
	tasks.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return complete(parties[0], parties[1])
}

// complete checks that the messages have the numbers from 1, each once, and reached the other party.
func complete(a, b *party) error {
	var all []uint64
	for _, pair := range [][2]*party{{a, b}, {b, a}} {
		from, to := pair[0], pair[1]
		all = append(all, from.accepted...)
		for i, seq := range from.accepted {
			if text := to.received[seq]; !strings.HasPrefix(text, opening(from.name, i+1)) {
				return fmt.Errorf("message %d of %s was accepted as %d, where %.20q was received", i+1, from.name, seq, text)
			}
		}
		if len(to.received) != each {
			return fmt.Errorf("%s received %v", to.name, slices.Sorted(maps.Keys(to.received)))
		}
	}
	slices.Sort(all)
	for i, seq := range all {
		if seq != uint64(i+1) {
			return fmt.Errorf("the messages have the numbers %v", all)
		}
	}
	return nil
}

// opening is what message n of a party begins with, however often it is sent.
func opening(name string, n int) string { return fmt.Sprintf("%s message %d.", name, n) }

// connect opens a connection and uses it until it has ended. That is an error unless it was cut, or
// the party has left.
func (p *party) connect() error {
	manner, octets := manner(p.random.IntN(int(manners))), [2]int64{never, never}
	if p.cuts > 0 {
		p.cuts--
		// A handshake has some 200 octets in each direction, and all the rest some 1,200.
		octets[p.random.IntN(2)] = 1 + p.random.Int64N([]int64{250, 1500}[p.random.IntN(2)])
	}
	p.connections.Add(1)
	side, line, err := p.proxy.dial(manner, octets[up], octets[down])
	if err != nil {
		return err
	}
	p.lines.add(line)
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return side, nil }, HandshakeTimeout: time.Minute}
	ws, _, err := dialer.Dial("ws://relay.test/v2/ws/"+p.id, nil)
	if err != nil {
		side.Close()
		if line.cut.Load() {
			p.journey.cuts.Add(1)
			p.inHandshake.Add(1)
			return nil
		}
		return fmt.Errorf("dial: %w", err)
	}
	defer ws.Close()
	ws.SetReadDeadline(time.Now().Add(time.Minute)) // so that a test that would hang fails
	err = p.use(ws, line)
	frame, _ := errors.AsType[*websocket.CloseError](err)
	switch {
	case p.leaving && frame != nil && (frame.Code == relay.Bye.Code() || frame.Code == relay.NoSuchChannel.Code()):
		p.done = true
		return nil
	case line.cut.Load() && (frame == nil || frame.Code == websocket.CloseAbnormalClosure) && !errors.Is(err, errWrong):
		p.journey.cuts.Add(1)
		if p.token == "" {
			p.startedOver.Add(1)
		}
		if p.leaving {
			p.inClose.Add(1)
		}
		return nil
	}
	return err
}

// errWrong marks what the server should not have done.
var errWrong = errors.New("wrong")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errWrong}, args...)...)
}

// use says hello and goes on with the pairing, until the connection ends.
func (p *party) use(ws *websocket.Conn, line *line) error {
	hello := hello
	if p.token != "" {
		hello = fmt.Sprintf(`{"type":"hello","resume":%q,"after":%d}`, p.token, p.last)
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
		return err
	}
	p.peers, p.left = nil, false
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return err
		}
		if err := wellFormed(text); err != nil {
			return wrong("%v", err)
		}
		if err := p.take(text); err != nil {
			return err
		}
		if err := p.act(ws, line); err != nil {
			return err
		}
	}
}

// take takes one frame in.
func (p *party) take(text []byte) error {
	var f struct {
		welcome
		Seq     uint64
		From    int
		Message string
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return wrong("%s: %v", text, err)
	}
	present, known := p.peers[f.Member]
	ok := p.peers != nil || f.Type == "welcome"
	if !ok {
		return wrong("%s came before the welcome", text)
	}
	switch f.Type {
	case "welcome":
		ok = p.peers == nil && (p.token == "" || f.Resume == p.token && f.Member == p.member && f.N >= uint64(len(p.accepted)))
		p.id, p.token, p.member, p.sent = f.ChannelID, f.Resume, f.Member, len(p.accepted)
		if p.minted != nil {
			p.minted <- p.id
			p.minted = nil
		}
		p.peers, p.shown = make(map[int]bool), make(map[int]bool)
		for _, m := range f.Members {
			p.peers[m.Member], p.shown[m.Member] = m.Present, true
		}
	case "joined":
		ok = !known
		p.peers[f.Member] = true
	case "away":
		ok = present || !p.shown[f.Member]
		p.peers[f.Member] = false
	case "back":
		ok = !present || !p.shown[f.Member]
		p.peers[f.Member] = true
	case "left": // also of one who left before a welcome
		delete(p.peers, f.Member)
	case "delivered":
		ok = f.Seq >= p.receipts[f.Member] && f.Seq <= 2*each
		p.receipts[f.Member] = f.Seq
	case "accepted":
		switch n := int(f.N); {
		case n >= 1 && n <= len(p.accepted):
			ok = f.Seq == p.accepted[n-1]
		default:
			ok = n == len(p.accepted)+1 && n <= p.sent && (n == 1 || f.Seq > p.accepted[n-2])
			p.accepted = append(p.accepted, f.Seq)
		}
	case "message":
		ok = f.Seq > p.last && f.From != p.member && strings.HasPrefix(f.Message, opening(p.other, len(p.received)+1))
		p.last = f.Seq
		p.received[f.Seq] = f.Message
	default:
		ok = false
	}
	if !ok {
		return wrong("%.300s came to %s, which knows of the members %v, has accepted %v and received up to %d", text, p.name, p.peers, p.accepted, p.last)
	}
	return nil
}

// act sends what there is to send, three messages at most ahead of what was accepted.
func (p *party) act(ws *websocket.Conn, line *line) error {
	var frames []string
	for p.sent < min(each, len(p.accepted)+3) {
		p.sent++
		padding := strings.Repeat("x", p.random.IntN([]int{1, 150, 2000}[p.random.IntN(3)]))
		frames = append(frames, fmt.Sprintf(`{"type":"send","n":%d,"message":%q}`, p.sent, opening(p.name, p.sent)+padding))
	}
	if p.last > 0 && p.random.IntN(2) == 0 {
		frames = append(frames, fmt.Sprintf(`{"type":"ack","seq":%d}`, p.last))
	}
	if len(p.accepted) == each && len(p.received) == each && !p.left {
		p.leaving, p.left = true, true
		if p.random.IntN(4) == 0 {
			line.cutAfter(p.random.IntN(2), 1+p.random.Int64N(30)) // leave and the close frames have 45 octets together
		}
		frames = append(frames, `{"type":"leave"}`)
	}
	for _, frame := range frames {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			return err
		}
	}
	return nil
}
