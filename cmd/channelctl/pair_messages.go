package main

import (
	"bytes"
	"encoding/json"
)

// maxFile is how many octets a file may have, either way (docs/pairing.md section 4).
const maxFile = 10 << 20

// A said is a text message between the paired devices (docs/pairing.md section 2).
type said struct {
	Type  string  `json:"type"`
	Piped bool    `json:"piped,omitempty"` // confirm: the input is a program's or a file's, and `done` will follow
	Text  *string `json:"text,omitempty"`  // text
	ID    int64   `json:"id,omitempty"`    // file, cancel, again: the number of the file
	Name  string  `json:"name,omitempty"`  // file
	Size  *int64  `json:"size,omitempty"`  // file: octets
	Mime  string  `json:"mime,omitempty"`  // file
	Mine  bool    `json:"mine,omitempty"`  // cancel: of the side that says so
}

// render returns the message as it is sent.
func (m said) render() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)  // there is no HTML
	if e.Encode(m) != nil { // strings, numbers and booleans can always be encoded
		return ""
	}
	return b.String()[:b.Len()-1]
}

// renderedSize returns how many octets a text takes in a message, without the quotes around it.
func renderedSize(text string) int {
	return len(said{Text: &text}.render()) - len(said{Text: new(string)}.render())
}

// parseSaid reads a message. One that is not understood, because it is wrong or of a later version, is none.
func parseSaid(data []byte) (m said, ok bool) {
	if json.Unmarshal(data, &m) != nil {
		return said{}, false
	}
	switch m.Type {
	case "confirm", "done", "bye":
		return m, true
	case "text":
		return m, m.Text != nil
	case "file":
		return m, m.ID > 0 && m.Size != nil && *m.Size >= 0
	case "cancel", "again":
		return m, m.ID > 0
	}
	return m, false
}
