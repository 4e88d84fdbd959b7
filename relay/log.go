package relay

import "time"

// An Entry is one message in a channel's log. It does not change once it is there.
type Entry struct {
	Seq  uint64    // the number of the message in its channel, from 1
	From *Member   // who sent it
	Body []byte    // the message, as the door that took it in rendered it; never modified
	At   time.Time // when it was accepted
}

// entryOverhead is what an entry costs beyond its body, in octets, so that a log of empty
// messages is bounded too.
const entryOverhead = 64

func (e *Entry) octets() int64 { return int64(len(e.Body)) + entryOverhead }

// log is the ordered list of what some cursor has not passed yet. A position counts all that was
// ever appended; a cursor is the position of the entry that it reads next.
type log struct {
	entries []Entry // entries[i] stands at position dropped+i
	dropped uint64  // how many entries have been dropped from the front
	octets  int64   // what entries holds
}

// end returns the position that the next entry will have.
func (l *log) end() uint64 { return l.dropped + uint64(len(l.entries)) }

func (l *log) at(position uint64) *Entry { return &l.entries[position-l.dropped] }

func (l *log) append(e Entry) {
	l.entries = append(l.entries, e)
	l.octets += e.octets()
}

// dropBefore forgets every entry before the position.
func (l *log) dropBefore(position uint64) {
	n := int(position - l.dropped)
	if n == 0 {
		return
	}
	for i := range l.entries[:n] {
		l.octets -= l.entries[i].octets()
	}
	kept := copy(l.entries, l.entries[n:])
	clear(l.entries[kept:]) // so that the messages can be collected
	l.entries = l.entries[:kept]
	l.dropped = position
}
