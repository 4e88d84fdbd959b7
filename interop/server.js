// Builds the server and runs it for a test.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));

// buildServer returns the path of a fresh binary and what removes it.
export function buildServer() {
  const folder = mkdtempSync(join(tmpdir(), 'interop-'));
  const binary = join(folder, 'channelserver');
  execFileSync('go', ['build', '-o', binary, './cmd/channelserver'], { cwd: repository, stdio: 'inherit' });
  return { binary, remove: () => rmSync(folder, { recursive: true }) };
}

// startServer runs the binary on a free port of the loopback interface until the test t is over,
// with no settings but those given, and returns its address.
export async function startServer(t, binary, ...settings) {
  const args = ['--hostname', '127.0.0.1', '--port', '0', '--admin_addr', '', '--drain_timeout', '0', ...settings];
  const server = spawn(binary, args, { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'close');

  const said = [];
  const listening = new Promise(resolve => {
    createInterface({ input: server.stdout }).on('line', line => {
      said.push(line);
      const port = line.match(/http:\/\/127\.0\.0\.1:(\d+)/)?.[1];
      if (port) resolve(`ws://127.0.0.1:${port}`);
    });
  });
  const failed = ended.then(([status]) => {
    throw new Error(`the server ended with ${status} before it listened:\n${said.join('\n')}`);
  });
  const address = await Promise.race([listening, failed]);
  failed.catch(() => {}); // from now on it may end

  t.after(async () => {
    server.kill('SIGTERM');
    const [status, signal] = await ended;
    if (status !== 0) throw new Error(`the server ended with ${status ?? signal}:\n${said.join('\n')}`);
  });
  return address;
}
