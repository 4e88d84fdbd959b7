package main

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"

	"channelserver/client"
	"channelserver/client/encrypted"
)

func TestPairArguments(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 64)
	link := "https://pair.example/#" + strings.Repeat("i", 22) + "." + secret
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--help"}, 0, "exit status:"},
		{[]string{"-h"}, 0, "-language LANGUAGE"},
		{[]string{"--pears"}, exitUsage, "-pears"},
		{[]string{link, link}, exitUsage, "2 links were given"},
		{[]string{link[:len(link)-1]}, exitUsage, "LINK must be all of the link"},
		{[]string{strings.Replace(link, "#", "?", 1)}, exitUsage, "LINK must be all of the link"},
		{[]string{"ftp" + link[5:]}, exitUsage, "LINK must be all of the link"},
		{[]string{"--server", "localhost:8000"}, exitUsage, `--server "localhost:8000" is not a URL`},
		{[]string{"--server", "https://a:b@c"}, exitUsage, "is not a URL"},
		{[]string{"--language", "x y\x1b"}, exitUsage, "is no language"},
		{[]string{"--file", "missing"}, exitUsage, "no such file"},
		{[]string{"--file", "."}, exitUsage, "it is a folder"},
		{[]string{link, "--file", file(t, "huge", maxFile+1)}, exitUsage, "it has 10.5 MB; at most 10.5 MB"},
		{[]string{"--directory", "missing"}, exitUsage, "no such folder"},
		{[]string{"--directory", "pair.go"}, exitUsage, "no such folder"},
	} {
		out := newTranscript()
		status := runPair(t.Context(), c.args, streams{nil, out, out, nobody})
		if status != c.status || !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), secret[1:]) || strings.Contains(out.String(), "\x1b") {
			t.Errorf("channelctl pair %q: exit status %d, want %d and %q\n%s", c.args, status, c.status, c.says, out)
		}
	}
}

func TestEnvironmentLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environment map[string]string
		want        string
	}{
		{nil, ""},
		{map[string]string{"LANG": "de_CH.UTF-8"}, "de-CH"},
		{map[string]string{"LANG": "C.UTF-8"}, ""},
		{map[string]string{"LANG": "POSIX"}, ""},
		{map[string]string{"LANG": "fr_FR@euro", "LC_ALL": ""}, "fr-FR"},
		{map[string]string{"LANG": "fr_FR", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja-JP"},
		{map[string]string{"LANG": "fr_FR", "LC_MESSAGES": "ja_JP.UTF-8", "LC_ALL": "C"}, ""},
	} {
		if got := environmentLanguage(func(name string) string { return c.environment[name] }); got != c.want {
			t.Errorf("%v: %q, want %q", c.environment, got, c.want)
		}
	}
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"photo.jpg":                          "photo.jpg",
		"Größe – 写真 (2).tar.gz":              "Größe – 写真 (2).tar.gz",
		"/etc/passwd":                        "passwd",
		`C:\Windows\win.ini`:                 "win.ini",
		"../../x":                            "x",
		"..":                                 "file",
		".":                                  "file",
		"":                                   "file",
		"a/":                                 "file",
		".bashrc":                            "bashrc",
		"...profile":                         "profile",
		"-rf":                                "rf",
		" - .x":                              "x",
		"a\x00b\nc\x1b[2Jd\u009bm":           "abc[2Jdm",
		"photo\u202egpj.exe":                 "photogpj.exe",
		"a:b|c?.txt":                         "abc.txt",
		"x. . ":                              "x",
		"\xff\xfea":                          "a",
		strings.Repeat("ü", 200) + ".jpeg":   strings.Repeat("ü", 117) + ".jpeg",
		"x." + strings.Repeat("e", 300):      "x." + strings.Repeat("e", 238),
		strings.Repeat("x", 239) + "." + "y": strings.Repeat("x", 238) + ".y",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, name := range []string{"photo.jpg", "../../.bashrc", "\x1b[2J", "\u202egpj.exe", strings.Repeat("é", 200), "NUL.", ". ."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean := cleanName(name)
		if clean == "" || len(numbered(clean, maxNumber)) > 255 || filepath.Base(clean) != clean || !filepath.IsLocal(clean) ||
			strings.ContainsAny(clean[:1], ".- ") || !utf8.ValidString(clean) || harmless(clean) != clean && !strings.ContainsRune(clean, utf8.RuneError) {
			t.Errorf("%q becomes %q", name, clean)
		}
		if again := cleanName(clean); again != clean {
			t.Errorf("%q becomes %q, and that %q", name, clean, again)
		}
	})
}

func FuzzParseSaid(f *testing.F) {
	for _, text := range []string{
		`{"type":"confirm","piped":true}`, `{"type":"text","text":"\u0000"}`, `{"type":"file","id":1,"name":"a.png","size":123,"mime":"image/png"}`,
		`{"type":"cancel","id":1,"mine":true}`, `{"type":"again","id":9007199254740993}`, `{"type":"bye"}`, `{"type":"file","id":-1,"size":-1}`, `[]`, `{"type":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, ok := parseSaid(data)
		if !ok {
			return
		}
		if m.Type == "text" && m.Text == nil || m.Type == "file" && (m.Size == nil || *m.Size < 0) || m.ID < 0 && m.Type == "again" {
			t.Errorf("%q is read as %+v", data, m)
		}
		if again, ok := parseSaid([]byte(m.render())); !ok || !reflect.DeepEqual(again, m) {
			t.Errorf("%q is read as %+v, and written as %s", data, m, m.render())
		}
	})
}

// TestReadInput reads with every way in which the input can be handed over.
func TestReadInput(t *testing.T) {
	t.Parallel()
	const most = 10
	for _, c := range []struct {
		name, input   string
		whole, single []string // what is sent when all is there at once, and when each octet comes alone
	}{
		{"nothing", "", nil, nil},
		{"lines", "a\nb\n", []string{"a\nb"}, []string{"a", "b"}},
		{"no end", "a\nb", []string{"a", "b"}, []string{"a", "b"}},
		{"empty lines", "\n\n", []string{"\n"}, []string{"", ""}},
		{"Windows", "a\r\nb\r\n", []string{"a\r\nb"}, []string{"a", "b"}},
		{"full", "aaaa\nbbb\ncc\n", []string{"aaaa", "bbb\ncc"}, []string{"aaaa", "bbb", "cc"}},
		{"too long", "aaaaaaaaaaa\nb\n", []string{"!", "b"}, []string{"!", "b"}},
		{"much too long", strings.Repeat("a", 99), []string{"!"}, []string{"!"}},
		{"too long when written", `""""""` + "\nb\n", []string{"!", "b"}, []string{"!", "b"}},
		{"no text", "\xff\nb\n", []string{"!", "b"}, []string{"!", "b"}},
		{"no text behind", "b\n\xff\n", []string{"b", "!"}, []string{"b", "!"}},
	} {
		for way, reader := range map[string]io.Reader{"whole": strings.NewReader(c.input), "single": iotest.OneByteReader(strings.NewReader(c.input))} {
			want := c.whole
			if way == "single" {
				want = c.single
			}
			inputs := make(chan input)
			go readInput(reader, most, inputs, t.Context().Done())
			var got []string
			for i := <-inputs; !i.end; i = <-inputs {
				if i.problem != "" {
					i.text = "!"
				}
				got = append(got, i.text)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %q, want %q", c.name, way, got, want)
			}
		}
	}
	inputs := make(chan input)
	go readInput(iotest.ErrReader(errors.New("broken")), most, inputs, t.Context().Done())
	if i := <-inputs; !strings.Contains(i.problem, "broken") {
		t.Errorf("it says %+v", i)
	}
	if i := <-inputs; !i.end {
		t.Errorf("it goes on with %+v", i)
	}
}

// TestDrawCode reads what was drawn as a terminal shows it.
func TestDrawCode(t *testing.T) {
	t.Parallel()
	link := "http://localhost:8000/#" + strings.Repeat("i", 22) + "." + strings.Repeat("s", 64)
	code, err := qr.Encode(link, qr.L, qr.Unicode)
	if err != nil {
		t.Fatal(err)
	}
	side := code.Bounds().Dx()
	for _, c := range []struct {
		columns, rows int
		color         bool
		margin        int // above and below; 0: there is no room
	}{
		{100, 40, true, quiet},
		{100, 40, false, quiet},
		{49, 25, true, quiet},
		{49, 24, true, leastQuiet},
		{80, 23, false, leastQuiet},
		{80, 22, true, 0},
		{48, 40, true, 0},
	} {
		drawn := drawCode(link, c.columns, c.rows, c.color)
		if c.margin == 0 {
			if drawn != "" {
				t.Errorf("%dx%d: there is no room, but it draws\n%s", c.columns, c.rows, drawn)
			}
			continue
		}
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		if len(lines) > c.rows {
			t.Errorf("%dx%d: it draws %d lines", c.columns, c.rows, len(lines))
		}
		for row, line := range lines {
			bare := strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[38;5;16;48;5;231m"), "\x1b[0m")
			if (bare != line) != c.color || strings.Contains(bare, "\x1b") || utf8.RuneCountInString(bare) != side+2*quiet {
				t.Fatalf("%dx%d: line %d is %q", c.columns, c.rows, row, line)
			}
			for column, cell := range []rune(bare) {
				x, y := column-quiet, 2*row-c.margin
				for half, set := range []bool{cell == '█' || cell == '▀', cell == '█' || cell == '▄'} {
					y := y + half
					inside := x >= 0 && y >= 0 && x < side && y < side
					if dark := inside && code.At(x, y) == color.Black; dark != (set == c.color) {
						t.Fatalf("%dx%d: the module at %d, %d is %t", c.columns, c.rows, x, y, set)
					}
				}
			}
		}
	}
	if drawn := drawCode(strings.Repeat("x", 4000), 1000, 1000, true); drawn != "" {
		t.Errorf("what has no QR code is drawn as %q", drawn)
	}
}

func TestWho(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sender client.Sender
		want   string
	}{
		{client.Sender{}, "A device"},
		{client.Sender{UserAgent: "channelctl (linux)", Remote: "2001:db8::1"}, "channelctl (linux) (2001:db8::1)"},
		{client.Sender{UserAgent: "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0", City: "Linköping", Region: "Östergötland", Country: "Sweden", Remote: "192.0.2.7"}, "Firefox on Android, from Linköping, Östergötland, Sweden (192.0.2.7)"},
		{client.Sender{UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", City: "Singapore", Country: "Singapore"}, "Edge on Windows, from Singapore"},
		{client.Sender{UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"}, "Safari on iPhone"},
		{client.Sender{UserAgent: "a\n" + strings.Repeat("b", 99)}, "a " + strings.Repeat("b", 57) + "…"},
	} {
		if got := who(c.sender); got != c.want {
			t.Errorf("%+v: %q, want %q", c.sender, got, c.want)
		}
	}
}

// Every ending is told in words of its own, and none of them is a failure of the program.
func TestExplain(t *testing.T) {
	t.Parallel()
	said := make(map[string]string)
	for name, c := range map[string]struct {
		err    error
		status int
		words  string
	}{
		"wrong secret":   {encrypted.ErrWrongSecret, exitRefused, "wrong secret"},
		"already paired": {encrypted.ErrAlreadyPaired, exitRefused, "Another device"},
		"missing":        {fmt.Errorf("x: %w", encrypted.ErrMissing), exitFailed, "kept back"},
		"expired":        {&client.CloseError{Code: 4008, Reason: "channel-expired"}, exitFailed, "The time is over"},
		"dead":           {&client.CloseError{Code: 4004, Reason: "no-such-channel"}, exitRefused, "used up"},
		"full":           {&client.CloseError{Code: 4011, Reason: "channel-full"}, exitRefused, "Too many devices"},
		"unknown":        {&client.CloseError{Code: 4999, Reason: "new"}, exitFailed, "4999 new"},
		"too often":      {&client.StatusError{Code: 429, RetryAfter: 3 * time.Second}, exitFailed, "Try again in 3 s"},
		"overloaded":     {&client.StatusError{Code: 503}, exitFailed, "Try again later"},
		"another server": {&client.StatusError{Code: 404}, exitFailed, "HTTP status 404"},
		"anything":       {errors.New("client: fault"), exitFailed, "has failed: fault."},
	} {
		words, status := explain(c.err, "https://pair.example")
		if status != c.status || !strings.Contains(words, c.words) || said[words] != "" {
			t.Errorf("%s: %d %q, want %d and %q", name, status, words, c.status, c.words)
		}
		said[words] = name
	}
}

// How the end of a channel is told depends on how far the pairing has come.
func TestPairClosed(t *testing.T) {
	t.Parallel()
	expired, ended := &client.CloseError{Code: 4008, Reason: "channel-expired"}, &client.CloseError{Code: 4015, Reason: "channel-ended"}
	for name, c := range map[string]struct {
		talk  talk
		err   error
		exit  int
		words string
	}{
		"nobody came":       {talk{}, expired, exitFailed, "Nobody has come in time."},
		"expired":           {talk{paired: true, mine: true, theirs: true}, expired, exitFailed, "The time is over."},
		"expired with text": {talk{paired: true, mine: true, theirs: true, outbox: outbox{text: new(string)}}, expired, exitFailed, "Not delivered: the last text."},
		"ended":             {talk{paired: true, mine: true, theirs: true}, ended, 0, "has ended the pairing"},
		"ended with text":   {talk{paired: true, mine: true, theirs: true, outbox: outbox{text: new(string)}}, ended, exitFailed, "Not delivered"},
		"ended too soon":    {talk{paired: true}, ended, exitFailed, "has ended the pairing"},
		"after bye":         {talk{paired: true, mine: true, theirs: true, bye: true}, expired, 0, "The other device has left."},
		"while leaving":     {talk{paired: true, leaving: true, words: "Bye.", exit: exitInterrupted}, expired, exitInterrupted, "Bye."},
		"after a failure":   {talk{paired: true, mine: true, theirs: true, bye: true, failed: true}, expired, exitFailed, "The other device has left."},
	} {
		c.talk.o = new(pairOptions)
		c.talk.closed(c.err)
		if !c.talk.over || c.talk.exit != c.exit || !strings.Contains(c.talk.words, c.words) {
			t.Errorf("%s: %t %d %q", name, c.talk.over, c.talk.exit, c.talk.words)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{size(1), "1 byte"},
		{size(999), "999 bytes"},
		{size(1500), "1.5 kB"},
		{size(maxFile), "10.5 MB"},
		{lasting(59400 * time.Millisecond), "59 s"},
		{lasting(5 * time.Minute), "5 min"},
		{lasting(125 * time.Second), "2 min 5 s"},
		{list(nil), ""},
		{list([]string{"a"}), "a"},
		{list([]string{"a", "b", "c"}), "a, b and c"},
		{harmless("a\x1b[2J\u202e\x9b\u2028\tb\r\n\rc"), "a\uFFFD[2J\uFFFD\uFFFD\uFFFD\tb\n\uFFFDc"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}
