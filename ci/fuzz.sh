#!/usr/bin/env bash
# Runs every fuzz target for a while: ci/fuzz.sh [time for each, 10s unless given].
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

packages=$(go list ./...)
for package in $packages; do
	listed=$(go test -list '^Fuzz' "$package")
	targets=$(sed -n '/^Fuzz/p' <<<"$listed")
	for target in $targets; do
		printf '\n=== fuzz %s %s\n' "$package" "$target"
		if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "$package" 2>&1 | tee "$output"; then
			continue
		fi
		if grep -q '^    context deadline exceeded$' "$output" && ! grep -q '^    Failing input written' "$output"; then
			echo 'No input failed: the time was up while one was being tried, which Go before 1.27 takes for a failure (go.dev/issue/75804).'
			continue
		fi
		echo 'What failed is in one of these files; commit it with the repair:'
		git ls-files --others --exclude-standard '*/testdata/fuzz/*' | xargs -r tail -v -n +1
		exit 1
	done
done
