package settings

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	fields := fieldsOf(new(Settings))
	for _, c := range []struct {
		args []string
		want string // name=text, in order of name, of what was understood
		bad  []string
	}{
		{nil, "", nil},
		{[]string{"--max_exchanges=10"}, "max_exchanges=10", nil},
		{[]string{"--max-exchanges", "10"}, "max_exchanges=10", nil},
		{[]string{"--max_exchanges", "10", "--debug"}, "debug=true max_exchanges=10", nil},
		{[]string{"--debug=false"}, "debug=false", nil},
		{[]string{"--debug", "--verbose=", "--port=1"}, "debug=true port=1 verbose=", nil},
		{[]string{"--mmdb_loc=a=b"}, "mmdb_loc=a=b", nil},
		{[]string{"--mmdb_loc", ""}, "mmdb_loc=", nil},
		{[]string{"--mmdb_loc", "-odd"}, "mmdb_loc=-odd", nil},
		{[]string{"--mmdb_loc=--odd"}, "mmdb_loc=--odd", nil},
		{[]string{"--max_data", "-1"}, "max_data=-1", nil},
		{[]string{"--debug", "false"}, "debug=true", []string{`"false" is not accepted: write arguments as --name=value, switches as --debug or --debug=false`}},
		{[]string{"--port", "--debug"}, "debug=true", []string{`--port needs a value: write --port=PORT`}},
		{[]string{"-port=1"}, "", []string{`"-port" is not an argument; did you mean --port?`}},
		{[]string{"---port=1"}, "", []string{`"---port" is not an argument; did you mean --port?`}},
		{[]string{"--PORT=1"}, "", []string{`"--PORT" is not an argument; did you mean --port?`}},
		{[]string{"--hepl"}, "", []string{`"--hepl" is not an argument; did you mean --help?`}},
		{[]string{"--versions"}, "", []string{`"--versions" is not an argument; did you mean --version?`}},
		{[]string{"--config", "file", "--", "-", "--=x", ""}, "", []string{
			`"--config" is not an argument; --help lists them all`,
			`"--" is not an argument; --help lists them all`,
			`"--" is not an argument; --help lists them all`,
			`"" is not accepted: write arguments as --name=value, switches as --debug or --debug=false`,
		}},
		{[]string{"--no\nsense\x00"}, "", []string{`"--no\nsense\x00" is not an argument; --help lists them all`}},
	} {
		arguments, problems, err := parseArguments(fields, c.args)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		var got []string
		for name, a := range arguments {
			got = append(got, name+"="+a.text)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: understood %q, want %q", c.args, got, c.want)
		}
		var bad []string
		for _, p := range problems {
			bad = append(bad, p.Error())
		}
		if !slices.Equal(bad, c.bad) {
			t.Errorf("%q: problems\n%s\nwant\n%s", c.args, strings.Join(bad, "\n"), strings.Join(c.bad, "\n"))
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"port", "debug", "max_exchanges", "max_data"}
	for name, want := range map[string]string{
		"port": "port", "prt": "port", "pots": "port", "max_exchange": "max_exchanges", "maxexchanges": "max_exchanges",
		"ma_xdata": "max_data", "": "", "p": "", "timeout": "", "exchanges": "", "DEBGU": "debug",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest to %q: %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance of %q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// FuzzArguments gives Load arguments, one a line. It must not panic, and what it accepts must be
// nothing but known names and their values.
func FuzzArguments(f *testing.F) {
	for _, args := range []string{
		"--max_exchanges=10", "--max-exchanges\n10", "--debug\n--debug=false", "--help", "-h", "--version", "serve", "--",
		"--port=1\n--port", "--mmdb_loc\n-x", "--unknown\nvalue", "--=\n-\n---port", "--allowed_origins=https://*.a", "--no\xff=\x00",
	} {
		f.Add(args)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\n")
		s, _, err := Load(args)
		if errors.Is(err, ErrHelp) || errors.Is(err, ErrVersion) {
			if !slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "--help" || a == "--version" }) {
				t.Errorf("%q: %v", args, err)
			}
			return
		}
		if err != nil {
			if err.Error() == "" {
				t.Errorf("%q: an error without text", args)
			}
			return
		}
		mayBeValue := false // the argument before takes a value and has none yet
		for _, arg := range args {
			if mayBeValue {
				mayBeValue = false
				continue
			}
			name, _, hasValue := strings.Cut(strings.ReplaceAll(arg, "-", "_"), "=")
			name, isArgument := strings.CutPrefix(name, "__")
			i := slices.IndexFunc(fieldsOf(&s), func(f field) bool { return f.name == name || f.Tag.Get("old") == name })
			if !isArgument || i < 0 {
				t.Fatalf("%q: accepted %q", args, arg)
			}
			mayBeValue = !hasValue && !fieldsOf(&s)[i].isSwitch()
		}
		if mayBeValue {
			t.Errorf("%q: accepted the last argument without a value", args)
		}
	})
}
