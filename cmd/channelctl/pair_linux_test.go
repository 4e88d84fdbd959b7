package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// build builds this program.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "channelctl")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binary
}

// openPTY returns a person's and a program's end of a terminal.
func openPTY(t *testing.T, columns, rows uint16) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return person, program
}

// A process is channelctl pair as a process of its own, at a terminal.
type process struct {
	*exec.Cmd
	person *os.File
	screen *transcript
}

// launch starts it with the terminal as its controlling one.
func launch(t *testing.T, binary string, columns, rows uint16, environment []string, args ...string) *process {
	t.Helper()
	person, program := openPTY(t, columns, rows)
	p := &process{exec.Command(binary, append([]string{"pair"}, args...)...), person, newTranscript()}
	p.Stdin, p.Stdout, p.Stderr = program, program, program
	p.Env = environment
	p.Dir = t.TempDir()
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	program.Close()
	go func() {
		_, _ = io.Copy(p.screen, person) // until nobody has the program's end any more
		p.screen.end()
	}()
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// ends checks how it ends.
func (p *process) ends(t *testing.T, status int) {
	t.Helper()
	_ = p.Wait()
	if got := p.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d, want %d:\n%s", got, status, p.screen)
	}
}

func TestPairTerminal(t *testing.T) {
	t.Parallel()
	_, address, _ := startServer(t)
	server := "--server=http://" + address
	binary := build(t)
	t.Run("a person at each end", func(t *testing.T) {
		t.Parallel()
		a := launch(t, binary, 100, 40, []string{"TERM=xterm-256color"}, server)
		link := strings.TrimSpace(a.screen.wait(t, `http://\S+#\S+\s`))
		a.screen.wait(t, "█")
		b := launch(t, binary, 80, 24, []string{"NO_COLOR="}, link)
		for _, p := range []*process{a, b} {
			p.screen.wait(t, `too\? \[y/N\] `)
			_, _ = io.WriteString(p.person, "y\n")
		}
		a.screen.wait(t, "Ctrl-D leaves")
		b.screen.wait(t, "Ctrl-D leaves")
		_, _ = io.WriteString(a.person, "hi \x16\x1b[2J\n") // Ctrl-V keeps the terminal from reading the next one
		b.screen.wait(t, "\nhi \uFFFD\\[2J")
		_, _ = io.WriteString(b.person, "\x04")
		a.ends(t, 0)
		b.ends(t, 0)
		a.screen.wait(t, "The other device has left")
		b.screen.wait(t, "You have left")
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		a := launch(t, binary, 80, 24, nil, server)
		b := start(t, strings.TrimSpace(a.screen.wait(t, `http://\S+#\S+\s`)))
		a.screen.wait(t, `too\? \[y/N\] `)
		_, _ = io.WriteString(a.person, "y\n")
		b.err.wait(t, "Both have confirmed")
		_, _ = io.WriteString(a.person, "\x03")
		a.ends(t, exitInterrupted)
		a.screen.wait(t, "Interrupted")
		b.ends(t, 0, "The other device has left.")
	})
	t.Run("Ctrl-C at the question", func(t *testing.T) {
		t.Parallel()
		a := launch(t, binary, 80, 24, nil, server)
		b := start(t, strings.TrimSpace(a.screen.wait(t, `http://\S+#\S+\s`)))
		a.screen.wait(t, `too\? \[y/N\] `)
		_, _ = io.WriteString(a.person, "\x03")
		a.ends(t, exitInterrupted)
		b.ends(t, exitRefused, "before both had confirmed")
	})
	t.Run("output that nobody reads", func(t *testing.T) {
		t.Parallel()
		a := start(t, server)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		problems := newTranscript()
		b := exec.Command(binary, "pair", "--yes", a.link(t))
		b.Stdout, b.Stderr = w, problems
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		a.say("hi\n")
		_ = b.Wait()
		if got := b.ProcessState.ExitCode(); got != exitFailed || !strings.Contains(problems.String(), "cannot be written") {
			t.Errorf("exit status %d\n%s", got, problems)
		}
		// Whether b has said before that it has got the text is another matter.
		if status := <-a.status; status > exitFailed || !strings.Contains(a.err.String(), "The other device has left.") {
			t.Errorf("exit status %d\n%s", status, a.err)
		}
	})
	t.Run("a person who cannot be asked", func(t *testing.T) {
		t.Parallel()
		_, program := openPTY(t, 80, 24)
		problems, status := newTranscript(), make(chan int)
		go func() {
			status <- runPair(t.Context(), []string{server}, streams{program, io.Discard, problems, nobody})
		}()
		p := joinAs(t, problems.wait(t, `http://\S+#\S+`))
		p.hears(`{"type":"bye"}`)
		if got := <-status; got != exitFailed || !strings.Contains(problems.String(), "--yes goes on without asking") {
			t.Errorf("exit status %d\n%s", got, problems)
		}
	})
	t.Run("in the middle of a lost connection", func(t *testing.T) {
		t.Parallel()
		server, address, _ := startServer(t)
		a := launch(t, binary, 80, 24, nil, "--yes", "--server=http://"+address)
		a.screen.wait(t, `http://\S+#\S+\s`)
		_ = server.Process.Kill()
		a.screen.wait(t, "Trying to get it back")
		_ = a.Process.Signal(os.Interrupt)
		a.ends(t, exitInterrupted)
	})
}
