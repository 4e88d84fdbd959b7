package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"

	"channelserver/client"
	"channelserver/client/encrypted"
)

// A transcript keeps what is written to it, and lets others wait for it.
type transcript struct {
	mu   sync.Mutex
	cond *sync.Cond
	text []byte // guarded by mu, like over
	over bool
}

func newTranscript() *transcript {
	s := new(transcript)
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	s.cond.Broadcast()
	return len(p), nil
}

// end says that nothing more will be written.
func (s *transcript) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.cond.Broadcast()
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// wait waits until something was written that the pattern matches, and returns it.
func (s *transcript) wait(t *testing.T, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if found := wanted.Find(s.text); found != nil {
			return string(found)
		}
		if s.over {
			t.Fatalf("%s was never written, but:\n%s", pattern, s.text)
		}
		s.cond.Wait()
	}
}

// A device runs channelctl pair.
type device struct {
	in        *io.PipeWriter
	out, err  *transcript
	interrupt context.CancelFunc
	status    chan int
}

// nobody is where there is no terminal.
func nobody() (io.ReadWriteCloser, error) { return nil, errors.New("there is no terminal") }

// start runs channelctl pair without a terminal.
func start(t *testing.T, args ...string) *device {
	return startAt(t, nobody, args...)
}

// startAt runs channelctl pair where people can be asked.
func startAt(t *testing.T, terminal func() (io.ReadWriteCloser, error), args ...string) *device {
	t.Helper()
	r, w := io.Pipe()
	ctx, interrupt := context.WithCancel(t.Context())
	d := &device{w, newTranscript(), newTranscript(), interrupt, make(chan int, 1)}
	go func() {
		d.status <- runPair(ctx, args, streams{r, d.out, d.err, terminal})
		r.Close()
		d.out.end()
		d.err.end()
	}()
	return d
}

// link waits for the link.
func (d *device) link(t *testing.T) string {
	t.Helper()
	return d.err.wait(t, `http://\S+#\S+`)
}

// say writes to the input.
func (d *device) say(text string) { _, _ = io.WriteString(d.in, text) }

// ends checks how it ends.
func (d *device) ends(t *testing.T, status int, words string) {
	t.Helper()
	if got := <-d.status; got != status || !strings.Contains(d.err.String(), words) {
		t.Fatalf("exit status %d, want %d and %q:\n%s", got, status, words, d.err)
	}
}

// A peer is another implementation of what channelctl pair talks to, such as a page.
type peer struct {
	*encrypted.Channel
	t *testing.T
}

func joinAs(t *testing.T, link string) *peer {
	t.Helper()
	channel, err := encrypted.Join(t.Context(), nil, link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { channel.Close() })
	p := &peer{channel, t}
	for p.ShortString() == "" {
		p.receive()
	}
	return p
}

func (p *peer) receive() encrypted.Event {
	p.t.Helper()
	event, err := p.Receive(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return event
}

// say sends messages as they are written here, and returns the number of the last.
func (p *peer) say(messages ...string) (seq uint64) {
	p.t.Helper()
	for _, m := range messages {
		var err error
		if seq, err = p.SendText(p.t.Context(), m); err != nil {
			p.t.Fatal(err)
		}
	}
	return seq
}

// processed waits until the other side has processed a message.
func (p *peer) processed(seq uint64) {
	p.t.Helper()
	for {
		if d, ok := p.receive().(client.Delivered); ok && d.Seq >= seq {
			return
		}
	}
}

func (p *peer) sayBinary(data []byte) {
	p.t.Helper()
	if _, err := p.SendBinary(p.t.Context(), data); err != nil {
		p.t.Fatal(err)
	}
}

// hear returns the next message.
func (p *peer) hear() encrypted.Message {
	p.t.Helper()
	for {
		if m, ok := p.receive().(encrypted.Message); ok {
			return m
		}
	}
}

// hears checks the next messages.
func (p *peer) hears(messages ...string) {
	p.t.Helper()
	for _, want := range messages {
		if got := p.hear(); !got.Text || string(got.Data) != want {
			p.t.Fatalf("it said %.200q, want %q", got.Data, want)
		}
	}
}

// TestPair runs channelctl pair against the project's server.
func TestPair(t *testing.T) {
	t.Parallel()
	_, address, _ := startServer(t)
	server := "--server=http://" + address
	for name, test := range map[string]func(*testing.T, string){
		"texts both ways":        pairTexts,
		"files both ways":        pairFiles,
		"a line and good-bye":    pairOneLine,
		"nothing to say":         pairSilence,
		"who is there":           pairWho,
		"said to be different":   pairDifferent,
		"nobody speaks too soon": pairTooSoon,
		"wrong secret":           pairWrongSecret,
		"second joiner":          pairSecond,
		"dead link":              pairDeadLink,
		"peer leaves":            pairPeerLeaves,
		"peer leaves in between": pairPeerLeavesEarly,
		"creator ends":           pairCreatorEnds,
		"hostile files":          pairHostileFiles,
		"files refused":          pairNoFiles,
		"file unwanted":          pairUnwanted,
		"file comes first":       pairFileFirst,
		"own file cancelled":     pairOwnCancel,
		"file asked for again":   pairAgain,
		"interrupted":            pairInterrupted,
		"bad lines":              pairBadLines,
		"output closed":          pairOutputClosed,
		"too many messages":      pairTooMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server)
		})
	}
}

func pairTexts(t *testing.T, server string) {
	a := start(t, server, "--no-files")
	b := start(t, a.link(t), "--no-files")
	a.say("Grüße\n")
	b.out.wait(t, "^Grüße\n$")
	b.say("1\n\n3\x1b[2J\r\n")
	a.out.wait(t, "^1\n\n3\x1b\\[2J\n$") // as it was written: it is no terminal
	a.say("no end of line")
	a.in.Close()
	b.out.wait(t, "no end of line\n$")
	b.say(strings.Repeat("many lines\n", 20_000)) // many more than a channel carries messages
	b.in.Close()
	a.ends(t, 0, "left.")
	b.ends(t, 0, "left.")
	if want := "1\n\n3\x1b[2J\n" + strings.Repeat("many lines\n", 20_000); a.out.String() != want {
		t.Errorf("it wrote %d octets, want %d", len(a.out.String()), len(want))
	}
}

// Nobody types at either end, but the other side's software does not say so: it is told, and left.
func pairOneLine(t *testing.T, server string) {
	a := start(t, server)
	p := joinAs(t, a.link(t))
	p.hears(`{"type":"confirm","piped":true}`)
	p.say(`{"type":"confirm"}`)
	a.say("hi\n")
	p.hears(`{"type":"text","text":"hi"}`)
	a.in.Close()
	p.hears(`{"type":"done"}`, `{"type":"bye"}`)
	a.ends(t, 0, "Everything has arrived.")
}

// With nothing to say, one waits for what the other says.
func pairSilence(t *testing.T, server string) {
	a := start(t, server)
	a.in.Close()
	p := joinAs(t, a.link(t))
	p.say(`{"type":"confirm"}`)
	p.hears(`{"type":"confirm","piped":true}`, `{"type":"done"}`)
	p.say(`{"type":"text","text":"hi"}`, `{"type":"bye"}`)
	a.ends(t, 0, "The other device has left.")
	if a.out.String() != "hi\n" {
		t.Errorf("it wrote %q", a.out)
	}
	a, b := start(t, server), (*device)(nil)
	b = start(t, a.link(t))
	a.in.Close()
	b.in.Close()
	a.ends(t, 0, "left")
	b.ends(t, 0, "left")
}

// A tty is a terminal on which a person is asked.
type tty struct {
	io.Reader
	*transcript
}

func (tty) Close() error { return nil }

func pairWho(t *testing.T, server string) {
	screens := [2]*transcript{newTranscript(), newTranscript()}
	person := func(number int, answer string) func() (io.ReadWriteCloser, error) {
		return func() (io.ReadWriteCloser, error) { return tty{strings.NewReader(answer), screens[number]}, nil }
	}
	a := startAt(t, person(0, "Yes\n"), server)
	b := startAt(t, person(1, "y\n"), a.link(t))
	paired := regexp.MustCompile(`Paired: channelctl \(\w+\) \(127\.0\.0\.1\)\. These digits must be on both devices: (\d{3} \d{3})\n`)
	b.err.wait(t, "Both have confirmed")
	a.err.wait(t, "Both have confirmed")
	digits := paired.FindStringSubmatch(a.err.String())
	if digits == nil || !strings.Contains(b.err.String(), digits[1]) {
		t.Errorf("they say:\n%s\n%s", a.err, b.err)
	}
	for _, s := range screens {
		s.wait(t, "Does the other device show "+digits[1]+` too\? \[y/N\] `)
	}
	a.in.Close()
	b.in.Close()
	a.ends(t, 0, "")
	b.ends(t, 0, "")
	again := startAt(t, person(0, ""), server, "--yes")
	joinAs(t, again.link(t)).hears(`{"type":"confirm","piped":true}`)
	again.interrupt()
	again.ends(t, exitInterrupted, "Nobody was asked")
}

func pairDifferent(t *testing.T, server string) {
	for _, answer := range []string{"n\n", "\n", "", "yesterday\n"} {
		a := startAt(t, func() (io.ReadWriteCloser, error) { return tty{strings.NewReader(answer), newTranscript()}, nil }, server)
		b := start(t, a.link(t))
		a.ends(t, exitRefused, "You have said that the digits are not the same.")
		b.ends(t, exitRefused, "before both had confirmed")
	}
}

func pairTooSoon(t *testing.T, server string) {
	ask, answer := io.Pipe()
	a := startAt(t, func() (io.ReadWriteCloser, error) { return tty{ask, newTranscript()}, nil }, server, "--directory", t.TempDir())
	p := joinAs(t, a.link(t))
	a.err.wait(t, "Paired")
	p.processed(p.say(`{"type":"confirm"}`, `{"type":"text","text":"too soon"}`, `{"type":"file","id":1,"name":"too soon","size":0}`, `{"type":"done"}`))
	_, _ = io.WriteString(answer, "y\n")
	p.hears(`{"type":"confirm","piped":true}`)
	p.say(`not JSON`, `{"type":"text"}`, `{"type":"file","id":0,"name":"x","size":0}`, `{"type":"new"}`, `{"type":"text","text":"now","new":1}`, `{"type":"bye"}`)
	a.ends(t, 0, "The other device has left.")
	if a.out.String() != "now\n" || strings.Contains(a.err.String(), "too soon") {
		t.Errorf("it wrote %q and said:\n%s", a.out, a.err)
	}
}

func pairWrongSecret(t *testing.T, server string) {
	a := start(t, server)
	link := a.link(t)
	secret := strings.LastIndexByte(link, '.') + 1
	wrong := link[:secret] + "A" + link[secret+1:]
	if link[secret] == 'A' {
		wrong = link[:secret] + "B" + link[secret+1:]
	}
	start(t, wrong).ends(t, exitRefused, "wrong secret")
	a.err.wait(t, "Somebody has come with a wrong link, and was refused.")
	p := joinAs(t, link)
	p.say(`{"type":"bye"}`)
	a.ends(t, exitRefused, "before both had confirmed")
}

func pairSecond(t *testing.T, server string) {
	a := start(t, server)
	b := start(t, a.link(t))
	b.err.wait(t, "Both have confirmed")
	start(t, a.link(t)).ends(t, exitRefused, "Another device has come with this link before.")
	a.err.wait(t, "Somebody else has come with the link, and was refused.")
	a.say("still here\n")
	b.out.wait(t, "still here")
	a.in.Close()
	b.in.Close()
	a.ends(t, 0, "")
	b.ends(t, 0, "")
}

func pairDeadLink(t *testing.T, server string) {
	a := start(t, server)
	link := a.link(t)
	a.interrupt()
	a.ends(t, exitInterrupted, "Interrupted.")
	start(t, link).ends(t, exitRefused, "This link is used up")
	start(t, "--server", "http://127.0.0.1:1").ends(t, exitFailed, "There is no way to the server http://127.0.0.1:1: dial tcp 127.0.0.1:1")
}

func pairPeerLeaves(t *testing.T, server string) {
	for _, way := range []struct {
		leave  func(*peer) error
		status int
		words  string
	}{
		{func(p *peer) error { p.say(`{"type":"bye"}`); return nil }, 0, "The other device has left."},
		{func(p *peer) error { return p.Leave(t.Context()) }, 0, "The other device has left."},
		{func(p *peer) error { p.say(`{"type":"bye"}`); return p.Leave(t.Context()) }, 0, "The other device has left."},
	} {
		a := start(t, server)
		p := joinAs(t, a.link(t))
		p.say(`{"type":"confirm"}`)
		a.err.wait(t, "Both have confirmed")
		if err := way.leave(p); err != nil {
			t.Fatal(err)
		}
		a.ends(t, way.status, way.words)
	}
}

func pairPeerLeavesEarly(t *testing.T, server string) {
	first, second := file(t, "first", 1_000_000), file(t, "second", 1)
	a := start(t, server, "--directory", t.TempDir(), "--file", first, "--file", second)
	p := joinAs(t, a.link(t))
	p.hears(`{"type":"confirm","piped":true}`)
	p.say(`{"type":"confirm"}`, `{"type":"file","id":1,"name":"half","size":2}`)
	p.sayBinary([]byte{1})
	p.hears(`{"type":"file","id":1,"name":"first","size":1000000,"mime":"application/octet-stream"}`)
	a.err.wait(t, "Receiving half")
	if err := p.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.ends(t, exitFailed, "The other device has left. Not delivered: first and second. Not received whole: half.")
}

func pairCreatorEnds(t *testing.T, server string) {
	creator, err := encrypted.Create(t.Context(), nil, strings.TrimPrefix(server, "--server="))
	if err != nil {
		t.Fatal(err)
	}
	defer creator.Close()
	p := &peer{creator, t}
	b := start(t, p.Link())
	for p.ShortString() == "" {
		p.receive()
	}
	p.say(`{"type":"confirm"}`)
	p.hears(`{"type":"confirm","piped":true}`)
	b.err.wait(t, "Both have confirmed")
	if err := p.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.ends(t, 0, "has ended the pairing")
}

func pairInterrupted(t *testing.T, server string) {
	a := start(t, server)
	b := start(t, a.link(t))
	a.err.wait(t, "Both have confirmed")
	b.interrupt()
	b.ends(t, exitInterrupted, "Interrupted.")
	a.ends(t, 0, "The other device has left.")
}

func pairBadLines(t *testing.T, server string) {
	a := start(t, server)
	b := start(t, a.link(t))
	b.in.Close()
	a.say(strings.Repeat("x", 70_000) + "\n" + strings.Repeat(`"`, 40_000) + "\ngood\n\xff\nbetter\n")
	a.in.Close()
	a.ends(t, exitFailed, "was not sent")
	b.ends(t, 0, "")
	if b.out.String() != "good\nbetter\n" || strings.Count(a.err.String(), "was not sent") != 3 {
		t.Errorf("it wrote %q; the sender said\n%s", b.out, a.err)
	}
}

// A closedPipe cannot be written to.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

func pairOutputClosed(t *testing.T, server string) {
	problems, status := newTranscript(), make(chan int)
	r, _ := io.Pipe()
	go func() {
		status <- runPair(t.Context(), []string{server}, streams{r, closedPipe{}, problems, nobody})
	}()
	p := joinAs(t, problems.wait(t, `http://\S+#\S+`))
	p.say(`{"type":"confirm"}`, `{"type":"text","text":"hi"}`)
	p.hears(`{"type":"confirm","piped":true}`, `{"type":"bye"}`)
	if got := <-status; got != exitFailed || !strings.Contains(problems.String(), "cannot be written: nobody reads") {
		t.Errorf("exit status %d\n%s", got, problems)
	}
}

// The server ends a channel that has carried what it was asked to carry.
func pairTooMany(t *testing.T, server string) {
	a := start(t, server)
	p := joinAs(t, a.link(t))
	p.say(`{"type":"confirm"}`)
	var err error
	for err == nil {
		_, err = p.SendText(t.Context(), `{"type":"new"}`)
	}
	if closed, ok := errors.AsType[*client.CloseError](err); !ok || closed.Reason != "too-many-messages" {
		t.Fatal(err)
	}
	a.ends(t, exitFailed, "The server carries no more messages for this pairing.")
}
