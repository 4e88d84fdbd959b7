//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The project's own server keeps all promises.
func TestOurServer(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "channelserver")
	if output, err := exec.Command("go", "build", "-o", binary, "../cmd/channelserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var out, err bytes.Buffer
	args := []string{"--app", "exec '" + binary + "'", "--level", "v1-core,v1-strict,ours,v2", "--patience", "30s", "--parallel", "4"}
	if code := run(t.Context(), args, environment(), &out, &err); code != 0 {
		t.Errorf("exit status %d\n%s\n%s", code, &out, &err)
	}
	if strings.Contains(out.String(), "\nnot run") {
		t.Errorf("something was not run:\n%s", &out)
	}
}

// An eager writer calls a function when it is first written to.
type eager struct {
	once  sync.Once
	first func()
}

func (e *eager) Write(p []byte) (int, error) {
	e.once.Do(e.first)
	return len(p), nil
}

// Whoever interrupts the tester finds none of the servers that it has started.
func TestInterruptEndsServers(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	binary := filepath.Join(folder, "channelserver")
	if output, err := exec.Command("go", "build", "-o", binary, "../cmd/channelserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	screen := &eager{first: func() { cancel(errInterrupted) }}
	// The server is a child of the shell here, as it is in scripts.
	line := "'" + binary + "' & echo $! > '" + folder + "'/$PAIR_PORT.pid; wait"
	if code := run(ctx, []string{"--app", line, "--level", "v1-core,ours"}, environment(), screen, io.Discard); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.pid"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no server was started: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			continue // the shell was ended before it could write
		}
		late := time.Now().Add(time.Minute)
		for syscall.Kill(pid, 0) == nil && !isZombie(pid) { // one that was killed may need a moment to be gone
			if time.Now().After(late) {
				t.Fatalf("the server %d still runs", pid)
			}
		}
	}
}

// isZombie tells whether a process has ended, and only its parent does not know yet.
func isZombie(pid int) bool {
	output, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err != nil || strings.HasPrefix(strings.TrimSpace(string(output)), "Z")
}

func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	if code := run(t.Context(), []string{"--app", "echo out of luck; exit 3"}, environment(), &out, &err); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if says := err.String(); !strings.Contains(says, "has ended; it said:\nout of luck") {
		t.Errorf("it says %q", says)
	}
}

func TestNothingToBuild(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer // the working directory is not the root of the project
	if code := run(t.Context(), nil, environment(), &out, &err); code != 1 || !strings.Contains(err.String(), "cannot build ./cmd/channelserver") {
		t.Errorf("exit status %d, and it says %q", code, err.String())
	}
}
