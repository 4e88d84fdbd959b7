package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// limited prepares the server to run with so many file descriptors.
func limited(t *testing.T, descriptors int, args ...string) *process {
	t.Helper()
	cmd := command(t, append([]string{"--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0", "--mmdb_loc="}, args...)...)
	bin := t.TempDir()
	if err := os.Symlink(cmd.Path, filepath.Join(bin, asServer)); err != nil {
		t.Fatal(err)
	}
	cmd.Path = "/bin/sh"
	cmd.Env = []string{"PATH=" + bin}
	cmd.Args = append([]string{"sh", "-c", "ulimit -n " + strconv.Itoa(descriptors) + `; exec ` + asServer + ` "$@"`, "sh"}, cmd.Args[1:]...)
	return launch(t, cmd)
}

// With few descriptors the server says so, opens no more channels at nine tenths of them, survives that they
// run out, serves those who are there all along, and recovers.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	p := limited(t, 64, "--max_exchanges=0")
	hasAll(t, p.stdout.String(), "few file descriptors", `"descriptors":64`, "ulimit -n")
	a, b := p.pair()
	var others []*client
	for {
		c, response := p.dial("/v1/ws/")
		if c != nil {
			others = append(others, c)
			if len(others) > 64 {
				t.Fatal("there are more connections than descriptors")
			}
			continue
		}
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "5" {
			t.Fatalf("%s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
		}
		break
	}
	if len(others) < 20 {
		t.Errorf("only %d more connections with 64 descriptors", len(others))
	}
	p.next(`overloaded: no new channels for now`)
	talk(a, b)
	p.join(a.link) // may be joined as far as descriptors go

	var silent []net.Conn
	for range 200 { // beyond the last descriptor
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		silent = append(silent, conn)
	}
	p.next("too many open files")
	for range 10 {
		talk(a, b)
	}
	for _, conn := range silent {
		conn.Close()
	}
	for _, c := range others {
		c.ws.Close()
	}
	eventually(t, "channels are opened again", func() bool { c, _ := p.dial("/v1/ws/"); return c != nil })
	p.next("no longer overloaded")
	talk(a, b)
	if turned := p.metric(`channelserver_turned_away_total{bound="descriptors"}`); turned < 1 {
		t.Errorf("%v turned away", turned)
	}
	if lines := strings.Count(p.stdout.String(), "overloaded: no new channels"); lines > 5 {
		t.Errorf("the log says %d times that it is overloaded", lines)
	}
}

// Connections that say nothing count too.
func TestSilentConnectionsTakeDescriptors(t *testing.T) {
	t.Parallel()
	p := limited(t, 64)
	var silent []net.Conn
	for range 45 {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		silent = append(silent, conn)
	}
	if c, _ := p.dial("/v1/ws/"); c != nil { // accepted behind all of them
		t.Error("a channel is opened with the last descriptors")
	}
	for _, conn := range silent {
		conn.Close()
	}
	eventually(t, "channels are opened again", func() bool { c, _ := p.dial("/v1/ws/"); return c != nil })
}

// post asks the HTTP door for something, as the holder of a token.
func (p *process) post(token, path, body string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.address+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body == "" && token != "" {
		request.Method = http.MethodDelete
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// At nine tenths of its memory the server opens no channels, serves those who are there, and recovers when
// memory is free again.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0", "--mmdb_loc=",
		"--max_exchanges=0", "--max_kept=0", "--max_kept_total=0", "--max_message_size=1000000",
		"--client_timeout=0") // for the pair says nothing, and reads no pings, while memory is filled
	cmd.Env = []string{"GOMEMLIMIT=64MiB"}
	p := launch(t, cmd)
	hasAll(t, p.stdout.String(), `"memory":67108864`, `"memory from":"GOMEMLIMIT"`)
	a, b := p.pair()
	var hoarder struct{ ChannelID, Resume string }
	status, text := p.post("", "/v2/channels", "")
	if err := json.Unmarshal([]byte(text), &hoarder); status != 201 || err != nil {
		t.Fatalf("%d: %s", status, text)
	}
	channel := "/v2/channels/" + hoarder.ChannelID
	message := strings.Repeat("x", 1_000_000)
	n := 0
	for status = 201; status == 201; status, text = p.post("", "/v2/channels", "") {
		if n++; n > 200 {
			t.Fatal("200 MB are kept within 64 MiB")
		}
		if status, text := p.post(hoarder.Resume, channel+"/messages", fmt.Sprintf(`{"n":%d,"message":%q}`, n, message)); status != 200 {
			t.Fatalf("%d: %s", status, text)
		}
	}
	if status != 503 || !strings.Contains(text, "short of memory") {
		t.Errorf("%d: %s", status, text)
	}
	p.next("overloaded: no new channels for now")
	talk(a, b)
	p.join(a.link)
	if status, text := p.post(hoarder.Resume, channel, ""); status != 204 {
		t.Fatalf("%d: %s", status, text)
	}
	eventually(t, "channels are opened again", func() bool { status, _ := p.post("", "/v2/channels", ""); return status == 201 })
	p.next("no longer overloaded")
	talk(a, b)
}
