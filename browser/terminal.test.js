// The page at one end, `channelctl pair` at the other.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { names } from './browsers.js';
import { Device, eventually, has, options } from './device.js';
import { workshop } from './workshop.js';

const { browser, start, file, folder, pair } = workshop();

// talk has a page and a terminal that have met say everything that they can to each other.
async function talk(device, terminal, into, sent) {
  const received = file(`from ${into}.bin`, 150_000);
  const code = await device.code();
  const [shown] = await terminal.prints('errors', /\d{3} \d{3}/);
  assert.equal(shown, code);
  await device.click('#confirm');
  await device.at('paired');
  await device.takes(sent.name, sent.sum);
  terminal.say('from the terminal: <i>ü</i> 🍰');
  await device.hears('from the terminal: <i>ü</i> 🍰');
  await device.say('from the page: ü 🍰');
  await terminal.prints('out', /^from the page: ü 🍰$/m);
  await device.give(received.path);
  await device.said();
  const saved = join(folder, into, received.name);
  await eventually(`${saved} to be whole`, () => has(saved, received.sum));
}

for (const name of names) {
  test(`the page in ${name} shows, the terminal joins`, options, async t => {
    const address = await start(t);
    const device = await Device.open(t, await browser(name), address);
    const sent = file(`joining ${name}.bin`, 200_000);
    const into = `joined ${name}`;
    mkdirSync(join(folder, into));
    const terminal = pair(t, await device.scan(), '--yes', '--file', sent.path, '--directory', into);
    await device.at('confirm');
    await talk(device, terminal, into, sent);
    terminal.process.stdin.end();
    assert.match(await device.ended(), /./);
    assert.equal(await terminal.ended, 0, terminal.errors);
  });

  test(`the terminal shows, the page in ${name} joins`, options, async t => {
    const address = await start(t);
    const sent = file(`shown to ${name}.bin`, 200_000);
    const into = `showing ${name}`;
    mkdirSync(join(folder, into));
    const terminal = pair(t, '--server', address, '--yes', '--file', sent.path, '--directory', into);
    const [link] = await terminal.prints('errors', /http:\S+#\S+(?=\n)/); // to its end
    const device = await Device.open(t, await browser(name), link);
    await device.at('confirm');
    await talk(device, terminal, into, sent);
    await device.click('#leave');
    assert.match(await device.ended(), /./);
    assert.equal(await terminal.ended, 0, terminal.errors);
  });
}
