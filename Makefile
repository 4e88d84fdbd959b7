# make help lists the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
FUZZTIME ?= 10s

.PHONY: help run build test check fuzz bench bench-save compare

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the server; ARGS='--port 9000' passes arguments
	go run ./cmd/channelserver $(ARGS)

build: ## build a static binary, bin/channelserver, that knows its version
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/ ./cmd/channelserver

test: ## run all tests; as root on Debian, installs Node.js, Chromium and Firefox if they are missing
	go test ./...
	ci/node.sh
	ci/browsers.sh

check: ## run what CI runs, but for fuzzing
	ci/static.sh
	ci/node.sh
	ci/browsers.sh
	go test -race -shuffle=on ./...
	ci/allocs.sh

fuzz: ## run each fuzz target for FUZZTIME, 10s unless given
	ci/fuzz.sh $(FUZZTIME)

bench: ## run the benchmarks of functions, BENCH='^BenchmarkRelay' some of them, and compare with the saved run
	ci/bench.sh $(if $(BENCH),'$(BENCH)')

bench-save: ## run them and save the run, for make bench to compare with
	ci/bench.sh save $(if $(BENCH),'$(BENCH)')

compare: ## measure the server beside others, into docs/; some 4 minutes on an idle machine with Node.js; ARGS='--machine "8 cores"'
	go run ./compare --csv docs/compare.csv --svg docs/compare.svg --into docs/performance.md $(ARGS)
