#!/usr/bin/env bash
# Runs the benchmarks of single functions and compares them, by benchstat, with a run that was saved before:
#   ci/bench.sh save [regular expression]    saves a run
#   ci/bench.sh [regular expression]         compares another with it
# What is saved stays out of git, for times of another machine, or of another day, say nothing: save a run, change the code, compare.
# Each benchmark runs COUNT times, 6 unless the environment says otherwise; benchstat wants at least that.
set -euo pipefail
cd "$(dirname "$0")/.."

saved=.cache/bench.txt
mkdir -p .cache
packages=$(go list ./... | grep -v /cmd/) # the benchmarks of commands run whole processes: docs/performance.md

run() { go test -run '^$' -bench "${1:-.}" -benchmem -count "${COUNT:-6}" $packages | grep -v '^?'; }

if [[ ${1:-} == save ]]; then
	run "${2:-}" | tee "$saved.new"
	mv "$saved.new" "$saved"
	exit
fi
ci/tools.sh
run "${1:-}" | tee .cache/bench-now.txt
if [[ ! -e $saved ]]; then
	echo 'There is nothing to compare with: save a run before the change with `make bench-save`.'
	exit
fi
bin/benchstat before="$saved" now=.cache/bench-now.txt
