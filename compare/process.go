package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// patience bounds what should come at once.
const patience = 30 * time.Second

// A process is a running server.
type process struct {
	kind    *kind
	name    string // of this instance
	address string // host:port
	admin   string // URL of the admin listener; empty if it has none
	command *exec.Cmd
	lines   chan string // of its output; closed at its end
}

var (
	listening = regexp.MustCompile(`listening on (?:https?://)?(127\.0\.0\.1:\d+)`)
	admin     = regexp.MustCompile(`"admin":"(http://[^"]+)"`)
)

// start runs a server until stop, and waits until it listens.
func start(ctx context.Context, k *kind, name string, command []string) (*process, error) {
	p := &process{kind: k, name: name, command: exec.CommandContext(ctx, command[0], command[1:]...), lines: make(chan string, 1000)}
	p.command.Env = []string{"PATH=" + os.Getenv("PATH")}
	p.command.Stderr = os.Stderr
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the server %s: %w", name, err)
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			select {
			case p.lines <- lines.Text():
			default: // a log that nobody waits for
			}
		}
	}()
	first, err := p.wait(func(line string) bool { return listening.MatchString(line) })
	if err != nil {
		p.stop()
		return nil, err
	}
	p.address = listening.FindStringSubmatch(first)[1]
	if found := admin.FindStringSubmatch(first); found != nil {
		p.admin = found[1]
	}
	return p, nil
}

// wait waits for a line of output.
func (p *process) wait(wanted func(line string) bool) (string, error) {
	timeout := time.After(patience)
	var said []string
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				return "", fmt.Errorf("the server %s has ended; it said:\n%s", p.name, strings.Join(said, "\n"))
			}
			if wanted(line) {
				return line, nil
			}
			said = append(said, line)
		case <-timeout:
			return "", fmt.Errorf("the server %s did not say within %v what was waited for, but:\n%s", p.name, patience, strings.Join(said, "\n"))
		}
	}
}

// stop ends the server and waits for that.
func (p *process) stop() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// collect makes the server collect garbage, twice: what a pool held is free after the second time only.
func (p *process) collect(ctx context.Context) error {
	if p.admin == "" {
		if err := p.command.Process.Signal(syscall.SIGUSR2); err != nil {
			return err
		}
		_, err := p.wait(func(line string) bool { return line == "collected" })
		return err
	}
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+"/debug/pprof/heap?gc=1", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("the server %s answered %s when it was asked to collect garbage", p.name, answer.Status)
		}
	}
	return nil
}
