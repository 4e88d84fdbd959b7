#!/usr/bin/env bash
# Checks the Go code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."

heading() { printf '\n=== %s\n' "$*"; }

# silent runs a command that tells of its findings by printing them, and fails if there are any.
silent() {
	local found
	found=$("$@")
	[[ -z $found ]] || { printf '%s\n' "$found"; return 1; }
}

heading 'tools'
ci/tools.sh
heading 'gofumpt -l (bin/gofumpt -w . puts it right)'
silent bin/gofumpt -l .
heading 'go vet'
go vet ./...
heading 'go fix -diff (go fix ./... puts it right)'
go fix -diff ./...
heading 'go mod tidy -diff (go mod tidy puts it right)'
go mod tidy -diff
heading 'staticcheck'
bin/staticcheck ./...
heading 'deadcode -test'
silent bin/deadcode -test ./...
