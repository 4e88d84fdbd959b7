#!/usr/bin/env bash
# Fails when a benchmark allocates more often for an operation than ci/allocs.txt allows, or is not in it. It never
# looks at times. ci/allocs.sh update writes the file from what is measured.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(go list ./... | grep -v /cmd/)
# Of three short runs the least counts: a collection of garbage empties the pools now and then.
# -cpu ends the name of each benchmark alike everywhere.
output=$(go test -run '^$' -bench . -benchmem -benchtime 2000x -count 3 -cpu 2 $packages) || { printf '%s\n' "$output"; exit 1; }
measured=$(awk '
	$1 == "pkg:" { package = $2; sub(/^[^\/]*\//, "", package) }
	/^Benchmark/ && $NF == "allocs/op" {
		name = package " " substr($1, 1, length($1) - 2)
		if (!(name in least) || $(NF-1) < least[name]) least[name] = $(NF-1)
	}
	END { for (name in least) print name, least[name] }' <<<"$output" | LC_ALL=C sort)

if [[ ${1:-} == update ]]; then
	printf '%s\n' "$measured" >ci/allocs.txt
	exit
fi
awk '
	NR == FNR { allowed[$1 " " $2] = $3; next }
	!(($1 " " $2) in allowed) { print "not in the list: " $0; wrong = 1; next }
	{ measured[$1 " " $2]; was = allowed[$1 " " $2] }
	$3 > was { print "too many: " $1 " " $2 " allocates " $3 " times, and may " was; wrong = 1 }
	$3 < was { print "better: " $1 " " $2 " allocates " $3 " times, and may " was " (ci/allocs.sh update)" }
	END {
		for (name in allowed) if (!(name in measured)) { print "no such benchmark: " name; wrong = 1 }
		if (wrong) { print "Put that right, or tell in the commit why not and run ci/allocs.sh update."; exit 1 }
		print FNR " benchmarks allocate no more than they may"
	}' ci/allocs.txt - <<<"$measured"
