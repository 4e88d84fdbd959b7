package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// An input is what was read from standard input: a text to send, a problem, or its end.
type input struct {
	text    string
	problem string // why some of it cannot be sent
	end     bool
}

// readInput reads texts until the input is at its end or done is closed. A text is as many whole lines as are
// there at once and fit into one message, without the last line's end: what is typed goes line by line, and
// a file does not need a message for each.
func readInput(r io.Reader, most int, texts chan<- input, done <-chan struct{}) {
	give := func(i input) bool {
		select {
		case texts <- i:
			return true
		case <-done:
			return false
		}
	}
	lines := bufio.NewReaderSize(r, most+1)
	for {
		line, err := lines.ReadSlice('\n') // waits for one
		if errors.Is(err, bufio.ErrBufferFull) {
			if err = skipLine(lines); !give(input{problem: fmt.Sprintf("A line of the input is longer than %s and was not sent. --file sends it.", size(int64(most)))}) {
				return
			}
			line = nil
		}
		text := string(line)
		if len(text) > 0 {
			if utf8.ValidString(text) {
				text += moreLines(lines, most-renderedSize(text))
			}
			if !give(sendable(text, most)) {
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			give(input{end: true})
			return
		case err != nil:
			if give(input{problem: fmt.Sprintf("The input cannot be read: %v.", err)}) {
				give(input{end: true})
			}
			return
		}
	}
}

// skipLine reads to the end of a line.
func skipLine(lines *bufio.Reader) error {
	for {
		if _, err := lines.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// moreLines takes the whole lines that have been read already, as far as they fit into so many octets.
func moreLines(lines *bufio.Reader, most int) string {
	waiting, _ := lines.Peek(lines.Buffered())
	end := 0
	for {
		next := bytes.IndexByte(waiting[end:], '\n') + 1
		if next == 0 {
			break
		}
		line := string(waiting[end : end+next])
		if most -= renderedSize(line); most < 0 || !utf8.ValidString(line) {
			break
		}
		end += next
	}
	text := string(waiting[:end])
	_, _ = lines.Discard(end) // it is there
	return text
}

// sendable returns a text without its last line's end, or why it cannot be sent.
func sendable(text string, most int) input {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	switch {
	case !utf8.ValidString(text):
		return input{problem: "Some of the input is no text in UTF-8 and was not sent. --file sends anything."}
	case renderedSize(text) > most:
		return input{problem: fmt.Sprintf("A line of the input is longer than %s and was not sent. --file sends it.", size(int64(most)))}
	}
	return input{text: text}
}
