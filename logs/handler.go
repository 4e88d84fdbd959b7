package logs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// maxText bounds the octets of one message or value. Docker splits lines at 16 KiB.
const maxText = 4096

// A handler flattens attributes and hands each record to one of the two forms. It is immutable.
type handler struct {
	level  slog.Level
	write  func(slog.Record, []slog.Attr) error // safe for concurrent use
	prefix string                               // names of the open groups, each with a dot after it
	fields []slog.Attr                          // flattened attributes of With
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	fields := slices.Grow(slices.Clip(h.fields), r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		fields = flatten(fields, h.prefix, a)
		return true
	})
	r.Message = clip(r.Message)
	return h.write(r, fields)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.fields = slices.Clip(h.fields)
	for _, a := range attrs {
		with.fields = flatten(with.fields, h.prefix, a)
	}
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.prefix += name + "."
	return &with
}

// flatten appends a to fields. The members of a group become fields named group.member, because
// mozlog asks for fields without nesting.
func flatten(fields []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			fields = flatten(fields, prefix, member)
		}
		return fields
	}
	if a.Key == "" && value.Any() == nil {
		return fields
	}
	return append(fields, slog.Attr{Key: clip(prefix + a.Key), Value: plain(value)})
}

// plain turns a value into one that reads the same in both forms. A time must become text here:
// slog.JSONHandler writes broken JSON for a year beyond 9999.
func plain(value slog.Value) slog.Value {
	switch value.Kind() {
	case slog.KindString:
		return slog.StringValue(clip(value.String()))
	case slog.KindDuration:
		return slog.StringValue(value.Duration().String())
	case slog.KindTime:
		return slog.StringValue(value.Time().Format(time.RFC3339Nano))
	case slog.KindAny:
		if err, ok := value.Any().(error); ok {
			return slog.StringValue(clip(fmt.Sprint(err))) // Sprint survives an Error method that panics
		}
	}
	return value
}

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return fmt.Sprintf("%s... (%d octets)", text[:maxText], len(text))
}
