package settings

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

const preface = `channelserver lets devices find each other for a few minutes and relays what
they send: it opens channels over WebSockets, holds them to their limits, and
forgets everything.

Usage:
  channelserver [--name=value ...]

Examples:
  channelserver
      Serve on port 8000 of every address.
  channelserver --port=9000 --human_logs --debug
      Try it out: another port, logs for people, all of them.
  PAIR_MAX_EXCHANGES=20 channelserver --tls_cert=chain.pem --tls_key=key.pem
      Serve Firefox Accounts over wss.
  channelserver --conn_lifespan=10m --client_timeout=45 --max-data 1000000
      Change limits: durations in seconds or with a unit, octets.

Every setting is an argument and a variable of the environment, named below it
with its default. The argument wins. In arguments - may stand for _, and a space
for =, but switches take a value by = only: --debug or --debug=false.

  -h, --help
      Show this page and exit.
  --version
      Show the version and exit.
`

const helpWidth = 80 // columns

// Usage writes the page of --help: text for people, in 80 columns. Like those of fmt.Fprint, its
// errors are the writer's, and ignored.
func Usage(w io.Writer) {
	page := bufio.NewWriter(w)
	defer page.Flush()
	page.WriteString(preface)
	for _, f := range fieldsOf(new(Settings)) {
		if group := f.Tag.Get("group"); group != "" {
			fmt.Fprintf(page, "\n%s\n\n", group)
		}
		fmt.Fprintf(page, "  %s\n", f.usage())
		writeWrapped(page, f.Tag.Get("desc"))
		writeWrapped(page, f.key+", default "+f.defaultText())
	}
}

// usage returns the argument with a word for its value.
func (f field) usage() string {
	if f.isSwitch() {
		return "--" + f.name
	}
	return "--" + f.name + "=" + f.Tag.Get("unit")
}

// defaultText says what holds when the setting is not given.
func (f field) defaultText() string {
	if value, ok := f.Tag.Lookup("default"); ok {
		return value
	}
	return f.Tag.Get("otherwise")
}

// writeWrapped writes a paragraph, indented, in lines that fit the page.
func writeWrapped(w io.Writer, text string) {
	const indent = "      "
	line := indent
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == indent:
			line += word
		case len(line)+1+len(word) > helpWidth:
			fmt.Fprintln(w, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(w, line)
}
