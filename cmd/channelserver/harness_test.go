package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// asServer is the name under which this program is the server instead of its tests. So the server
// under test is a process of its own, with nothing in its environment, and is checked for races
// when the tests are.
const asServer = "channelserver"

func TestMain(m *testing.M) {
	if os.Args[0] == asServer {
		main()
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what should come at once, so that it fails and does not
// hang when nothing comes.
const patience = time.Minute

// command prepares the server to run in an empty directory with an empty environment.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Args = append([]string{asServer}, args...)
	cmd.Env = []string{}
	cmd.Dir = t.TempDir()
	return cmd
}

// A process is a running server. Its methods but for signal are for one goroutine.
type process struct {
	*exec.Cmd
	t              testing.TB
	scheme         string // http or https
	address, admin string // host:port
	first          string // the line that says where it listens
	stdout, stderr output
	read           int           // lines of stdout that next has passed
	human          bool          // logs are text for people
	ended          chan struct{} // closed when it has exited and all its output is here
}

// An output is what a process has written so far.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer  // guarded by mu
	grown chan struct{} // closed at the next write; guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown != nil {
		close(o.grown)
		o.grown = nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lines returns the whole lines so far, and what is closed when there is more.
func (o *output) lines() ([]string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown == nil {
		o.grown = make(chan struct{})
	}
	lines := strings.SplitAfter(o.text.String(), "\n")
	return lines[:len(lines)-1], o.grown
}

// finish runs a command until it ends by itself.
func finish(t testing.TB, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	p := begin(t, cmd)
	status = p.exit()
	return status, p.stdout.String(), p.stderr.String()
}

// begin starts a command. It ends with the test at the latest.
func begin(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, t: t, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // ProcessState tells
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// start starts the server on loopback ports of its own.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return launch(t, command(t, append([]string{"--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0"}, args...)...))
}

var listening = regexp.MustCompile(`listening on (https?)://([^;\s]+);.*(?:"admin":"http://|admin=http://)([^"\s]+)`)

// launch starts a command that is a server and waits until it listens. Its log is checked when the
// test ends: every line has the form it should have, and nothing is on stderr.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := begin(t, cmd)
	p.human = slices.Contains(cmd.Args, "--human_logs")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		if text := p.stderr.String(); text != "" {
			t.Errorf("the server wrote to stderr:\n%s", text)
		}
		lines, _ := p.stdout.lines()
		for _, line := range lines {
			if !p.human && !isMozlog(line) || p.human && !isPlain(line) {
				t.Errorf("not a good line of the log: %q", line)
			}
		}
	})
	p.first = p.next("listening on ")
	found := listening.FindStringSubmatch(p.first)
	if found == nil {
		t.Fatalf("where does it listen? %s", p.first)
	}
	p.scheme, p.address, p.admin = found[1], found[2], found[3]
	return p
}

// isMozlog tells whether a line is valid UTF-8 and one JSON object with the keys of mozlog 2.0.
func isMozlog(line string) bool {
	var entry struct {
		Timestamp, Pid, Severity     *int64
		Time, Type, Logger, Hostname *string
		EnvVersion                   string
		Fields                       map[string]any
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&entry); err != nil || !utf8.ValidString(line) {
		return false
	}
	_, hasMessage := entry.Fields["msg"]
	return entry.Timestamp != nil && entry.Pid != nil && entry.Severity != nil && entry.Time != nil && entry.Type != nil &&
		entry.Logger != nil && entry.Hostname != nil && entry.EnvVersion == "2.0" && hasMessage
}

// isPlain tells whether a line is valid UTF-8 without control characters.
func isPlain(line string) bool {
	return utf8.ValidString(line) && !strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(c rune) bool { return c < ' ' || 0x7F <= c && c < 0xA0 })
}

// next waits for the next line of the log that holds text, and passes it.
func (p *process) next(text string) string {
	p.t.Helper()
	late := time.After(patience)
	for over := false; ; {
		lines, grown := p.stdout.lines()
		for p.read < len(lines) {
			p.read++
			if line := lines[p.read-1]; strings.Contains(line, text) {
				return line
			}
		}
		if over {
			p.t.Fatalf("the server ended without logging %q:\n%s%s", text, &p.stdout, &p.stderr)
		}
		select {
		case <-grown:
		case <-p.ended:
			over = true // look once more
		case <-late:
			p.t.Fatalf("the server does not log %q:\n%s%s", text, &p.stdout, &p.stderr)
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// exit waits until the server has ended and returns its exit status.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the server does not end:\n%s%s", &p.stdout, &p.stderr)
	}
	return p.ProcessState.ExitCode()
}

// An answer is one of HTTP.
type answer struct {
	status int
	header http.Header
	body   string
}

// fetch asks for a URL, over a connection of its own.
func fetch(t testing.TB, method, url string) answer {
	t.Helper()
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Timeout:   patience,
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// get asks the public listener.
func (p *process) get(path string) answer {
	p.t.Helper()
	return fetch(p.t, http.MethodGet, p.scheme+"://"+p.address+path)
}

// ask asks the admin listener, which is to answer 200, and returns what it says.
func (p *process) ask(path string) string {
	p.t.Helper()
	a := fetch(p.t, http.MethodGet, "http://"+p.admin+path)
	if a.status != http.StatusOK {
		p.t.Fatalf("%s: status %d, %s", path, a.status, a.body)
	}
	return a.body
}

// series returns all series of /metrics by their names with labels.
func (p *process) series() map[string]float64 {
	p.t.Helper()
	all := make(map[string]float64)
	for line := range strings.Lines(p.ask("/metrics")) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "} ")
		if found {
			name += "}"
		} else {
			name, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		if strings.HasPrefix(name, "#") {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			p.t.Fatalf("%q: %v", line, err)
		}
		all[name] = number
	}
	return all
}

// metric returns the value of one series.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	value, ok := p.series()[name]
	if !ok {
		p.t.Fatalf("no series %s", name)
	}
	return value
}

// becomes waits until a series has a value.
func (p *process) becomes(name string, want float64) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s is %v", name, want), func() bool { return p.metric(name) == want })
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, ask func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !ask(); {
		if time.Now().After(late) {
			t.Fatalf("it does not become true that %s", what)
		}
	}
}

// hasAll fails the test for each text that is not in where.
func hasAll(t testing.TB, where string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(where, text) {
			t.Errorf("%q does not say %q", where, text)
		}
	}
}

// A client is a WebSocket to the server.
type client struct {
	t        testing.TB
	ws       *websocket.Conn
	link, id string // from the first frame
}

// dial opens a WebSocket, without reading anything. The header is names and values.
func (p *process) dial(path string, header ...string) (*client, *http.Response) {
	p.t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	dialer := websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	ws, response, err := dialer.DialContext(p.t.Context(), strings.Replace(p.scheme, "http", "ws", 1)+"://"+p.address+path, h)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, response
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { ws.Close() })
	ws.SetReadDeadline(time.Now().Add(patience))
	return &client{t: p.t, ws: ws}, response
}

// join opens a WebSocket that is expected to get a seat, and reads its first frame.
func (p *process) join(path string, header ...string) *client {
	p.t.Helper()
	c, response := p.dial(path, header...)
	if c == nil {
		p.t.Fatalf("%s: status %s", path, response.Status)
	}
	var first struct{ Link, ChannelID string }
	if err := c.ws.ReadJSON(&first); err != nil || first.Link != "/v1/ws/"+first.ChannelID {
		p.t.Fatalf("first frame: %v, %+v", err, first)
	}
	c.link, c.id = first.Link, first.ChannelID
	return c
}

// pair opens a channel with two members. Both send the header.
func (p *process) pair(header ...string) (a, b *client) {
	p.t.Helper()
	a = p.join("/v1/ws/", header...)
	return a, p.join(a.link, header...)
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// hears reads a message, which must be this one, and returns what is told about its sender.
func (c *client) hears(want string) (sender map[string]string) {
	c.t.Helper()
	var envelope struct {
		Message string
		Sender  map[string]string
	}
	c.ws.SetReadDeadline(time.Now().Add(patience))
	if err := c.ws.ReadJSON(&envelope); err != nil || envelope.Message != want {
		c.t.Fatalf("got the message %q, %v; want %q", envelope.Message, err, want)
	}
	return envelope.Sender
}

// talk relays one message each way.
func talk(a, b *client) {
	a.t.Helper()
	a.send("to b")
	b.hears("to b")
	b.send("to a")
	a.hears("to a")
}

// closed reads on; the connection must end with this close code and reason and nothing before it.
func (c *client) closed(code int, reason string) {
	c.t.Helper()
	c.ws.SetReadDeadline(time.Now().Add(patience))
	_, text, err := c.ws.ReadMessage()
	frame, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || frame.Code != code || frame.Text != reason {
		c.t.Errorf("got %q, %v; want the close code %d %s", text, err, code, reason)
	}
}

// bye leaves and waits for the answer.
func (c *client) bye() {
	c.t.Helper()
	err := c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(patience))
	if err != nil {
		c.t.Fatal(err)
	}
	c.closed(websocket.CloseNormalClosure, "")
}
