#!/usr/bin/env bash
# Runs the tests that need Node.js, in interop/: clients made for Mozilla's channelserver. Node.js
# itself is installed from Debian's packages when it is missing and this runs as root.
set -euo pipefail
cd "$(dirname "$0")/../interop"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		echo 'Node.js 18 or later with npm is needed for the tests in interop/. Install it and try again.' >&2
		echo 'The tests of Go alone are: go test ./...' >&2
		exit 1
	fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nodejs npm
fi

npm ci --no-progress
npm test
