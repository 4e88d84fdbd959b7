// The library with the other implementation, that of channelctl pair.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { createChannel, joinChannel } from '../channel.js';
import { buildServer, limit, memory, next, startServer, WebSocket } from './server.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

let built, channelctl;
before(() => {
  built = buildServer();
  channelctl = join(built.binary, '../channelctl');
  execFileSync('go', ['build', '-o', channelctl, './cmd/channelctl'], { cwd: repository, stdio: 'inherit' });
});
after(() => built.remove());

const options = () => ({ storage: memory(), window: new EventTarget(), WebSocket });

// run starts channelctl pair until the test t is over, and gives its input, what it says, line by line, the link
// that it shows, and its end.
function run(t, ...args) {
  const program = spawn(channelctl, ['pair', '--yes', ...args], { env: { NO_COLOR: '1' }, stdio: 'pipe' });
  t.after(() => program.kill());
  const said = [];
  createInterface({ input: program.stdout }).on('line', line => said.push(line));
  const link = new Promise(resolve => {
    createInterface({ input: program.stderr }).on('line', line => {
      const found = /https?:\/\/\S+#\S+/.exec(line);
      if (found) resolve(found[0]);
    });
  });
  return { input: program.stdin, said, link, ended: once(program, 'close') };
}

// talk has the library confirm, and hear and say something.
async function talk(channel, program) {
  const heard = [];
  const text = new Promise(resolve => {
    channel.addEventListener('message', ({ data }) => {
      heard.push(JSON.parse(data));
      if (heard.at(-1).type === 'text') resolve();
    });
  });
  channel.addEventListener('closed', ({ reason }) => assert.ok(['bye', 'channel-ended'].includes(reason), reason));
  if (!channel.paired) await next(channel, 'paired');
  await channel.send(JSON.stringify({ type: 'confirm' }));
  program.input.write('from Go: Grüße\n');
  await text;
  assert.equal(heard[0].type, 'confirm');
  assert.match(heard.at(-1).text, /^from Go: Grüße\n?$/);
  await channel.send(JSON.stringify({ type: 'text', text: 'from JavaScript: 日本' }));
  await channel.send(JSON.stringify({ type: 'bye' }));
  await channel.close();
  const [status] = await program.ended;
  assert.equal(status, 0);
  assert.deepEqual(program.said, ['from JavaScript: 日本']);
}

test('channelctl joins', limit, async t => {
  const address = await startServer(t, built.binary);
  const channel = await createChannel(address, options());
  await talk(channel, run(t, channel.link));
});

test('channelctl creates', limit, async t => {
  const address = await startServer(t, built.binary);
  const program = run(t, '--server', address.replace('ws', 'http'));
  await talk(await joinChannel(await program.link, options()), program);
});
