#!/usr/bin/env bash
# Runs the tests that need Node.js: those in interop/, of clients made for Mozilla's channelserver, and those
# in web/, of the browser library and the page, with what is to be published of them. Node.js itself is
# installed from Debian's packages when it is missing and this runs as root.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		echo 'Node.js 20 or later with npm is needed for the tests in interop/ and web/. Install it and try again.' >&2
		echo 'The tests of Go alone are: go test ./...' >&2
		exit 1
	fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nodejs npm
fi

if (($(node -p 'process.versions.node.split(".")[0]') < 20)); then
	echo "Node.js 20 or later is needed for the tests in interop/ and web/; $(command -v node) is $(node --version)." >&2
	exit 1
fi

cd interop
npm ci --no-progress
npm test

cd ../web
npm ci --no-progress --ignore-scripts
npm test
npm run check
