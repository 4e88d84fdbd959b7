package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"channelserver/load"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	server, address, _ := startServer(t)
	pid := strconv.Itoa(server.Process.Pid)
	at := []string{"--url", "ws://" + address}

	status, stdout, stderr := channelctl(t, append([]string{"load", "pair", "--for", "100ms", "--json", "--pid", pid, "--workers", "2", "--size", "16"}, at...)...)
	var r load.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || stderr != "" {
		t.Fatalf("exit status %d, %v\n%s%s", status, err, stdout, stderr)
	}
	if r.Scenario != load.Pairs || r.Pairings == 0 || r.Messages != 10*r.Pairings || r.Workers != 2 || r.Size != 16 || r.Server == nil || r.Server.PerPairing <= 0 {
		t.Errorf("it says %s", stdout)
	}

	for _, c := range []struct {
		args   string
		status int
		says   []string
	}{
		{"idle --for 100ms --idle 10 --pid " + pid, 0, []string{"idle connections  10\n", "opening", "CPU for each channel opened", "memory when all was open", "server", "no errors\n"}},
		{"churn --for 100ms --version 2", 0, []string{"pairings ", "CPU for each pairing", "no errors\n"}},
		{"pair --for 100ms", 0, []string{"workers            16\n", "512 octets", "messages ", "p99.9", "generator"}},
		// These end by themselves, when the channel has carried what it may.
		{"relay --for 1h --channels 1", 1, []string{"errors: 2 times closed with 4013 too-many-messages (start the server with --max_exchanges=0)\n"}},
		{"resume --for 1h --channels 1", 1, []string{"errors: 1 times closed with 40", "(start the server with --max_exchanges=0)\n"}},
	} {
		status, stdout, stderr := channelctl(t, append(append([]string{"load"}, strings.Fields(c.args)...), at...)...)
		if status != c.status || stderr != "" {
			t.Errorf("load %s: exit status %d\n%s%s", c.args, status, stdout, stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(stdout, want) {
				t.Errorf("load %s: it does not say %q:\n%s", c.args, want, stdout)
			}
		}
	}
}

// An interrupt ends the measuring, and what was measured is reported.
func TestLoadInterrupted(t *testing.T) {
	t.Parallel()
	_, address, _ := startServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	progress := writerFunc(func(line []byte) {
		if strings.Contains(string(line), "pairings/s") {
			cancel()
		}
	})
	status := run(ctx, []string{"load", "pair", "--url", "ws://" + address, "--for", "1h", "--progress", "--workers", "1"}, &out, progress)
	if status != 0 || !strings.Contains(out.String(), "pairings ") {
		t.Errorf("exit status %d\n%s", status, out.String())
	}
}

// A writerFunc is called with what is written.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestLoadProgress(t *testing.T) {
	t.Parallel()
	first := load.Progress{Elapsed: time.Second, Opened: 5, Messages: 100}
	second := load.Progress{Elapsed: 3 * time.Second, Opened: 5, Messages: 500, Pairings: 2, Errors: 7}
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{false, "   1s  5 channels open  100 messages/s  0 errors\n   3s  5 channels open  200 messages/s  1 pairings/s  7 errors\n"},
		{true, "\r   1s  5 channels open  100 messages/s  0 errors\x1b[K\r   3s  5 channels open  200 messages/s  1 pairings/s  7 errors\x1b[K\r\x1b[K"},
	} {
		var out bytes.Buffer
		tell, end := progressOn(&out, c.terminal)
		tell(first)
		tell(second)
		end()
		if out.String() != c.want {
			t.Errorf("on a terminal %t: %q", c.terminal, out.String())
		}
	}
}

func TestLoadArguments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"--help", 0, "examples:"},
		{"relay --help", 0, "-yes-i-run-this-server"},
		{"", 2, "which scenario?"},
		{"--for 1s", 2, "which scenario?"},
		{"relais", 2, `no scenario "relais"`},
		{"relay now", 2, `"now" is no option`},
		{"relay --chanels 1", 2, "-chanels"},
		{"relay --channels 0", 2, "0 channels"},
		{"relay --for 61m", 2, "1h1m0s is not a time up to 1h"},
		{"idle --idle 3", 2, "3 idle connections"},
		{"rate --rate 0", 2, "0 messages a second"},
		{"relay --version 3", 2, "--version 3"},
		{"resume --version 1", 2, "version 1 has no resuming"},
		{"relay --url 127.0.0.1", 2, "is not a URL like"},
		{"relay --url ws://192.0.2.1", 2, "--yes-i-run-this-server"},
		{"relay --url wss://[2001:db8::1]", 2, "--yes-i-run-this-server"},
		{"relay --url ws://127.0.0.1:1", 1, "connection refused"},
		{"idle --url ws://127.0.0.1:1 --pid 999999999", 1, "999999999"},
	} {
		status, stdout, stderr := channelctl(t, append([]string{"load"}, strings.Fields(c.args)...)...)
		if status != c.status || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("channelctl load %s: exit status %d, want %d and %q\n%s%s", c.args, status, c.status, c.says, stdout, stderr)
		}
	}
}

// Errors that come of the server's settings are told with what to do.
func TestLoadHints(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"closed with 4013 too-many-messages": "--max_exchanges=0", "closed with 4008 channel-expired": "--conn_lifespan=0",
		"closed with 1009 message-too-big": "--max_message_size", "refused with 429 Too Many Requests": "limits", "refused with 503 Service Unavailable": "limits",
		"connection reset by peer": "",
	} {
		if got := hintFor(kind); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", kind, got)
		}
	}
}
