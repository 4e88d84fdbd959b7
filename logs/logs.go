// Package logs makes the server's logger: log/slog with one line for each record, as JSON in
// Mozilla's mozlog 2.0 form or as text for people.
//
// Whatever octets a message, a key or a value holds, a record becomes exactly one line, written
// with one call of Write, and every line is valid UTF-8. Long texts are cut to 4096 octets, so
// that collectors that split long lines leave ours whole.
//
// Loggers may be used by many goroutines at once.
package logs

import (
	"io"
	"log/slog"
	"os"
)

// The levels that log/slog does not name. Lines of LevelVerbose tell of one connection or one
// channel; lines of LevelCritical tell why the server cannot go on.
const (
	LevelVerbose  = slog.Level(-2)
	LevelCritical = slog.Level(12)
)

// Options choose form and detail. The zero Options write mozlog lines of level Info and above:
// start, stop, reloads, warnings and errors.
type Options struct {
	Human   bool // text for people instead of JSON
	Verbose bool // add LevelVerbose: a line for each connection and channel
	Debug   bool // add everything
}

func (o Options) level() slog.Level {
	switch {
	case o.Debug:
		return slog.LevelDebug
	case o.Verbose:
		return LevelVerbose
	default:
		return slog.LevelInfo
	}
}

// New returns a logger that writes to w. Errors of w are ignored, for there is nowhere left to
// tell them.
func New(w io.Writer, opts Options) *slog.Logger {
	h := &handler{level: opts.level()}
	if opts.Human {
		h.write = newHuman(w, coloured(w, os.Getenv)).write
	} else {
		h.write = newMozlog(w).write
	}
	return slog.New(h)
}

// coloured reports whether w is a terminal whose user wants colours (https://no-color.org).
func coloured(w io.Writer, getenv func(string) string) bool {
	file, ok := w.(*os.File)
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
