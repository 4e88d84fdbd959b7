//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

func shell(line string) *exec.Cmd { return exec.Command("cmd", "/C", line) }

func apart(*exec.Cmd) {}

// signalAll can only end a command.
func signalAll(command *exec.Cmd, signal os.Signal) error {
	if signal != syscall.SIGKILL {
		return errors.New("there are no such signals on this system")
	}
	return command.Process.Kill()
}

func isUnavailable(error) bool { return false }
