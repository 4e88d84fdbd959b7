// Package deploy holds what it takes to run the server elsewhere, and the tests of that.
package deploy

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// An image is what a Dockerfile comes to, as far as this project's own uses the format.
type image struct {
	goVersion   string      // of the stage that builds
	goBuild     string      // the command line of that stage that runs go build
	copies      [][2]string // sources, in the stage that builds or the repository, and where they go
	user        string
	entrypoint  []string
	healthcheck []string
}

// readDockerfile reads the repository's Dockerfile.
func readDockerfile(t *testing.T) (img image) {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(string(text), "")
	for line := range strings.Lines(joined) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "FROM":
			if version, ok := strings.CutPrefix(rest, "golang:"); ok {
				img.goVersion = strings.Fields(version)[0]
			}
			img.copies = nil // those of the last stage count
		case "RUN":
			if strings.Contains(rest, "go build") {
				img.goBuild = rest
			}
		case "COPY":
			fields := strings.Fields(strings.TrimPrefix(rest, "--from=build "))
			img.copies = append(img.copies, [2]string{fields[0], fields[1]})
		case "USER":
			img.user = rest
		case "ENTRYPOINT":
			img.entrypoint = execForm(t, rest)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			img.healthcheck = execForm(t, command)
		}
	}
	return img
}

// execForm reads a command that no shell takes apart, so that it is the one that gets signals.
func execForm(t *testing.T, text string) (command []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &command); err != nil || len(command) == 0 {
		t.Fatalf("%q is not a JSON array of strings; without a shell in the image it has to be", text)
	}
	return command
}

// build makes the image's files as the Dockerfile says, under a new root directory.
func (img *image) build(t *testing.T, version string) (root string) {
	t.Helper()
	stage := t.TempDir()
	build := exec.Command("sh", "-c", strings.ReplaceAll(img.goBuild, "/out/", stage+"/"))
	build.Dir = ".."
	build.Env = append(os.Environ(), "VERSION="+version, "COMMIT=0123456789abcdef")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, output)
	}
	root = t.TempDir()
	for _, c := range img.copies {
		from := filepath.Join("..", c[0])
		if name, ok := strings.CutPrefix(c[0], "/out/"); ok {
			from = filepath.Join(stage, name)
		}
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, c[1]), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// command prepares a command of the image with no environment, in its root directory; as its user
// and with nothing else in sight, if the test may do that.
func (img *image) command(t *testing.T, root string, command []string, args ...string) *exec.Cmd {
	t.Helper()
	args = append(command[1:len(command):len(command)], args...)
	if os.Getuid() != 0 {
		cmd := exec.CommandContext(t.Context(), filepath.Join(root, command[0]), args...)
		cmd.Dir, cmd.Env = root, []string{}
		return cmd
	}
	user, group, _ := strings.Cut(img.user, ":")
	uid, err := strconv.ParseUint(user, 10, 32)
	gid, err2 := strconv.ParseUint(group, 10, 32)
	if err != nil || err2 != nil || uid == 0 || gid == 0 {
		t.Fatalf("USER %s: want the numbers of a user and a group that are not root", img.user)
	}
	cmd := exec.CommandContext(t.Context(), command[0], args...)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     root,
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}
	return cmd
}

func TestDockerfileHasGoOfModule(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if img := readDockerfile(t); img.goVersion != string(wanted[1]) {
		t.Errorf("the Dockerfile builds with golang:%s, go.mod asks for %s", img.goVersion, wanted[1])
	}
}

// TestDockerfile builds what the Dockerfile builds and runs it as the image would: on an empty
// disk, with an empty environment, and without a shell.
func TestDockerfile(t *testing.T) {
	img := readDockerfile(t)
	root := img.build(t, "1.2.3-test")

	binary, err := elf.Open(filepath.Join(root, img.entrypoint[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP {
			t.Error("the binary is not static: it names an interpreter")
		}
	}

	output, err := img.command(t, root, img.entrypoint, "--version").Output()
	if err != nil || !strings.Contains(string(output), "1.2.3-test") {
		t.Errorf("--version: %v, %q", err, output)
	}

	server := img.command(t, root, img.entrypoint, "--hostname", "127.0.0.1", "--port", "0", "--admin_addr", "")
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	port := listeningPort(t, stdout)
	if output, err := img.command(t, root, img.healthcheck, "--port", port).CombinedOutput(); err != nil {
		t.Errorf("the health check of a server that is well: %v\n%s", err, output)
	}

	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stdout)
	if err := server.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, rest)
	}
	health := img.command(t, root, img.healthcheck, "--port", port)
	if output, _ := health.CombinedOutput(); health.ProcessState.ExitCode() != 1 {
		t.Errorf("the health check of a server that is gone: exit status %d, want 1\n%s", health.ProcessState.ExitCode(), output)
	}
}

// listeningPort reads what the server prints until it says where it listens.
func listeningPort(t *testing.T, stdout io.Reader) string {
	t.Helper()
	var said strings.Builder
	address := regexp.MustCompile(`http://127\.0\.0\.1:(\d+)`)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
		said.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("the server ended before it said where it listens:\n%s", &said)
	return ""
}
