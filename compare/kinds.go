package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"channelserver/load"
)

// Instances that are more than one of several.
const (
	ours     = "ours"
	again    = "again" // another instance of ours: what it differs by is what the measuring does not see
	theFloor = "floor"
)

// A kind is a server that is compared.
type kind struct {
	name    string // of its first instance
	label   string // for people
	build   func(ctx context.Context, folder string) error
	command func(folder string) []string
	door    load.Door
}

var kinds = []kind{
	{
		name: ours, label: "this server", build: goBuild("channelserver/cmd/channelserver"),
		command: func(folder string) []string {
			return []string{
				filepath.Join(folder, "channelserver"), "--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0",
				"--conn_lifespan=3600", "--max_exchanges=0", "--drain_timeout=0", "--heartbeat_interval=60", "--client_timeout=600",
			}
		},
		door: load.V1{},
	},
	{
		name: theFloor, label: "raw TCP relay", build: goBuild("channelserver/compare/floor"),
		command: func(folder string) []string { return []string{filepath.Join(folder, "floor")} },
		door:    floorDoor{},
	},
	{
		name: "chat", label: "shape of the gorilla chat example", build: goBuild("channelserver/compare/chat"),
		command: func(folder string) []string { return []string{filepath.Join(folder, "chat")} },
		door:    load.V1{},
	},
	{
		name: "node", label: "npm ws under Node", build: installNode,
		command: func(folder string) []string {
			return []string{"node", "--expose-gc", filepath.Join(folder, "node", "server.js")}
		},
		door: load.V1{},
	},
}

// chosen returns the kinds that a list names, separated by commas; all of them if it is empty. The floor
// and ours are always there.
func chosen(list string) ([]*kind, error) {
	wanted := strings.Split(list, ",")
	var names []string
	var found []*kind
	for i := range kinds {
		k := &kinds[i]
		names = append(names, k.name)
		if list == "" || k.name == ours || k.name == theFloor || slices.Contains(wanted, k.name) {
			found = append(found, k)
		}
	}
	for _, name := range wanted {
		if name != "" && !slices.Contains(names, name) {
			return nil, fmt.Errorf("there is no server %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return found, nil
}

// goBuild builds a package of this module as it is released, but with the symbols that profilers want.
func goBuild(what string) func(ctx context.Context, folder string) error {
	return func(ctx context.Context, folder string) error {
		command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", folder+"/", what)
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", what, err, said)
		}
		return nil
	}
}

//go:embed node/server.js node/package.json node/package-lock.json node/.npmrc
var node embed.FS

// installNode copies the server for Node and installs the library that it needs.
func installNode(ctx context.Context, folder string) error {
	if err := os.CopyFS(folder, node); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "npm", "ci", "--no-progress")
	command.Dir = filepath.Join(folder, "node")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci for the server under Node, which needs Node.js 18 or later; --servers=chat goes without: %w\n%s", err, said)
	}
	return nil
}
