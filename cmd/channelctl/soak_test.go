package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// channelctl runs the program with these arguments.
func channelctl(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, problems bytes.Buffer
	status = run(t.Context(), args, &out, &problems)
	return status, out.String(), problems.String()
}

// startServer builds the project's server, runs it until the test ends and returns its address and that of
// its admin listener.
func startServer(t *testing.T) (server *exec.Cmd, address, admin string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "channelserver")
	if output, err := exec.Command("go", "build", "-o", binary, "../channelserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	server = exec.Command(binary, "--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0")
	server.Env = []string{}
	server.Dir = t.TempDir()
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	listening := regexp.MustCompile(`listening on http://([^;\s]+);.*"admin":"(http://[^"]+)"`)
	for address == "" && lines.Scan() {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			address, admin = found[1], found[2]
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines.Scan() { // so that it can go on writing
		}
	})
	t.Cleanup(func() {
		_ = server.Process.Kill()
		reading.Wait()
		_ = server.Wait()
	})
	if address == "" {
		t.Fatal("the server does not say where it listens")
	}
	return server, address, admin
}

// The project's own server loses nothing, whoever else is there.
func TestSoak(t *testing.T) {
	t.Parallel()
	server, address, admin := startServer(t)
	status, stdout, stderr := channelctl(t, "soak", "--url", "ws://"+address, "--for", "1s", "--pairs", "4", "--bad", "6", "--admin", admin, "--json")
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || stderr != "" {
		t.Fatalf("exit status %d, %v\n%s%s", status, err, stdout, stderr)
	}
	if r.Pairs == 0 || r.BadClients == 0 || r.Messages != r.Pairs*perPair || r.MemoryStart < 1<<20 || r.MemoryEnd < r.MemoryStart/2 {
		t.Errorf("it says %s", stdout)
	}
	status, stdout, stderr = channelctl(t, "soak", "--url", "ws://"+address, "--for", "100ms", "--bad", "0", "--pid", strconv.Itoa(server.Process.Pid))
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, row := range []string{"pairs completed ", "messages lost          0\n", "messages duplicated    0\n", "messages reordered     0\n", "memory at start ", "memory at end "} {
		if !strings.Contains(stdout, row) {
			t.Errorf("it does not say %q:\n%s", row, stdout)
		}
	}
}

// A server that says everything twice is found out.
func TestSoakFindsFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var members []*websocket.Conn // guarded by mu, as is writing to them
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	upgrader := websocket.Upgrader{}
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/") {
			http.NotFound(w, r)
			return
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		mu.Lock()
		_ = ws.WriteJSON(map[string]string{"link": "/v1/ws/x", "channelid": "x"})
		if members = append(members, ws); len(members) == 2 {
			cancel() // the pair that is there goes on to its end, and no other comes
		}
		mu.Unlock()
		ws.SetCloseHandler(func(code int, _ string) error { // not between two copies
			mu.Lock()
			defer mu.Unlock()
			return ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
		})
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return
			}
			mu.Lock()
			for _, other := range members {
				for range 2 {
					if other != ws {
						_ = other.WriteJSON(map[string]string{"message": string(text)})
					}
				}
			}
			mu.Unlock()
		}
	}))
	defer fake.Close()
	r := &report{Failures: make(map[string]int)}
	address := strings.Replace(fake.URL, "http", "ws", 1)
	var stdout, stderr bytes.Buffer
	status := run(ctx, []string{"soak", "--url", address, "--for", "1h", "--pairs", "1", "--bad", "0", "--json"}, &stdout, &stderr)
	// What was not yet passed on when its reader closed is lost, both copies of it.
	if err := json.Unmarshal(stdout.Bytes(), r); err != nil || status != 1 || r.Duplicated == 0 || r.Duplicated+r.Lost != perPair {
		t.Errorf("exit status %d, %v: %s%s", status, err, &stdout, &stderr)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		heard []int // -1 is a message of nobody
		want  ledger
	}{
		"all":           {[]int{0, 1, 2}, ledger{delivered: 3}},
		"nothing":       {nil, ledger{lost: 3}},
		"one lost":      {[]int{0, 2}, ledger{delivered: 2, lost: 1}},
		"one twice":     {[]int{0, 1, 1, 2}, ledger{delivered: 3, duplicated: 1}},
		"out of order":  {[]int{1, 0, 2}, ledger{delivered: 3, reordered: 1}},
		"of nobody":     {[]int{0, 1, -1, 2}, ledger{delivered: 3, foreign: 1}},
		"all of it":     {[]int{2, 2, 0, -1}, ledger{delivered: 2, duplicated: 1, reordered: 1, foreign: 1, lost: 1}},
		"never sent":    {[]int{0, 1, 2, 3}, ledger{delivered: 3, foreign: 1}},
		"two late ones": {[]int{2, 0, 1}, ledger{delivered: 3, reordered: 2}},
	} {
		var heard []string
		for _, n := range c.heard {
			heard = append(heard, text("channel", "a", n))
		}
		got := settle("channel", "a", 3, heard)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		r := &report{Pairs: 1, Failures: make(map[string]int)}
		if r.add(got, nil); r.good() != (name == "all") {
			t.Errorf("%s: good is %t", name, r.good())
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 2, "usage: channelctl"},
		{"--help", 0, "usage: channelctl"},
		{"sook", 2, `no command "sook"`},
		{"soak --help", 0, "examples:"},
		{"soak --help", 0, "-yes-i-run-this-server"},
		{"soak --pears 1", 2, "-pears"},
		{"soak now", 2, `"now" is no option`},
		{"soak --pairs 0", 2, "--pairs 0 is not from 1 to 1000"},
		{"soak --bad 1001", 2, "--bad 1001 is not from 0 to 1000"},
		{"soak --for 0s", 2, "--for 0s"},
		{"soak --url http://127.0.0.1", 2, "is not a URL like"},
		{"soak --url ws://192.0.2.1", 2, "--yes-i-run-this-server"},
		{"soak --url ws://[2001:db8::1]:8000", 2, "--yes-i-run-this-server"},
		{"soak --url ws://127.0.0.1:1 --for 1ms --pairs 1 --bad 1", 1, "pairs completed        0\n"},
		{"soak --pid 999999999", 1, "memory by --pid"},
		{"soak --admin http://127.0.0.1:1", 1, "connection refused"},
	} {
		status, stdout, stderr := channelctl(t, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("channelctl %s: exit status %d, want %d and %q\n%s%s", c.args, status, c.status, c.says, stdout, stderr)
		}
	}
}
