package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"slices"

	"channelserver/client"
	"channelserver/client/encrypted"
)

// window is how many texts and pieces may be on their way at once (docs/pairing.md section 4).
const window = 4

// maxControl is how many short messages may wait to be sent. Only a peer that makes this side answer faster
// than it can gets that far; then it is not answered.
const maxControl = 64

// An outgoing file is the one that is being sent, or that was sent last.
type outgoing struct {
	id        int64
	name      string
	data      []byte
	kind      string // media type
	announced bool
	offset    int  // of the next piece
	delivered int  // octets
	over      bool // delivered, or not to be sent any more
}

// openOutgoing reads a file to be sent.
func openOutgoing(path string, id int64) (*outgoing, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("it has grown past %s", size(maxFile))
	}
	kind := mime.TypeByExtension(filepath.Ext(path))
	if kind == "" {
		kind = "application/octet-stream"
	}
	return &outgoing{id: id, name: filepath.Base(path), data: data, kind: kind}, nil
}

// A parcel is one message to the other device.
type parcel struct {
	text   string
	binary []byte    // instead of text, if it is not nil
	file   *outgoing // that it is of; nil for none
	octets int       // of the file
	last   bool      // of the file
	counts bool      // it counts towards the window
	void   bool      // its file was begun again since
	seq    uint64    // once it has been sent
}

// An outbox decides what is sent next, and knows what has arrived. It is for one goroutine at a time.
type outbox struct {
	control []said   // goes first
	text    *string  // waits to be sent
	paths   []string // of all files; the id of each is its place, from 1
	queue   []int64  // ids of files that wait to be sent
	file    *outgoing

	current   *parcel   // is being sent
	onTheWay  []*parcel // sent and not delivered; those that count
	delivered uint64    // the number of the last message that the other side has
	turn      bool      // a file's, if there is a text too
	sent      bool      // a text or a file was
}

// answer has a short message sent.
func (o *outbox) answer(m said) {
	if len(o.control) < maxControl {
		o.control = append(o.control, m)
	}
}

// next returns what is to be sent now, or nil. Before both sides have confirmed, only control is.
func (o *outbox) next(confirmed bool, most int) *parcel {
	if o.current != nil {
		return nil
	}
	switch {
	case len(o.control) > 0:
		o.current = &parcel{text: o.control[0].render()}
		o.control = o.control[1:]
	case !confirmed || len(o.onTheWay) >= window:
	case o.text != nil && !(o.turn && o.sending()):
		o.current = &parcel{text: said{Type: "text", Text: o.text}.render(), counts: true}
		o.text, o.turn, o.sent = nil, true, true
	case o.sending():
		o.current = o.file.next(most)
		o.turn, o.sent = false, true
	}
	return o.current
}

// sending tells whether some of a file is still to be sent.
func (o *outbox) sending() bool {
	return o.file != nil && !o.file.over && (!o.file.announced || o.file.offset < len(o.file.data))
}

// next returns the next message of a file.
func (f *outgoing) next(most int) *parcel {
	p := &parcel{file: f, counts: true}
	if !f.announced {
		f.announced = true
		octets := int64(len(f.data))
		p.text = said{Type: "file", ID: f.id, Name: f.name, Size: &octets, Mime: f.kind}.render()
	} else {
		p.binary = f.data[f.offset:min(f.offset+most, len(f.data))]
		p.octets = len(p.binary)
		f.offset += p.octets
	}
	p.last = f.offset == len(f.data)
	return p
}

// newOutbox returns an outbox for these files.
func newOutbox(paths []string) outbox {
	o := outbox{paths: paths}
	for i := range paths {
		o.queue = append(o.queue, int64(i)+1)
	}
	return o
}

// open reads the next file, if it is its turn, and tells whether there is one. A file that cannot be read is
// left out.
func (o *outbox) open() (file *outgoing, path string, err error) {
	if len(o.queue) == 0 || o.file != nil && !o.file.over {
		return nil, "", nil
	}
	id := o.queue[0]
	o.queue = o.queue[1:]
	path = o.paths[id-1]
	if file, err = openOutgoing(path, id); err == nil {
		o.file = file
	}
	return file, path, err
}

// again has a file sent from its start, as the other side asks. It tells whether there is such a file.
func (o *outbox) again(id int64) bool {
	if id > int64(len(o.paths)) {
		return false
	}
	if o.file != nil && o.file.id == id {
		for _, p := range slices.Concat(o.onTheWay, []*parcel{o.current}) {
			if p != nil && p.file == o.file {
				p.void = true
			}
		}
		o.file.over = true
	}
	if !slices.Contains(o.queue, id) {
		o.queue = slices.Insert(o.queue, 0, id)
	}
	return true
}

// settle takes the result of what was sent, or, with nil, what was acknowledged.
// It returns the parcels that have arrived since.
func (o *outbox) settle(done *parcel) (arrived []*parcel) {
	if done != nil {
		o.current = nil
		if done.counts {
			o.onTheWay = append(o.onTheWay, done)
		}
	}
	for len(o.onTheWay) > 0 && o.onTheWay[0].seq <= o.delivered { // in version 1, all that is sent is 0
		arrived = append(arrived, o.onTheWay[0])
		o.onTheWay = o.onTheWay[1:]
	}
	return arrived
}

// empty tells whether all has arrived.
func (o *outbox) empty() bool {
	return o.current == nil && len(o.control) == 0 && o.text == nil && len(o.queue) == 0 &&
		(o.file == nil || o.file.over) && len(o.onTheWay) == 0
}

// undelivered says what has not arrived, or "".
func (o *outbox) undelivered() string {
	var left []string
	if o.text != nil || o.current != nil && o.current.counts && o.current.file == nil ||
		slices.ContainsFunc(o.onTheWay, func(p *parcel) bool { return p.file == nil }) {
		left = append(left, "the last text")
	}
	if o.file != nil && !o.file.over {
		left = append(left, o.file.name)
	}
	for _, id := range o.queue {
		left = append(left, filepath.Base(o.paths[id-1]))
	}
	return list(left)
}

// A result tells what became of a parcel.
type result struct {
	parcel *parcel
	err    error
}

// post sends parcels until ctx is done.
func post(ctx context.Context, channel *encrypted.Channel, parcels <-chan *parcel, results chan<- result) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-parcels:
			var err error
			if p.binary != nil {
				p.seq, err = channel.SendBinary(ctx, p.binary)
			} else {
				p.seq, err = channel.SendText(ctx, p.text)
			}
			select {
			case results <- result{p, err}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// refusal returns why the server did not take a message, where that is about this message only.
func refusal(err error) (string, bool) {
	refused, ok := errors.AsType[*client.RefusedError](err)
	if !ok {
		return "", false
	}
	return refused.Reason, true
}

// list writes names in a row.
func list(names []string) string {
	var b bytes.Buffer
	for i, name := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}
