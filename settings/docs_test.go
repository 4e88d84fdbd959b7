package settings

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite docs/settings.md")

const docsPreface = `# Settings

Generated from the struct ` + "`Settings`" + ` in the package settings by
` + "`go test ./settings -update`" + `; change it there. ` + "`channelserver --help`" + ` shows the same.

Every setting is a variable of the environment and an argument:

` + "```" + `
PAIR_MAX_EXCHANGES=20 channelserver
channelserver --max_exchanges=20
channelserver --max-exchanges 20
channelserver --human_logs --debug=false
` + "```" + `

- An argument wins over a variable, the last of several arguments over the others. A setting that
  is not given at all has its default; one that is given empty is empty.
- In arguments, ` + "`-`" + ` may stand for ` + "`_`" + `, and a space for ` + "`=`" + `. Switches take a value by ` + "`=`" + ` only;
  without one they are on.
- SECONDS are whole seconds (` + "`300`" + `) or a duration with units (` + "`5m`, `1h30m`, `1500ms`" + `), at least
  1 ms and at most a year. OCTETS and COUNT are whole numbers. Switches are ` + "`true` or `false`" + ` (also
  1, yes, on; 0, no, off).
- A value that is not accepted keeps the server from starting. All of them are reported at once.
- An unknown argument is refused. An unknown variable that begins with ` + "`PAIR_`" + ` is ignored with a
  warning. In Kubernetes, a Service named ` + "`pair`" + ` puts ` + "`PAIR_PORT=tcp://...`" + ` into the environment of
  every container, which is refused: give the Service another name, or set
  ` + "`enableServiceLinks: false`" + `.
- ` + "`--help` and `--version`" + ` print and exit.
`

// reference renders docs/settings.md.
func reference() string {
	var b strings.Builder
	b.WriteString(docsPreface)
	for _, f := range fieldsOf(new(Settings)) {
		if group := f.Tag.Get("group"); group != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| Argument | Variable | Default | Meaning |\n|---|---|---|---|\n", group)
		}
		value := f.defaultText()
		if _, isLiteral := f.Tag.Lookup("default"); isLiteral {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", f.usage(), f.key, value, f.Tag.Get("desc"))
	}
	return b.String()
}

func TestReferenceIsCurrent(t *testing.T) {
	const path = "../docs/settings.md"
	if *update {
		if err := os.WriteFile(path, []byte(reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != reference() {
		t.Errorf("%s is not what the struct Settings says; run go test ./settings -update", path)
	}
}

func TestUsage(t *testing.T) {
	var b strings.Builder
	Usage(&b)
	page := b.String()
	for line := range strings.Lines(page) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("line of %d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"\nLimits of a channel\n\n  --max_channel_connections=COUNT\n      Connections that a channel holds at one time. After the second ever\n      admitted, further ones",
		"\n  --max_exchanges=COUNT\n      Messages that",
		"\n      PAIR_MAX_EXCHANGES, default 10\n  --max_exchanges_asked=COUNT\n",
		"\n  --debug\n      Log whatever",
		"\n      PAIR_STATSD_HOST, default empty (off)\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, f := range fieldsOf(new(Settings)) {
		if !strings.Contains(page, "\n  "+f.usage()+"\n") || !strings.Contains(page, "\n      "+f.key+", default ") {
			t.Errorf("the page lacks %s", f.name)
		}
	}
}

// TestTags holds every setting to be described in full.
func TestTags(t *testing.T) {
	for i, f := range fieldsOf(new(Settings)) {
		_, hasDefault := f.Tag.Lookup("default")
		_, hasOtherwise := f.Tag.Lookup("otherwise")
		if hasDefault == hasOtherwise {
			t.Errorf("%s: want one of the tags default and otherwise", f.Name)
		}
		if f.isSwitch() == (f.Tag.Get("unit") != "") {
			t.Errorf("%s: want the tag unit, or a switch", f.Name)
		}
		if desc := f.Tag.Get("desc"); !strings.HasSuffix(desc, ".") || strings.Contains(desc, "|") {
			t.Errorf("%s: want a description of sentences without |", f.Name)
		}
		if i == 0 && f.Tag.Get("group") == "" {
			t.Errorf("%s: want a heading", f.Name)
		}
		if value := f.Tag.Get("default"); f.decode(value) != nil && hasDefault {
			t.Errorf("%s: its default %q is not accepted", f.Name, value)
		}
	}
}

// TestPrefaceExamples holds the examples of the help page to be accepted.
func TestPrefaceExamples(t *testing.T) {
	environment(t)
	_, examples, _ := strings.Cut(preface, "Examples:\n")
	examples, _, _ = strings.Cut(examples, "\n\n")
	n := 0
	for line := range strings.Lines(examples) {
		if _, args, ok := strings.Cut(line, "channelserver "); ok {
			load(t, strings.Fields(args)...)
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d examples with arguments, want 3", n)
	}
}
