// Starts the browsers that the tests drive: Debian's chromium and firefox-esr, without a window.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

// names of the browsers. CHROMIUM and FIREFOX in the environment say where they are, if elsewhere.
export const names = ['chromium', 'firefox'];

// patience ends what hangs; nothing is measured by it.
export const patience = 120_000;

// insecureHost is a name that the browsers find on the loopback interface, yet do not trust as they
// trust 127.0.0.1: what http serves from there is no secure context.
export const insecureHost = 'pair.test';

// downloads is where the browsers save files. It goes with the process, since browsers may write there as
// long as they run.
export const downloads = mkdtempSync(join(tmpdir(), 'downloads-'));
process.on('exit', () => rmSync(downloads, { recursive: true, force: true }));

const options = {
  chromium: {
    browser: 'chrome',
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--no-sandbox', // which cannot be had by root, nor in most containers
      '--disable-dev-shm-usage', // which is too small in many containers
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`,
    ],
  },
  firefox: {
    browser: 'firefox',
    executablePath: process.env.FIREFOX || '/usr/bin/firefox-esr',
    extraPrefsFirefox: {
      'network.dns.localDomains': insecureHost,
      'browser.download.dir': downloads,
      'browser.download.folderList': 2, // which is browser.download.dir
      'datareporting.policy.dataSubmissionEnabled': false,
    },
  },
};

// launch starts a browser with a profile of its own, which goes when the browser is closed. It asks for
// pages in a language, as in Accept-Language.
export function launch(name, language) {
  const { args = [], extraPrefsFirefox = {}, ...rest } = options[name];
  return puppeteer.launch({
    ...rest,
    headless: true,
    env: { ...process.env, LC_ALL: 'C.UTF-8' }, // without which Chromium takes no files whose names are not ASCII
    timeout: patience,
    protocolTimeout: patience,
    args: name === 'chromium' ? [...args, `--accept-lang=${language}`] : args,
    extraPrefsFirefox: { ...extraPrefsFirefox, 'intl.accept_languages': language },
  });
}
