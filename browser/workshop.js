// What the tests of one file share: browsers, programs and files, made when they are first asked
// for and gone when the tests are over.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startServer } from '../interop/server.js';
import { launch } from './browsers.js';
import { sha256 } from './device.js';
import { Terminal } from './terminal.js';

const repository = fileURLToPath(new URL('..', import.meta.url));

export function workshop() {
  const folder = mkdtempSync(join(tmpdir(), 'browser-'));
  const browsers = new Map();
  const programs = new Map();
  after(() => Promise.all([...browsers.values()].map(async browser => (await browser).close())));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true })); // when nothing runs in it any more

  function program(name) {
    if (!programs.has(name)) {
      const binary = join(folder, name);
      execFileSync('go', ['build', '-o', binary, `./cmd/${name}`], { cwd: repository, stdio: 'inherit' });
      programs.set(name, binary);
    }
    return programs.get(name);
  }

  return {
    folder,

    // browser returns the browser with a name, for somebody who reads a language.
    browser(name, language = 'en-US') {
      const key = `${name} ${language}`;
      if (!browsers.has(key)) browsers.set(key, launch(name, language));
      return browsers.get(key);
    },

    // start runs the server with some settings until the test t is over, and returns its address. Channels last
    // for longer than any test may take.
    async start(t, ...settings) {
      return (await startServer(t, program('channelserver'), '--conn_lifespan', '900', ...settings)).replace('ws:', 'http:');
    },

    // pair runs `channelctl pair` with some arguments, in the folder, until the test t is over.
    pair(t, ...args) {
      return new Terminal(t, program('channelctl'), folder, ...args);
    },

    // file writes a file of random octets, and returns where it is, its name and its sum.
    file(name, octets) {
      const data = randomBytes(octets);
      const path = join(folder, name);
      writeFileSync(path, data);
      return { path, name, sum: sha256(data) };
    },
  };
}
