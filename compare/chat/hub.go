package main

// A hub has all channels. Its goroutine, run, is the only one that touches them.
type hub struct {
	join     chan *member
	leave    chan *member
	messages chan message
	channels map[string]map[*member]bool // by id; owned by run
}

// A message is on its way from a member to the others of its channel.
type message struct {
	from *member
	text []byte // the frame that they get
}

func newHub() *hub {
	return &hub{
		join:     make(chan *member),
		leave:    make(chan *member),
		messages: make(chan message),
		channels: make(map[string]map[*member]bool),
	}
}

func (h *hub) run() {
	for {
		select {
		case m := <-h.join:
			if h.channels[m.id] == nil {
				h.channels[m.id] = make(map[*member]bool)
			}
			h.channels[m.id][m] = true
		case m := <-h.leave:
			h.drop(m)
		case sent := <-h.messages:
			for m := range h.channels[sent.from.id] {
				if m == sent.from {
					continue
				}
				select {
				case m.send <- sent.text:
				default:
					h.drop(m) // it does not read
				}
			}
		}
	}
}

func (h *hub) drop(m *member) {
	if members := h.channels[m.id]; members[m] {
		delete(members, m)
		close(m.send)
		if len(members) == 0 {
			delete(h.channels, m.id)
		}
	}
}
