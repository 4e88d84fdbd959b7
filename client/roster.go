package client

import (
	"maps"
	"time"
)

// A roster knows what a program has been told about its channel, over all connections. After a
// resume the server tells again what it is not sure of, and the roster passes on what is new.
type roster struct {
	got     uint64 // the last message
	members map[int]*member
}

// A member is another one, as the program knows it.
type member struct {
	sender    Sender
	present   bool
	left      bool   // and will not come back: numbers are not used again
	delivered uint64 // the message through which it has acknowledged
}

// maxMembers bounds a roster.
const maxMembers = 1024

// add notes a member that the program has not been told of.
func (r *roster) add(number int, sender Sender) error {
	if len(r.members) >= maxMembers {
		maps.DeleteFunc(r.members, func(_ int, m *member) bool { return m.left })
	}
	if len(r.members) >= maxMembers {
		return broken("more than %d members have seats in one channel", maxMembers)
	}
	if r.members == nil {
		r.members = make(map[int]*member)
	}
	r.members[number] = &member{sender: sender, present: true}
	return nil
}

// welcome returns what the list of members in a welcome tells. About a member that is missing there
// it tells nothing: the server tells that it left after what it had sent before.
func (r *roster) welcome(f *frame) ([]Event, error) {
	var events []Event
	for _, p := range f.Members {
		m := r.members[p.Member]
		if m == nil {
			if err := r.add(p.Member, p.Sender); err != nil {
				return nil, err
			}
			events = append(events, Joined{p.Member, p.Sender})
		}
		if p.Present {
			events = append(events, r.set(p.Member, true, Back{p.Member})...)
		} else {
			events = append(events, r.set(p.Member, false, Away{Member: p.Member})...)
		}
	}
	return events, nil
}

// set notes whether a member has a connection, and returns the event if that is new.
func (r *roster) set(number int, present bool, e Event) []Event {
	m := r.members[number]
	if m == nil || m.left || m.present == present {
		return nil
	}
	m.present = present
	return []Event{e}
}

// read returns what any other frame of version 2 tells.
func (r *roster) read(f *frame) ([]Event, error) {
	m := r.members[f.Member]
	switch f.Type {
	case "message":
		if f.Seq <= r.got {
			return nil, nil
		}
		r.got = f.Seq
		e := Message{Seq: f.Seq, From: f.From, Text: *f.Message}
		if from := r.members[f.From]; from != nil {
			e.Sender = from.sender
		}
		return []Event{e}, nil
	case "joined":
		if m != nil {
			return nil, nil
		}
		if err := r.add(f.Member, f.Sender); err != nil {
			return nil, err
		}
		return []Event{Joined{f.Member, f.Sender}}, nil
	case "left":
		if m == nil || m.left {
			return nil, nil
		}
		*m = member{left: true}
		return []Event{Left{f.Member, f.Reason}}, nil
	case "away":
		return r.set(f.Member, false, Away{f.Member, f.Reason}), nil
	case "back":
		return r.set(f.Member, true, Back{f.Member}), nil
	case "delivered":
		if m == nil || m.left || f.Seq <= m.delivered {
			return nil, nil
		}
		m.delivered = f.Seq
		return []Event{Delivered{f.Member, f.Seq}}, nil
	case "ending":
		return []Event{Ending{time.Now().Add(milliseconds(f.In)), f.Reason}}, nil
	}
	return nil, nil
}
