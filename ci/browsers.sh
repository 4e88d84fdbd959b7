#!/usr/bin/env bash
# Runs the tests in browser/, which drive real browsers: Debian's chromium and firefox-esr. What is
# missing, Node.js too, is installed from Debian's packages when this runs as root. Without both
# browsers nothing is tested and this fails. CHROMIUM and FIREFOX name browsers in other places.
set -euo pipefail
cd "$(dirname "$0")/../browser"

missing() {
	local program
	for program in node npm "${CHROMIUM:-chromium}" "${FIREFOX:-firefox-esr}"; do
		command -v "$program" >/dev/null || echo "$program"
	done
}

if [[ -n $(missing) && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	packages=(fonts-dejavu-core) # for what is not written in Latin letters
	command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)
	[[ -n ${CHROMIUM-} ]] || packages+=(chromium)
	[[ -n ${FIREFOX-} ]] || packages+=(firefox-esr)
	# What could not be installed is told below.
	apt-get -o Acquire::Retries=3 update || true
	DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install --yes --no-install-recommends "${packages[@]}" || true
fi

if [[ -n $(missing) ]]; then
	{
		echo
		echo '*** NOTHING WAS TESTED IN A BROWSER. Missing here:' $(missing)
		echo '*** Install what is missing (on Debian: apt-get install nodejs npm chromium firefox-esr) and run ci/browsers.sh again,'
		echo '*** or say where it is: CHROMIUM=/path/to/chromium FIREFOX=/path/to/firefox ci/browsers.sh'
	} >&2
	exit 1
fi
CHROMIUM=$(command -v "${CHROMIUM:-chromium}")
FIREFOX=$(command -v "${FIREFOX:-firefox-esr}")
export CHROMIUM FIREFOX

npm ci --no-progress

# Profiles and downloads are gone with the tests, even with those that were stopped halfway.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
npm test
