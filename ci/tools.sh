#!/usr/bin/env bash
# Installs the tools of the checks into bin/. Their versions stand here and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/.."

export GOBIN=$PWD/bin
go install mvdan.cc/gofumpt@v0.12.0
go install honnef.co/go/tools/cmd/staticcheck@v0.8.2
go install golang.org/x/tools/cmd/deadcode@v0.52.0
go install golang.org/x/vuln/cmd/govulncheck@v1.8.0
go install golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
