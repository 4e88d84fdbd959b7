#!/usr/bin/env bash
# Looks for known vulnerabilities in what the server calls. The list of them is on the network: where it
# cannot be reached, this says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."

ci/tools.sh
status=0
found=$(timeout 120 bin/govulncheck ./... 2>&1) || status=$?
if [[ $status == 124 ]] || { [[ $status != 0 ]] && grep -q 'fetching vulnerabilities' <<<"$found"; }; then
	echo 'SKIPPED: the database of govulncheck, https://vuln.go.dev, cannot be reached or did not answer within 2 minutes'
	exit 0
fi
printf '%s\n' "$found"
exit "$status"
