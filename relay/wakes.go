package relay

// Wakes are attachments that have something to Take and are yet to be told. The zero Wakes are
// none. They are for one goroutine.
type Wakes struct {
	first, last *Attachment // linked by Attachment.next
}

func (w *Wakes) add(a *Attachment) { w.join(Wakes{a, a}) }

// join takes over those of others.
func (w *Wakes) join(others Wakes) {
	switch {
	case others.first == nil:
	case w.last == nil:
		*w = others
	default:
		w.last.next = others.first
		w.last = others.last
	}
}

// Flush tells them all. There are none left then.
func (w *Wakes) Flush() {
	a := w.first
	*w = Wakes{}
	for a != nil {
		next := a.next
		a.next = nil // before it is woken: then it may be added again
		a.peer.Wake()
		a = next
	}
}
