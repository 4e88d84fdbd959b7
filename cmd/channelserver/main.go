// Command channelserver runs a relay through which devices pair.
//
// Run it without arguments to serve on port 8000; channelserver --help lists all settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"channelserver/logs"
	"channelserver/settings"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run does what the arguments say and returns the exit status: 0 when all went well, 1 when the
// server could not run, 2 when it was not started as it should be.
func run(args []string, stdout, stderr io.Writer) int {
	command := serve
	if len(args) > 0 && args[0] == "healthcheck" {
		command, args = healthcheck, args[1:]
	}
	s, warnings, err := settings.Load(args)
	switch {
	case errors.Is(err, settings.ErrHelp):
		settings.Usage(stdout)
		return 0
	case errors.Is(err, settings.ErrVersion):
		fmt.Fprintln(stdout, "channelserver", thisVersion().Version)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "channelserver cannot start:\n%v\n", err)
		for _, warning := range warnings {
			fmt.Fprintln(stderr, warning)
		}
		fmt.Fprintln(stderr, "channelserver --help lists the settings.")
		return 2
	}
	log := logs.New(stdout, logs.Options{Human: bool(s.HumanLogs), Verbose: bool(s.Verbose), Debug: bool(s.Debug)})
	for _, warning := range warnings {
		log.Warn(warning)
	}
	if err := command(context.Background(), s, log); err != nil {
		log.Log(context.Background(), logs.LevelCritical, err.Error())
		fmt.Fprintln(stderr, "channelserver:", err)
		return 1
	}
	return 0
}
