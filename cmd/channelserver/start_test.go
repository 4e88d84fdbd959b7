package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStartsWithoutAnything(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--port=0", "--admin_addr=127.0.0.1:0")
	p := launch(t, cmd)
	hasAll(t, p.first, "listening on http://0.0.0.0:", "places are off", "no database at mmdb/latest/GeoLite2-City.mmdb",
		"--mmdb_loc", "PAIR_MMDB_LOC")
	if host, _, _ := net.SplitHostPort(p.address); host != "0.0.0.0" {
		t.Errorf("listens on %s, want 0.0.0.0", p.address)
	}
	hasAll(t, p.get("/__heartbeat__").body, `"places":"off"`, `"channels":"ok"`)
	talk(p.pair())
	if found, err := os.ReadDir(cmd.Dir); err != nil || len(found) > 0 {
		t.Errorf("wrote to its directory: %v, %v", found, err)
	}
}

func TestHumanLogs(t *testing.T) {
	t.Parallel()
	p := start(t, "--human_logs", "--mmdb_loc=")
	hasAll(t, p.first, "INFO", "listening on http://127.0.0.1:", "places are off, as mmdb_loc says")
}

// A server that cannot do what it is told says so on stderr and ends with status 1, before it says
// that it listens.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing := filepath.Join(dir, "missing")
	empty, damaged := file("empty", ""), file("damaged", "not a database, and no certificate")
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"port", []string{"--port=" + port}, []string{`hostname="127.0.0.1"`, "port=" + port, "in use"}},
		{"admin_addr", []string{"--admin_addr=127.0.0.1:" + port}, []string{`admin_addr="127.0.0.1:` + port + `"`, "in use", "choose another address"}},
		{"no database", []string{"--mmdb_loc=" + missing}, []string{missing, "not found"}},
		{"empty database", []string{"--mmdb_loc=" + empty}, []string{empty, "damaged"}},
		{"damaged database", []string{"--mmdb_loc", damaged}, []string{damaged, "damaged", "fetch it again"}},
		{"directory", []string{"--mmdb_loc=" + dir}, []string{dir, "not a regular file"}},
		{"no certificate", []string{"--tls_cert=" + missing, "--tls_key=" + damaged}, []string{"tls_cert=", missing, "no such file"}},
		{"damaged certificate", []string{"--tls_cert=" + damaged, "--tls_key=" + empty}, []string{"tls_cert=", damaged, "PEM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := finish(t, command(t, append([]string{"--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0"}, c.args...)...))
			if status != 1 || strings.Contains(stdout, "listening") {
				t.Errorf("status %d, stdout %s", status, stdout)
			}
			hasAll(t, stderr, append(c.says, "channelserver: ")...)
			if !isMozlog(stdout) || !strings.Contains(stdout, `"Severity":2`) {
				t.Errorf("the log does not tell: %q", stdout)
			}
		})
	}
}

// A damaged database in the default place stops the server too, and the text says how to go
// without.
func TestDamagedDefaultDatabase(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--port=0", "--admin_addr=127.0.0.1:0")
	path := filepath.Join(cmd.Dir, "mmdb/latest/GeoLite2-City.mmdb")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("cut sho"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := finish(t, cmd)
	if status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	hasAll(t, stderr, "mmdb/latest/GeoLite2-City.mmdb", "damaged", `set it to ""`)
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--prot=80", "--max_exchanges=many")
	cmd.Env = []string{"PAIR_CONN_LIFESPAN=soon"}
	status, stdout, stderr := finish(t, cmd)
	if status != 2 || stdout != "" {
		t.Errorf("status %d, stdout %q; want 2 and nothing", status, stdout)
	}
	hasAll(t, stderr, `"--prot"`, "did you mean --port?", `--max_exchanges="many"`, `PAIR_CONN_LIFESPAN="soon"`, "--help")
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for arg, text := range map[string]string{"--help": "--max_exchanges=", "-h": "PAIR_MAX_EXCHANGES", "--version": "channelserver "} {
		if status, stdout, stderr := finish(t, command(t, arg)); status != 0 || !strings.Contains(stdout, text) || stderr != "" {
			t.Errorf("%s: status %d, stdout %.100q, stderr %q", arg, status, stdout, stderr)
		}
	}
}

// Variables that are no settings are warned of, whatever octets are in their names.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0")
	cmd.Env = []string{"PAIR_MAX_EXCHANGE=5", "PAIR_\x1b[31m\r\n\xff=1", "PAIR_IPREP_MIN=50", "PATH=/"}
	p := launch(t, cmd)
	lines, _ := p.stdout.lines()
	if len(lines) != 4 || lines[3] != p.first {
		t.Fatalf("want three warnings and the line that says where it listens:\n%s", strings.Join(lines, ""))
	}
	hasAll(t, strings.Join(lines, ""), "PAIR_IPREP_MIN=", "has no effect", "did you mean PAIR_MAX_EXCHANGES?", `[31m`)
	for _, line := range lines[:3] {
		hasAll(t, line, `"Severity":4`)
	}
}

// The environment sets, and arguments win.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--port=0", "--admin-addr", "127.0.0.1:0", "--max-exchanges", "1")
	cmd.Env = []string{"PAIR_HOSTNAME=127.0.0.1", "PAIR_PORT=1", "PAIR_MAX_EXCHANGES=5"}
	p := launch(t, cmd)
	hasAll(t, p.first, `--max-exchanges=\"1\"`, `PAIR_HOSTNAME=\"127.0.0.1\"`)
	a, b := p.pair()
	a.send("the first")
	b.hears("the first")
	b.send("the second")
	a.closed(4013, "too-many-messages")
	b.closed(4013, "too-many-messages")
}

// Without an admin listener the server works and says that there is none.
func TestNoAdmin(t *testing.T) {
	t.Parallel()
	p := begin(t, command(t, "--hostname=127.0.0.1", "--port=0", "--admin_addr="))
	hasAll(t, p.next("listening on "), `"admin":"off"`)
	p.signal(syscall.SIGTERM)
	if status := p.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
}
