package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/text/language"

	"channelserver/client"
)

const pairUsage = `usage: channelctl pair [options]         mint a channel, show its QR code and link, and wait
       channelctl pair [options] LINK    join by the link that the other device shows

Pairs this terminal with another one, or with a browser: texts and small files go both ways, encrypted
so that the server cannot read them. Both devices show the same six digits: compare them.

What comes on standard input is sent, what the other device sends goes to standard output, all else to
standard error. Ctrl-D or the end of a piped input ends the pairing, after everything was delivered; with
a piped input that is empty and no --file, this side receives until the other one leaves. Nobody is
asked about the digits with --yes, or where there is no terminal: then they count as the same.

exit status:
    0   done: one side has left, and everything had arrived
    1   failed or ended early: something did not arrive, the time is over, or the server is not there
    2   the arguments are wrong
    3   refused: the link is used up or wrong, or the digits were not confirmed
  130   interrupted (Ctrl-C); a second Ctrl-C does not say goodbye to the other device

examples:
  channelctl pair --server https://pair.example        # then scan the QR code with a phone
  channelctl pair 'https://pair.example/#...'          # join; the quotes keep the shell off the #
  channelctl pair --file photo.jpg --file notes.txt
  echo hello | channelctl pair 'https://pair.example/#...'
  channelctl pair --yes --directory ~/in </dev/null >texts.txt

options:
`

// Exit statuses of channelctl pair, besides 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitInterrupted = 130
)

// linkForm is a link of docs/encryption.md section 3.
var linkForm = regexp.MustCompile(`^https?://[^/#][^#]*#[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{64}$`)

// pairOptions are what the arguments of channelctl pair say.
type pairOptions struct {
	server    string   // where a channel is minted
	link      string   // that is joined instead; "" for none
	files     []string // paths of files to be sent
	directory string   // for files that come
	noFiles   bool     // files that come are refused
	yes       bool     // nobody is asked
	language  string   // Accept-Language
}

// streams are what a program reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// terminal opens what a person can be asked on.
	terminal func() (io.ReadWriteCloser, error)
}

func parsePair(args []string, s streams) (o pairOptions, err error) {
	set := flag.NewFlagSet("pair", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&o.server, "server", "http://localhost:8000", "`URL` of the server that mints the channel")
	set.Func("file", "send the file at `PATH`, at most 10 MiB; may be repeated", func(path string) error {
		o.files = append(o.files, path)
		return nil
	})
	set.StringVar(&o.directory, "directory", ".", "save the files that come in the folder at `PATH`; nothing there is overwritten")
	set.BoolVar(&o.noFiles, "no-files", false, "refuse the files that come")
	set.BoolVar(&o.yes, "yes", false, "take the digits for the same without asking")
	set.StringVar(&o.language, "language", environmentLanguage(os.Getenv), "`LANGUAGE` of the names of places, such as fr or pt-BR; from LANG unless given")
	var words []string
	for rest := args; err == nil; rest = set.Args()[1:] { // options may follow LINK
		if err = set.Parse(rest); set.NArg() == 0 {
			break
		}
		words = append(words, set.Arg(0))
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(s.out, pairUsage)
		set.SetOutput(s.out)
		set.PrintDefaults()
		return o, err
	}
	if err == nil {
		err = o.check(words)
	}
	if err != nil {
		fmt.Fprintf(s.err, "channelctl pair: %s; see channelctl pair --help\n", harmless(err.Error()))
	}
	return o, err
}

// check checks what can be known before anything is done.
func (o *pairOptions) check(words []string) error {
	if len(words) > 1 {
		return fmt.Errorf("%d links were given; one is enough", len(words))
	}
	if len(words) == 1 {
		o.link = words[0]
		if !linkForm.MatchString(o.link) { // not shown: it is secret
			return errors.New("LINK must be all of the link that the other device shows, like 'https://pair.example/#...'")
		}
	}
	u, err := url.Parse(o.server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("--server %q is not a URL like https://pair.example", o.server)
	}
	if o.language != "" {
		if _, err := language.Parse(o.language); err != nil {
			return fmt.Errorf("--language %q is no language: %w", o.language, err)
		}
	}
	for _, path := range o.files {
		switch info, err := os.Stat(path); {
		case err != nil:
			return fmt.Errorf("--file: %w", err)
		case info.IsDir():
			return fmt.Errorf("--file %s: it is a folder; pack it into one file", path)
		case info.Size() > maxFile:
			return fmt.Errorf("--file %s: it has %s; at most %s can be sent", path, size(info.Size()), size(maxFile))
		}
	}
	if !o.noFiles {
		if info, err := os.Stat(o.directory); err != nil || !info.IsDir() {
			return fmt.Errorf("--directory %s: there is no such folder", o.directory)
		}
	}
	return nil
}

// environmentLanguage returns the language that the environment asks for (POSIX.1-2017 section 8.2), or "".
func environmentLanguage(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			value, _, _ = strings.Cut(value, ".") // the character set
			value, _, _ = strings.Cut(value, "@")
			tag, err := language.Parse(value)
			if err != nil || tag == language.Und {
				return "" // C and POSIX are none
			}
			return tag.String()
		}
	}
	return ""
}

// runPair is channelctl pair. It may leave goroutines behind that wait for input.
func runPair(ctx context.Context, args []string, s streams) int {
	o, err := parsePair(args, s)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	signal.Ignore(syscall.SIGPIPE) // writing to a pipe that nobody reads is an error, and no reason to leave without a word
	d := &client.Dialer{Header: http.Header{"User-Agent": {"channelctl (" + runtime.GOOS + ")"}}}
	if o.language != "" {
		d.Header.Set("Accept-Language", o.language)
	}
	return newTalk(&o, s).run(ctx, d)
}
