package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// dialFrom opens a connection from a local address, or from any if it is invalid.
func dialFrom(ctx context.Context, local netip.Addr, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 30 * time.Second}
	if local.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: local.AsSlice()}
		network = "tcp4"
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil && local.IsValid() && isUnavailable(err) {
		return nil, notRun(fmt.Sprintf("this machine cannot connect from %v: %v", local, err))
	}
	return conn, err
}

// tcpWindow is more than what two sockets hold on the way from one to the other.
const tcpWindow = 8 << 20

// running returns a launcher for a server that runs already.
func running(base *url.URL, k knobs) launcher {
	return func(context.Context, setup) (*target, error) {
		return &target{base: base, knobs: k, dial: dialFrom, window: tcpWindow, stop: func() {}}, nil
	}
}

// startingLimit is how long a server may take until it answers.
const startingLimit = 30 * time.Second

// A workshop starts servers. Close it when they are no longer needed.
type workshop struct {
	command string // for the shell
	folder  string // for the database of places, and the server if it has been built
	knobs   knobs  // what setups are applied to
}

// newWorkshop prepares to start servers with a command, or, if it is empty, with a channelserver
// built from the source in the working directory.
func newWorkshop(ctx context.Context, command string, k knobs) (*workshop, error) {
	folder, err := os.MkdirTemp("", "test_chan-")
	if err != nil {
		return nil, err
	}
	w := &workshop{command: command, folder: folder, knobs: k}
	if err := writePlaces(w.places()); err != nil {
		w.close()
		return nil, fmt.Errorf("cannot make a database of places: %w", err)
	}
	if command == "" {
		binary := filepath.Join(folder, "channelserver")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/channelserver")
		if output, err := build.CombinedOutput(); err != nil {
			w.close()
			return nil, fmt.Errorf("cannot build ./cmd/channelserver (run test_chan in the root of the project, or give --app or --url): %w\n%s", err, output)
		}
		w.command = "exec '" + binary + "'" // no shell stays between
	}
	return w, nil
}

func (w *workshop) places() string { return filepath.Join(w.folder, "places.mmdb") }

func (w *workshop) close() { _ = os.RemoveAll(w.folder) }

// launch starts a server on a free port of loopback and waits until it answers. It tries again when
// the port is taken by somebody else first.
func (w *workshop) launch(ctx context.Context, s setup) (*target, error) {
	var err error
	for range 3 {
		var server *target
		if server, err = w.start(ctx, s); err == nil || ctx.Err() != nil {
			return server, err
		}
	}
	return nil, err
}

func (w *workshop) start(ctx context.Context, s setup) (*target, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	k := s.apply(w.knobs)
	var said tail
	server := shell(w.command)
	server.Env = append(os.Environ(), k.environment(port, w.places())...)
	server.Stdout, server.Stderr = &said, &said
	server.WaitDelay = time.Second // for children that keep the pipes open
	apart(server)
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", w.command, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	stop := func() {
		_ = signalAll(server, syscall.SIGKILL)
		<-ended
	}
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)}
	if err := answers(ctx, base, ended); err != nil {
		stop()
		return nil, fmt.Errorf("the server (%s) with the setup %q: %w; it said:\n%s", w.command, s, err, said.String())
	}
	return &target{
		base: base, knobs: k, dial: dialFrom, window: tcpWindow, stop: stop,
		signal: func(signal os.Signal) error { return signalAll(server, signal) },
	}, nil
}

// answers waits until a server answers requests.
func answers(ctx context.Context, base *url.URL, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startingLimit, fmt.Errorf("expected it to answer at %s in %v, got nothing", base, startingLimit))
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String()+"/__lbheartbeat__", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("expected it to answer at %s, but it has ended", base)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer // guarded by mu
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Write(p)
	if over := t.kept.Len() - most; over > 0 {
		t.kept.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
