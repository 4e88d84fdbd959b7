//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// shell returns what runs a command line.
func shell(line string) *exec.Cmd { return exec.Command("/bin/sh", "-c", line) }

// apart makes a command run in a process group of its own, so that it and its children can be
// signalled together, and that Ctrl-C at a terminal does not reach them past the tester.
func apart(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalAll signals a command that was set apart, with its children.
func signalAll(command *exec.Cmd, signal os.Signal) error {
	number, ok := signal.(syscall.Signal)
	if !ok {
		return fmt.Errorf("no such signal here: %v", signal)
	}
	return syscall.Kill(-command.Process.Pid, number)
}

// isUnavailable tells whether an error says that a local address is not one of this machine's.
func isUnavailable(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }
