package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
	"unicode/utf8"
)

// parse decodes one mozlog line.
func parse(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var parsed map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber() // a raw value may be a number that no float64 holds
	if err := decoder.Decode(&parsed); err != nil {
		t.Fatalf("line is not JSON: %v\n%q", err, line)
	}
	return parsed
}

func TestSlogContract(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return New(&out, Options{}).Handler()
	}, func(t *testing.T) map[string]any { return asSlogtestWants(parse(t, out.Bytes())) })
}

// asSlogtestWants renames what mozlog calls otherwise and nests what mozlog keeps flat.
func asSlogtestWants(line map[string]any) map[string]any {
	want := map[string]any{slog.LevelKey: line["Severity"]}
	if at, ok := line["Timestamp"]; ok {
		want[slog.TimeKey] = at
	}
	for key, value := range line["Fields"].(map[string]any) {
		into := want
		names := strings.Split(key, ".")
		for _, group := range names[:len(names)-1] {
			if into[group] == nil {
				into[group] = map[string]any{}
			}
			into = into[group].(map[string]any)
		}
		into[names[len(names)-1]] = value
	}
	return want
}

func TestMozlogLine(t *testing.T) {
	var out bytes.Buffer
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	r := slog.NewRecord(time.Date(2026, 7, 31, 9, 14, 5, 123456789, time.FixedZone("", 7200)), slog.LevelWarn, "hello", 0)
	r.AddAttrs(
		slog.String("type", "geo.reload"), slog.Duration("took", 1500*time.Millisecond), slog.Int("n", 3),
		slog.Group("a", slog.Group("b", slog.Bool("c", true)), slog.String("type", "inner")),
		slog.Any("err", io.EOF), slog.Time("at", time.Unix(0, 0).UTC()),
	)
	if err := New(&out, Options{}).Handler().Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Timestamp                                int64
		Time, Type, Logger, Hostname, EnvVersion string
		Pid, Severity                            int
		Fields                                   map[string]any
	}
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&line); err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{"msg": "hello", "took": "1.5s", "n": 3.0, "a.b.c": true, "a.type": "inner", "err": "EOF", "at": "1970-01-01T00:00:00Z"}
	if !maps.Equal(line.Fields, fields) {
		t.Errorf("Fields: got %v, want %v", line.Fields, fields)
	}
	if line.Timestamp != 1785482045123456789 || line.Time != "2026-07-31T07:14:05.123456789Z" {
		t.Errorf("got Timestamp %d, Time %s", line.Timestamp, line.Time)
	}
	if line.Type != "geo.reload" || line.Logger != "channelserver" || line.Hostname != hostname ||
		line.EnvVersion != "2.0" || line.Pid != os.Getpid() || line.Severity != 4 {
		t.Errorf("got %+v", line)
	}
}

func TestDefaultType(t *testing.T) {
	var out bytes.Buffer
	New(&out, Options{}).Info("x")
	if got := parse(t, out.Bytes())["Type"]; got != "channelserver:log" {
		t.Errorf("got Type %v", got)
	}
}

func TestLevels(t *testing.T) {
	ctx := context.Background()
	all := []slog.Level{slog.LevelDebug, LevelVerbose, slog.LevelInfo, slog.LevelWarn, slog.LevelError, LevelCritical}
	for _, test := range []struct {
		opts       Options
		severities []string
	}{
		{Options{}, []string{"6", "4", "3", "2"}},
		{Options{Verbose: true}, []string{"6", "6", "4", "3", "2"}},
		{Options{Debug: true}, []string{"7", "6", "6", "4", "3", "2"}},
	} {
		var out bytes.Buffer
		logger := New(&out, test.opts)
		for _, level := range all {
			logger.Log(ctx, level, "x")
		}
		var got []string
		for line := range bytes.Lines(out.Bytes()) {
			got = append(got, parse(t, line)["Severity"].(json.Number).String())
		}
		if !slices.Equal(got, test.severities) {
			t.Errorf("%+v: got severities %v, want %v", test.opts, got, test.severities)
		}
	}
}

// A seat logs itself as a group.
type seat struct{}

func (seat) LogValue() slog.Value { return slog.GroupValue(slog.Int("member", 1)) }

func TestHumanLine(t *testing.T) {
	at := time.Date(2026, 7, 31, 9, 14, 5, 123456789, time.UTC)
	for _, test := range []struct {
		level  slog.Level
		colour bool
		msg    string
		attrs  []slog.Attr
		want   string
	}{
		{slog.LevelInfo, false, "listening on :8000", nil, "INFO     listening on :8000\n"},
		{slog.LevelDebug, false, "d", []slog.Attr{slog.Int("n", 1), slog.String("s", "")}, "DEBUG    d n=1 s=\"\"\n"},
		{LevelVerbose, false, "v", []slog.Attr{slog.String("k", "a b"), slog.String("q", `a"b`)}, "VERBOSE  v k=\"a b\" q=\"a\\\"b\"\n"},
		{slog.LevelWarn, false, "a\nb\x1b[2J", nil, "WARNING  \"a\\nb\\x1b[2J\"\n"},
		{slog.LevelWarn, false, "\u202eevil", []slog.Attr{slog.String("u", "\u2028")}, "WARNING  \"\\u202eevil\" u=\"\\u2028\"\n"},
		{slog.LevelError, false, "e", []slog.Attr{slog.String("bad", "\xff"), slog.Any("err", io.EOF)}, "ERROR    e bad=\"\\xff\" err=EOF\n"},
		{LevelCritical, false, "été", []slog.Attr{slog.Group("g", slog.Int("n", 1))}, "CRITICAL été g.n=1\n"},
		{slog.LevelInfo, false, "x", []slog.Attr{{}, slog.Any("seat", seat{}), slog.Group("empty")}, "INFO     x seat.member=1\n"},
		{slog.LevelError, true, "e", nil, "\x1b[31mERROR\x1b[0m    e\n"},
	} {
		var out bytes.Buffer
		h := &handler{level: slog.LevelDebug, write: newHuman(&out, test.colour).write}
		r := slog.NewRecord(at, test.level, test.msg, 0)
		r.AddAttrs(test.attrs...)
		if err := h.Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if want := "2026-07-31T09:14:05.123Z " + test.want; out.String() != want {
			t.Errorf("got  %q\nwant %q", out.String(), want)
		}
	}
}

func TestHumanOption(t *testing.T) {
	var out bytes.Buffer
	New(&out, Options{Human: true}).Info("x")
	if !strings.HasSuffix(out.String(), " INFO     x\n") {
		t.Errorf("got %q", out.String())
	}
}

func TestColoured(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	env := func(set ...string) func(string) string {
		return func(name string) string {
			if i := slices.Index(set, name); i >= 0 {
				return set[i+1]
			}
			return ""
		}
	}
	for name, test := range map[string]struct {
		w    io.Writer
		env  func(string) string
		want bool
	}{
		"terminal":      {device, env("TERM", "xterm"), true},
		"NO_COLOR":      {device, env("NO_COLOR", "1"), false},
		"dumb terminal": {device, env("TERM", "dumb"), false},
		"file":          {file, env(), false},
		"buffer":        {new(bytes.Buffer), env(), false},
	} {
		if got := coloured(test.w, test.env); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

type panics struct{}

func (panics) Error() string { panic("no") }

type panicsInJSON struct{}

func (panicsInJSON) MarshalJSON() ([]byte, error) { panic("no") }

// Values that slog or encoding/json would not turn into a valid line by themselves.
func TestAwkwardValues(t *testing.T) {
	for name, value := range map[string]any{
		"year beyond 9999":   time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC),
		"own JSON not UTF-8": json.RawMessage("\"\xff\""),
		"own JSON broken":    json.RawMessage("{"),
		"own JSON spread":    json.RawMessage("{\n\"a\":\n1}"),
		"panics":             panics{},
		"nil error":          (*os.PathError)(nil),
		"panics in JSON":     panicsInJSON{},
		"no JSON":            func() {},
	} {
		for _, human := range []bool{false, true} {
			var out bytes.Buffer
			New(&out, Options{Human: human}).Info(name, "value", value)
			checkLine(t, out.Bytes(), human)
		}
	}
}

// checkLine fails the test unless out is one whole line in the right form.
func checkLine(t *testing.T, out []byte, human bool) {
	t.Helper()
	if bytes.Count(out, []byte("\n")) != 1 || !bytes.HasSuffix(out, []byte("\n")) {
		t.Errorf("not one line: %q", out)
	}
	if !utf8.Valid(out) {
		t.Errorf("not UTF-8: %q", out)
	}
	if bytes.ContainsFunc(bytes.TrimSuffix(out, []byte("\n")), func(c rune) bool { return c < ' ' || c == 0x7f }) && human {
		t.Errorf("control character: %q", out)
	}
	if !human && parse(t, out)["Fields"] == nil {
		t.Errorf("no Fields: %q", out)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	var out bytes.Buffer
	New(&out, Options{}).With("with", long).Info(long, "err", errors.New(long), long, 1)
	want := long[:maxText] + "... (4097 octets)"
	fields := parse(t, out.Bytes())["Fields"].(map[string]any)
	if fields["msg"] != want || fields["with"] != want || fields["err"] != want || fields[want] != json.Number("1") {
		t.Errorf("not cut: %d octets", out.Len())
	}
}

// writes counts calls of Write; it is no bytes.Buffer, so that the race detector sees callers
// that do not take turns.
type writes struct{ lines [][]byte }

func (w *writes) Write(p []byte) (int, error) {
	w.lines = append(w.lines, bytes.Clone(p))
	return len(p), nil
}

func TestConcurrentLinesStayWhole(t *testing.T) {
	for _, human := range []bool{false, true} {
		var out writes
		logger := New(&out, Options{Human: human}).With("a", 1).With("b", 2).With("c", 3)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 100 {
					logger.Info("message", "k", "v")
				}
			})
		}
		group.Wait()
		if len(out.lines) != 800 {
			t.Errorf("got %d writes, want 800", len(out.lines))
		}
		for _, line := range out.lines {
			checkLine(t, line, human)
		}
	}
}

// Loggers made from one logger must not write into each other's fields.
func TestWithDoesNotShare(t *testing.T) {
	var out bytes.Buffer
	base := New(&out, Options{}).With("a", 1).With("b", 2).With("c", 3)
	one, two := base.With("d", "one"), base.With("d", "two")
	one.Info("x")
	two.Info("x")
	lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
	for i, want := range []string{"one", "two"} {
		if got := parse(t, lines[i])["Fields"].(map[string]any)["d"]; got != want {
			t.Errorf("line %d: got d %v, want %s", i, got, want)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteErrorsReachTheHandler(t *testing.T) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "x", 0)
	r.AddAttrs(slog.Any("raw", json.RawMessage("\"\xff\"")))
	for _, opts := range []Options{{}, {Human: true}} {
		if err := New(failing{}, opts).Handler().Handle(context.Background(), r); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%+v: got %v", opts, err)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, text := range []string{
		"", "plain", "\r\n", "\x00", "\x1b[31m", "\u2028\u2029\u202e\u0085", "\xff\xc3", `"\`, "a=b c", "ключ", "\xed\xa0\x80", "{}",
	} {
		f.Add(text, text, text, text)
	}
	f.Fuzz(func(t *testing.T, msg, group, key, value string) {
		for _, human := range []bool{false, true} {
			var out bytes.Buffer
			logger := New(&out, Options{Human: human}).With(key, value).WithGroup(group)
			logger.Info(msg, key, value, slog.Group(key, key, []byte(value)), "err", errors.New(value),
				"raw", json.RawMessage(value), "list", []string{value})
			checkLine(t, out.Bytes(), human)
			if human {
				continue
			}
			fields := parse(t, out.Bytes())["Fields"].(map[string]any)
			if key == "" && group == "" && utf8.ValidString(value) && len(value) <= maxText && fields["err"] != value {
				t.Errorf("value %q came out as %q", value, fields["err"])
			}
		}
	})
}
