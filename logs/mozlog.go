package logs

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"time"
	"unicode/utf8"
)

const (
	loggerName = "channelserver"
	// TypeKey is the attribute that replaces the Type of a mozlog line, outside any group.
	TypeKey     = "type"
	defaultType = loggerName + ":log"
)

// A mozlog writes Mozilla's mozlog 2.0 form, as Dockerflow describes it
// (https://github.com/mozilla-services/Dockerflow/blob/main/docs/mozlog.md).
type mozlog struct {
	inner    slog.Handler // writes the JSON; nothing of the record but its attributes
	hostname string
	pid      int
}

func newMozlog(w io.Writer) *mozlog {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}
	inner := slog.NewJSONHandler(validUTF8{w}, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		},
	})
	return &mozlog{inner, hostname, os.Getpid()}
}

func (m *mozlog) write(r slog.Record, fields []slog.Attr) error {
	kind := defaultType
	inside := make([]slog.Attr, 0, len(fields)+1)
	inside = append(inside, slog.String("msg", r.Message))
	for _, field := range fields {
		if field.Key == TypeKey && field.Value.Kind() == slog.KindString {
			kind = field.Value.String()
			continue
		}
		inside = append(inside, field)
	}
	var line slog.Record
	if !r.Time.IsZero() {
		line.AddAttrs(
			slog.Int64("Timestamp", r.Time.UnixNano()),
			slog.String("Time", r.Time.UTC().Format(time.RFC3339Nano)),
		)
	}
	line.AddAttrs(
		slog.String("Type", kind),
		slog.String("Logger", loggerName),
		slog.String("Hostname", m.hostname),
		slog.String("EnvVersion", "2.0"),
		slog.Int("Pid", m.pid),
		slog.Int("Severity", severity(r.Level)),
		slog.Attr{Key: "Fields", Value: slog.GroupValue(inside...)},
	)
	return m.inner.Handle(context.Background(), line)
}

// severity returns the syslog severity of a level (RFC 5424 section 6.2.1).
func severity(level slog.Level) int {
	switch {
	case level >= LevelCritical:
		return 2
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= LevelVerbose:
		return 6
	default:
		return 7
	}
}

// validUTF8 replaces what is not UTF-8. Only values that bring their own JSON need it, such as
// json.RawMessage; there such octets can stand inside strings only, so the line stays JSON.
type validUTF8 struct{ w io.Writer }

func (v validUTF8) Write(line []byte) (int, error) {
	if utf8.Valid(line) {
		return v.w.Write(line)
	}
	if _, err := v.w.Write(bytes.ToValidUTF8(line, []byte("\uFFFD"))); err != nil {
		return 0, err
	}
	return len(line), nil
}
