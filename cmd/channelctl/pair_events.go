package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"channelserver/client"
	"channelserver/client/encrypted"
)

// step waits for the next thing to happen, and sees to it.
func (t *talk) step(results <-chan result, events <-chan received) {
	inputs := t.inputs
	if !t.talking() || t.outbox.text != nil { // it has to wait
		inputs = nil
	}
	select {
	case r := <-results:
		t.sent(r)
	case r := <-events:
		if r.err != nil {
			t.closed(r.err)
		} else {
			t.handle(r.event)
		}
		close(r.handled)
	case i := <-inputs:
		t.read(i)
	case same := <-t.answers:
		if same {
			t.confirm()
		} else {
			t.part("You have said that the digits are not the same. Nothing was passed on. Start again with a new link; "+
				"if it happens again, do not trust this server or this network.", exitRefused)
		}
	case <-t.interrupt:
		t.interrupt = nil
		words := "Interrupted."
		if t.confirmed() {
			words, _ = t.missing(words, 0)
		}
		if !t.paired || t.gone || t.offline {
			t.end(words, exitInterrupted)
			return
		}
		t.part(words, exitInterrupted)
		t.deadline = time.After(goodbye)
	case <-t.deadline:
		t.gone, t.stuck = true, true
	}
}

// closed ends the talk with the channel.
func (t *talk) closed(err error) {
	words, exit := explain(err, t.server)
	ended, ok := errors.AsType[*client.CloseError](err)
	switch {
	case t.leaving, t.bye:
		t.lost()
		return
	case t.confirmed() && ok && ended.Reason == "channel-ended":
		exit = 0
	case t.o.link == "" && !t.paired && ok && ended.Reason == "channel-expired":
		words = "Nobody has come in time. Start again with a new link."
	}
	t.end(t.missing(words, exit))
}

// sent notes what has become of a message.
func (t *talk) sent(r result) {
	if reason, refused := refusal(r.err); refused {
		t.end(fmt.Sprintf("The server does not pass on what is sent: %s.", reason), exitFailed)
		return
	}
	if r.err != nil {
		t.stuck = true
		return
	}
	t.arrived(t.outbox.settle(r.parcel))
}

// arrived tells of what the other side has.
func (t *talk) arrived(parcels []*parcel) {
	for _, p := range parcels {
		f := p.file
		if f == nil || p.void || f.over {
			continue
		}
		f.delivered += p.octets
		if p.last {
			f.over = true
			t.screen.say("Sent %s (%s).", f.name, size(int64(len(f.data))))
			continue
		}
		t.screen.progress("Sending %s: %d %%", oneLine(f.name, 40), 100*f.delivered/len(f.data))
	}
}

// read takes in what was read from the input.
func (t *talk) read(i input) {
	switch {
	case i.end:
		t.inputDone = true
		if t.interactive && !t.outbox.empty() {
			t.screen.say("Leaving when everything has arrived ...")
		}
	case i.problem != "":
		t.failed = true
		t.screen.say("%s", i.problem)
	default:
		t.outbox.text = &i.text
	}
}

// handle takes in what the channel tells.
func (t *talk) handle(event encrypted.Event) {
	switch e := event.(type) {
	case encrypted.Paired:
		t.pair(e)
	case encrypted.Refused:
		if e.Reason == encrypted.ReasonAlreadyPaired {
			t.screen.say("Somebody else has come with the link, and was refused.")
		} else {
			t.screen.say("Somebody has come with a wrong link, and was refused. Still waiting ...")
		}
	case encrypted.Message:
		if e.Text {
			if m, ok := parseSaid(e.Data); ok {
				t.hear(m)
			}
		} else {
			t.piece(e.Data)
		}
	case client.Delivered:
		if t.paired && e.Member == t.peer {
			t.outbox.delivered = max(t.outbox.delivered, e.Seq)
			t.arrived(t.outbox.settle(nil))
		}
	case client.Away:
		if t.paired && e.Member == t.peer && !t.bye {
			t.screen.say("The other device has lost its connection. Waiting for it ...")
		}
	case client.Back:
		if t.paired && e.Member == t.peer {
			t.screen.say("The other device is back.")
		}
	case client.Left:
		creator := !t.paired && t.o.link != "" && e.Member == 1
		if t.paired && e.Member == t.peer || creator {
			t.gone, t.bye = true, t.bye || e.Reason == "bye"
			if t.deadline == nil {
				t.deadline = time.After(lastWords) // for what the server says of the message that is being sent
			}
		}
	case client.Ending:
		t.ending(e)
	case client.Reconnecting:
		t.offline = true
		t.screen.say("The connection is lost. Trying to get it back ...")
	case client.Resumed:
		t.offline = false
		t.screen.say("Connected again.")
	}
}

func (t *talk) ending(e client.Ending) {
	left := lasting(time.Until(e.At))
	if e.Reason == "restart" {
		t.screen.say("The server is about to be restarted; this ends in %s.", left)
	} else {
		t.screen.say("This ends in %s.", left)
	}
}

// pair shows who is there, and has the digits compared.
func (t *talk) pair(e encrypted.Paired) {
	t.paired, t.peer = true, e.Member
	t.screen.say("Paired: %s. These digits must be on both devices: %s", who(e.Sender), e.ShortString)
	if !t.o.yes {
		terminal, err := t.streams.terminal()
		switch {
		case err == nil:
			go t.ask(terminal, e.ShortString)
			return
		case t.interactive:
			t.part("There is a person, but no terminal to ask on. --yes goes on without asking.", exitFailed)
			return
		}
	}
	t.screen.say("Nobody was asked whether they are.")
	t.confirm()
}

// ask asks a person whether the digits are the same.
func (t *talk) ask(terminal io.ReadWriteCloser, digits string) {
	defer terminal.Close()
	fmt.Fprintf(terminal, "Does the other device show %s too? [y/N] ", digits)
	line, _ := bufio.NewReader(terminal).ReadString('\n') // no answer is a no
	line = strings.ToLower(strings.TrimSpace(line))
	select {
	case t.answers <- line == "y" || line == "yes":
	case <-t.stopped:
	}
}

// openTerminal opens the terminal that this program was started from, if it was.
func openTerminal() (io.ReadWriteCloser, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) }

// confirm says that the digits are the same.
func (t *talk) confirm() {
	t.mine = true
	t.outbox.answer(said{Type: "confirm", Piped: !t.interactive})
	if t.theirs {
		t.begin()
	} else if !t.bye {
		t.screen.say("Waiting for the other device to confirm ...")
	}
}

// begin begins to read input.
func (t *talk) begin() {
	if t.interactive {
		t.screen.say("Both have confirmed. What you type is sent, line by line; Ctrl-D leaves.")
	} else {
		t.screen.say("Both have confirmed.")
	}
	go readInput(t.streams.in, t.most-len(said{Type: "text", Text: new(string)}.render()), t.inputs, t.stopped)
}

// hear takes in a message of the other side.
func (t *talk) hear(m said) {
	switch {
	case m.Type == "bye":
		t.bye = true
		if !t.leaving {
			t.deadline = time.After(lastWords)
		}
	case m.Type == "confirm":
		if t.theirs {
			return
		}
		t.theirs, t.peerPiped = true, m.Piped
		if t.mine {
			t.begin()
		}
	case !t.confirmed(): // nobody knows yet who that is
	case m.Type == "done":
		t.peerDone = true
	case m.Type == "text":
		if err := t.screen.show(*m.Text); err != nil && !t.leaving {
			t.part(fmt.Sprintf("What the other device sends cannot be written: %v.", err), exitFailed)
		}
	case m.Type == "file":
		t.announced(m)
	case m.Type == "cancel":
		t.cancelled(m)
	case m.Type == "again":
		if t.outbox.again(m.ID) {
			t.screen.say("The other device asks for %s again.", t.outbox.paths[m.ID-1])
		} else {
			t.outbox.answer(said{Type: "cancel", ID: m.ID, Mine: true})
		}
	}
}

// announced begins to take in a file, in place of one that was not finished.
func (t *talk) announced(m said) {
	if old := t.incoming; old != nil && old.id != m.ID {
		t.drop("%s did not come whole.", old.name)
	}
	name := cleanName(m.Name)
	switch {
	case t.o.noFiles:
		t.screen.say("The other device wants to send %s. It was refused, because of --no-files.", name)
	case *m.Size > maxFile:
		t.screen.say("The other device wants to send %s, which has %s. It was refused: at most %s are taken.", name, size(*m.Size), size(maxFile))
	default:
		t.incoming = &incoming{id: m.ID, name: name, size: *m.Size}
		t.screen.say("Receiving %s (%s) ...", name, size(*m.Size))
		t.piece(nil) // it may be empty
		return
	}
	t.outbox.answer(said{Type: "cancel", ID: m.ID})
}

// drop gives up the file that comes.
func (t *talk) drop(format string, args ...any) {
	t.incoming, t.failed = nil, true
	t.screen.say(format, args...)
}

// piece takes in some of a file.
func (t *talk) piece(data []byte) {
	f := t.incoming
	if f == nil {
		return // it is not wanted
	}
	f.data = append(f.data, data...)
	switch got := int64(len(f.data)); {
	case got > f.size:
		t.drop("%s is larger than the other device has said, and was not saved.", f.name)
		t.outbox.answer(said{Type: "cancel", ID: f.id})
	case got < f.size:
		t.screen.progress("Receiving %s: %d %%", oneLine(f.name, 40), 100*got/f.size)
	default:
		path, err := f.save(t.o.directory)
		if err != nil {
			t.drop("%s cannot be saved: %v.", f.name, err)
			t.outbox.answer(said{Type: "cancel", ID: f.id})
			return
		}
		t.incoming = nil
		t.screen.say("Saved %s (%s).", path, size(f.size))
	}
}

// cancelled takes in that a file will not come, or is not wanted. Which of the two is told by Mine; without
// it, it is the file that this side sends, if it sends one of that number.
func (t *talk) cancelled(m said) {
	f := t.outbox.file
	switch {
	case !m.Mine && f != nil && f.id == m.ID && !f.over:
		f.over, t.failed = true, true
		t.screen.say("The other device does not want %s.", f.name)
	case t.incoming != nil && t.incoming.id == m.ID:
		t.drop("The other device has stopped sending %s.", t.incoming.name)
	}
}
