// Connections are lost and pages reloaded in the middle: the pairing goes on where it was, and
// nothing of it is lost or doubled.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { names } from './browsers.js';
import { Device, confirm, meet, options } from './device.js';
import { startProxy } from './proxy.js';
import { workshop } from './workshop.js';

const { browser, start, file } = workshop();

// numbered returns texts that can be told apart wherever they are shown.
const numbered = (who, from, to) => Array.from({ length: to - from }, (_, i) => `(${who} ${from + i})`);
const pattern = /\(\w+ \d+\)/g;

async function say(device, texts) {
  for (const text of texts) await device.say(text);
}

for (const [i, name] of names.entries()) {
  const other = names[1 - i];

  test(`${name} loses its connection, with ${other} at the other end`, options, async t => {
    const address = await start(t);
    const proxy = await startProxy(t, address);
    const creator = await Device.open(t, await browser(name), proxy.address);
    const link = (await creator.scan()).replace(proxy.address, address);

    // In the middle of the handshake, several times.
    const cut = proxy.cut(700, 4);
    const joiner = await Device.open(t, await browser(other));
    await meet(creator, joiner, link);
    await cut;
    await confirm(creator, joiner);

    // While both speak.
    proxy.down();
    await creator.line('reconnecting');
    await Promise.all([say(creator, numbered('creator', 0, 3)), say(joiner, numbered('joiner', 0, 3))]);
    proxy.up();
    await creator.line('open');
    await Promise.all([say(creator, numbered('creator', 3, 6)), say(joiner, numbered('joiner', 3, 6))]);
    await Promise.all([creator.said(), joiner.said(), creator.hears('(joiner 5)'), joiner.hears('(creator 5)')]);

    // While files pass, both ways at once.
    const [there, back] = [file(`${name} cut.bin`, 700_000), file(`${other} cut.bin`, 600_000)];
    const cuts = proxy.cut(250_000, 5);
    await creator.give(there.path);
    await joiner.give(back.path);
    await Promise.all([joiner.takes(there.name, there.sum), creator.takes(back.name, back.sum), cuts]);

    for (const device of [creator, joiner]) {
      const own = device === creator ? 'creator' : 'joiner';
      const others = device === creator ? 'joiner' : 'creator';
      assert.deepEqual(await device.items('me', pattern), numbered(own, 0, 6));
      assert.deepEqual(await device.items('peer', pattern), numbered(others, 0, 6));
    }
    await joiner.line('open');
  });

  test(`${name} reloads its pages at each step`, options, async t => {
    const address = await start(t);
    const creator = await Device.open(t, await browser(name), address);
    const link = await creator.scan();
    await creator.reload();
    assert.equal(await creator.scan(), link, 'another channel was opened');

    const joiner = await Device.open(t, await browser(name));
    await meet(creator, joiner, link);
    const code = await creator.code();
    for (const device of [creator, joiner]) {
      await device.reload();
      await device.at('confirm');
      assert.equal(await device.code(), code);
    }
    await creator.click('#confirm');
    await creator.reload();
    await joiner.click('#confirm');
    await Promise.all([creator.at('paired'), joiner.at('paired')]);

    await creator.say('(creator 0)');
    await joiner.say('(joiner 0)');
    await Promise.all([creator.said(), joiner.said(), creator.hears('(joiner 0)'), joiner.hears('(creator 0)')]);
    for (const [i, device] of [creator, joiner].entries()) {
      await device.said();
      await device.reload();
      await device.at('paired');
      await creator.say(`(creator ${i + 1})`);
      await joiner.say(`(joiner ${i + 1})`);
    }
    await Promise.all([creator.said(), joiner.said(), creator.hears('(joiner 2)'), joiner.hears('(creator 2)')]);
    assert.deepEqual(await creator.items('me', pattern), numbered('creator', 0, 3));
    assert.deepEqual(await creator.items('peer', pattern), numbered('joiner', 0, 3));
    assert.deepEqual(await joiner.items('me', pattern), numbered('joiner', 0, 3));
    assert.deepEqual(await joiner.items('peer', pattern), numbered('creator', 0, 3));
  });

  test(`${name} reloads the page that is receiving a file`, options, async t => {
    const address = await start(t);
    const proxy = await startProxy(t, address);
    const creator = await Device.open(t, await browser(name), proxy.address);
    const joiner = await Device.open(t, await browser(name));
    await meet(creator, joiner, (await creator.scan()).replace(proxy.address, address));
    await confirm(creator, joiner);

    const { path, name: called, sum } = file(`${name} reloaded.bin`, 900_000);
    const half = proxy.downAfter(400_000);
    await creator.give(path);
    await half;
    await joiner.reload();
    await joiner.at('paired');
    proxy.up();
    await joiner.takes(called, sum);
    await creator.said();
  });
}
