package logs

import (
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A human writes text for people: time, level, message, then key=value.
type human struct {
	colour bool // static

	mu  sync.Mutex
	w   io.Writer // guarded by mu
	buf []byte    // guarded by mu; kept between lines
}

func newHuman(w io.Writer, colour bool) *human { return &human{w: w, colour: colour} }

func (h *human) write(r slog.Record, fields []slog.Attr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := h.buf[:0]
	if !r.Time.IsZero() {
		line = r.Time.AppendFormat(line, "2006-01-02T15:04:05.000Z07:00 ")
	}
	word, paint := levelWord(r.Level)
	if h.colour {
		line = append(line, paint...)
	}
	line = append(line, word...)
	if h.colour {
		line = append(line, "\x1b[0m"...)
	}
	line = append(line, "        "[:9-len(word)]...)
	line = appendText(line, r.Message, "")
	for _, field := range fields {
		line = append(line, ' ')
		line = appendText(line, field.Key, ` "=`)
		line = append(line, '=')
		line = appendText(line, field.Value.String(), ` "=`)
	}
	line = append(line, '\n')
	h.buf = line
	_, err := h.w.Write(line)
	return err
}

// appendText appends text as it is, or as a Go string in quotes when it is empty or holds one of
// the characters in special or anything that does not print: a terminal obeys what it is shown.
func appendText(line []byte, text, special string) []byte {
	odd := func(c rune) bool { return !unicode.IsPrint(c) }
	if text == "" || strings.ContainsAny(text, special) || strings.ContainsFunc(text, odd) || !utf8.ValidString(text) {
		return strconv.AppendQuote(line, text)
	}
	return append(line, text...)
}

// levelWord returns the word for a level, at most 8 octets, and the ANSI sequence of its colour.
func levelWord(level slog.Level) (word, paint string) {
	switch {
	case level >= LevelCritical:
		return "CRITICAL", "\x1b[1;31m"
	case level >= slog.LevelError:
		return "ERROR", "\x1b[31m"
	case level >= slog.LevelWarn:
		return "WARNING", "\x1b[33m"
	case level >= slog.LevelInfo:
		return "INFO", "\x1b[32m"
	case level >= LevelVerbose:
		return "VERBOSE", "\x1b[36m"
	default:
		return "DEBUG", "\x1b[90m"
	}
}
