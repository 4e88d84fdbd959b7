package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"channelserver/client"
	"channelserver/client/encrypted"
)

const (
	// goodbye is how long leaving may take.
	goodbye = 3 * time.Second
	// lastWords is how long to wait for acknowledgements of a device that has said bye.
	lastWords = 5 * time.Second
)

// A talk is one run of channelctl pair. One goroutine owns it, that of run.
type talk struct {
	o           *pairOptions // static, like all down to most
	streams     streams
	screen      *screen
	interactive bool // a person types the input
	channel     *encrypted.Channel
	server      string // as a person knows it
	most        int    // octets of a message

	paired    bool
	peer      int  // the other's member number; 0 in version 1 of the protocol
	mine      bool // this side has confirmed
	theirs    bool // the other side has
	peerPiped bool // its input is not typed
	peerDone  bool // that input is at its end
	bye       bool // the other side has said so
	gone      bool // the other side has no seat any more
	leaving   bool // this side says bye, and leaves then
	inputDone bool // the input is at its end
	saidDone  bool
	stuck     bool // nothing can be sent any more: Receive will tell why
	offline   bool // the connection is lost

	outbox   outbox
	incoming *incoming
	failed   bool   // something did not arrive, though the talk went on
	over     bool   // with these words and this exit status
	words    string // also those to leave with
	exit     int

	inputs  chan input
	answers chan bool // whether the digits are the same

	interrupt <-chan struct{} // nil once that has been seen to
	deadline  <-chan time.Time
	stopped   chan struct{} // closed when run ends
}

func newTalk(o *pairOptions, s streams) *talk {
	return &talk{
		o: o, streams: s, screen: newScreen(s), interactive: isTerminal(s.in),
		outbox: newOutbox(o.files),
		inputs: make(chan input), answers: make(chan bool), stopped: make(chan struct{}),
	}
}

// run pairs, talks and leaves, and returns the exit status.
func (t *talk) run(ctx context.Context, d *client.Dialer) int {
	defer close(t.stopped)
	if err := t.open(ctx, d); err != nil {
		if ctx.Err() != nil {
			return t.tell("Interrupted.", exitInterrupted)
		}
		return t.tell(explain(err, t.server))
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	parcels, results, events := make(chan *parcel), make(chan result), make(chan received)
	var tasks sync.WaitGroup
	tasks.Go(func() { post(life, t.channel, parcels, results) })
	tasks.Go(func() { receive(life, t.channel, events) })
	t.interrupt = ctx.Done()
	for !t.over {
		if p := t.next(); p != nil {
			parcels <- p // post waits for it
		}
		if !t.over {
			t.step(results, events)
		}
	}
	cancel()
	t.leave()
	tasks.Wait()
	return t.tell(t.words, t.exit)
}

// tell says how it has ended.
func (t *talk) tell(words string, status int) int {
	if words != "" {
		t.screen.say("%s", words)
	}
	return status
}

// open mints a channel, or joins one, and says so.
func (t *talk) open(ctx context.Context, d *client.Dialer) (err error) {
	t.server = t.o.server
	if t.o.link != "" {
		t.server, _, _ = strings.Cut(t.o.link, "#")
		if t.channel, err = encrypted.Join(ctx, d, t.o.link); err == nil {
			t.screen.say("Joined. Waiting for the device that made the link ...")
		}
	} else if t.channel, err = encrypted.Create(ctx, d, t.o.server); err == nil {
		t.invite()
	}
	if err == nil {
		t.most = t.channel.MaxData()
	}
	return err
}

// invite shows the link.
func (t *talk) invite() {
	link := t.channel.Link()
	lasts := ""
	if expires := t.channel.Expires(); !expires.IsZero() {
		lasts = fmt.Sprintf(" It lasts until %s, for %s.", expires.Format(time.TimeOnly), lasting(time.Until(expires)))
	}
	t.screen.say("Open this link on the other device, or run channelctl pair 'LINK' there.%s", lasts)
	if u, err := url.Parse(link); err == nil && (u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1") {
		t.screen.say("It works on this computer only; with --server, a server can be named that others reach.")
	}
	t.screen.say("%s", link)
	if t.screen.errTerminal && !t.screen.code(link) {
		t.screen.say("A larger window would have room for the QR code.")
	}
}

// received is what Receive has returned.
type received struct {
	event   encrypted.Event
	err     error
	handled chan struct{} // closed then: the next Receive acknowledges
}

// receive receives until ctx is done or the channel is over.
func receive(ctx context.Context, channel *encrypted.Channel, events chan<- received) {
	for {
		event, err := channel.Receive(ctx)
		r := received{event, err, make(chan struct{})}
		select {
		case events <- r:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		select {
		case <-r.handled:
		case <-ctx.Done():
			return
		}
	}
}

// confirmed tells whether both sides have said that the digits are the same.
func (t *talk) confirmed() bool { return t.mine && t.theirs }

// talking tells whether there is somebody to send texts and files to.
func (t *talk) talking() bool { return t.confirmed() && !t.leaving && !t.bye && !t.stuck }

// next returns what is to be sent now, or nil. It may find that the talk has ended.
func (t *talk) next() *parcel {
	o := &t.outbox
	if t.talking() {
		t.openFile()
		if t.inputDone && o.empty() && t.incoming == nil {
			t.finish()
		}
	}
	quiet := o.current == nil && len(o.control) == 0
	switch {
	case t.gone && (o.current == nil || t.stuck), t.bye && !t.leaving && quiet && len(o.onTheWay) == 0:
		t.lost()
	case t.leaving && quiet:
		t.end(t.words, t.exit)
	case !t.stuck:
		return o.next(t.talking(), t.most)
	}
	return nil
}

// openFile begins with the next file, if there is one and it is its turn.
func (t *talk) openFile() {
	for {
		switch file, path, err := t.outbox.open(); {
		case err != nil:
			t.failed = true
			t.screen.say("The file %s cannot be sent: %v.", path, err)
		case file != nil:
			t.screen.say("Sending %s (%s) ...", file.name, size(int64(len(file.data))))
			return
		default:
			return
		}
	}
}

// finish decides whether the talk is at its end now that all that there is to send has arrived.
func (t *talk) finish() {
	switch {
	case !t.interactive && !t.saidDone:
		t.saidDone = true
		t.outbox.answer(said{Type: "done"})
	case t.interactive, t.peerPiped && t.peerDone, !t.peerPiped && t.outbox.sent:
		words := "Everything has arrived. You have left."
		if t.failed {
			words = "You have left."
		}
		t.part(words, 0)
	}
}

// part has bye said, and then ends the talk.
func (t *talk) part(words string, exit int) {
	t.leaving, t.words, t.exit = true, words, exit
	t.outbox.answer(said{Type: "bye"})
}

// lost ends a talk that the other side has left.
func (t *talk) lost() {
	words, exit := "The other device has left.", 0
	switch {
	case t.leaving:
		t.end(t.words, t.exit)
		return
	case !t.confirmed():
		words, exit = "The other device has left before both had confirmed the digits. Nothing was passed on. Start again with a new link.", exitRefused
	case !t.bye:
		words, exit = "The other device is gone.", exitFailed
	}
	t.end(t.missing(words, exit))
}

// missing adds what has not arrived to the words for an ending.
func (t *talk) missing(words string, exit int) (string, int) {
	if left := t.outbox.undelivered(); t.confirmed() && left != "" {
		words, exit = words+" Not delivered: "+left+".", max(exit, exitFailed)
	}
	if t.incoming != nil {
		words, exit = words+" Not received whole: "+t.incoming.name+".", max(exit, exitFailed)
	}
	return words, exit
}

// end ends the talk.
func (t *talk) end(words string, exit int) {
	if exit == 0 && t.failed {
		exit = exitFailed
	}
	t.words, t.exit, t.over = words, exit, true
}

// leave gives the seat up. A channel in which nobody was paired is ended, and its link with it.
func (t *talk) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if t.offline {
		cancel() // the server ends the seat by itself in time
	}
	if t.paired || t.o.link != "" || t.channel.End(ctx) != nil {
		_ = t.channel.Leave(ctx) // if this fails too, the connection is closed
	}
}
