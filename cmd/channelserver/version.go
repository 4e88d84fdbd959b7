package main

import (
	"runtime/debug"

	"channelserver/ops"
)

// Set by the linker where releases are built: -X main.version=1.2.3 -X main.commit=<hash>.
var version, commit string

// thisVersion returns what is running, from the linker's values or else from what the go command
// knew of the checkout.
func thisVersion() ops.Version {
	v := ops.Version{Source: "channelserver", Version: version, Commit: commit}
	info, ok := debug.ReadBuildInfo()
	if ok {
		v.Build = info.GoVersion
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" && v.Commit == "" {
				v.Commit = setting.Value
			}
		}
	}
	if v.Version == "" {
		v.Version = "development"
	}
	return v
}
