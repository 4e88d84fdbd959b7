package relay

import "time"

// A Kind says what an Entry tells.
type Kind uint8

// The kinds of entry. Members that are Live are given messages only.
const (
	Message   Kind = iota // From sent Body
	Joined                // From took a seat
	Left                  // From lost its seat; Why tells how
	Away                  // From lost its connection and keeps its seat; Why tells how
	Back                  // From has a connection again
	Ending                // the channel will end At that time; Why tells how
	Delivered             // From has acknowledged everything through Seq
)

// An Entry is what a member takes from its channel: a message, or something else to be told in
// order with the messages.
type Entry struct {
	Kind Kind
	Why  Reason
	Seq  uint64    // of a message: its number in the channel, from 1
	From *Member   // whom it is about; nil for Ending
	Body []byte    // of a message: what the door that took it in rendered; for use until the next Take; not to be modified
	At   time.Time // of a message: when it was accepted

	box *box // that Body lies in; nil for none
}

// entryOverhead is what an entry costs beyond its body, in octets, so that a log of empty
// messages is bounded too.
const entryOverhead = 64

func (e *Entry) octets() int64 { return int64(len(e.Body)) + entryOverhead }

// log is the ordered list of what somebody may still ask for. A position counts all that was ever
// appended; a cursor is the position of the entry that it reads next.
type log struct {
	entries []Entry // entries[i] stands at position dropped+i
	dropped uint64  // how many entries have been dropped from the front
	octets  int64   // what entries holds
	lent    uint64  // the position before which an attachment that has ended may still be busy with what it took
}

// end returns the position that the next entry will have.
func (l *log) end() uint64 { return l.dropped + uint64(len(l.entries)) }

func (l *log) at(position uint64) *Entry { return &l.entries[position-l.dropped] }

func (l *log) append(e Entry) {
	l.entries = append(l.entries, e)
	l.octets += e.octets()
}

// dropBefore forgets every entry before the position. When all attachments are parked, they are done with what they took.
func (l *log) dropBefore(position uint64, parked bool) {
	n := int(position - l.dropped)
	if n == 0 {
		return
	}
	for i := range l.entries[:n] {
		l.octets -= l.entries[i].octets()
		if parked && l.dropped+uint64(i) >= l.lent {
			l.entries[i].unpack()
		}
	}
	kept := copy(l.entries, l.entries[n:])
	clear(l.entries[kept:]) // so that the messages can be collected
	l.entries = l.entries[:kept]
	l.dropped = position
}
