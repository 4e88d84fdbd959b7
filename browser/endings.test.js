// What does not end in a pairing, or ends one: each is told by its reason, in words.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { insecureHost, names } from './browsers.js';
import { ending } from '../web/page/endings.js';
import words from '../web/page/words/en.js';
import { Device, confirm, meet, options } from './device.js';
import { startProxy } from './proxy.js';
import { workshop } from './workshop.js';

const { browser, start } = workshop();

// ends holds that the person at a device is told of an ending, by its reason and in words, that a
// screen reader is led to them, and that it can be tried again.
async function ends(device, reason) {
  assert.equal(await device.ended(), reason);
  const { title, text } = ending(reason);
  const shown = await device.shown();
  for (const key of [title, text]) assert(shown.includes(words[key]), `${words[key]} is not in ${shown}`);
  assert.equal(await device.page.evaluate(() => document.activeElement.textContent), words[title]);
  await device.page.waitForSelector('#again', { visible: true });
}

// changed returns a link with one character of its secret changed.
function changed(link, at) {
  const [start, secret] = [link.slice(0, -64), link.slice(-64)];
  return start + secret.slice(0, at) + (secret[at] === 'A' ? 'B' : 'A') + secret.slice(at + 1);
}

for (const name of names) {
  const open = async (t, address, options) => Device.open(t, await browser(name), address, options);

  test(`${name}: a wrong secret does not pair, and the right one still does`, options, async t => {
    const address = await start(t);
    const creator = await open(t, address);
    const link = await creator.scan();
    await ends(await open(t, changed(link, 10)), 'wrong-secret'); // in the pre-shared key
    await ends(await open(t, changed(link, 60)), 'wrong-secret'); // in the hash of the creator's key
    await creator.at('waiting');
    const joiner = await open(t);
    await meet(creator, joiner, link);
    await confirm(creator, joiner);
  });

  test(`${name}: a link that is none`, options, async t => {
    const address = await start(t);
    const stranger = await open(t, `${address}/#b7ZHsuZ9RIWVYKJDxqmAOg.short`);
    await ends(stranger, 'bad-link');
    await stranger.click('#again');
    await stranger.scan();
  });

  test(`${name}: a link to a channel that is gone`, options, async t => {
    const address = await start(t);
    const stranger = await open(t, `${address}/#b7ZHsuZ9RIWVYKJDxqmAOg.${'A'.repeat(64)}`);
    await ends(stranger, 'no-such-channel');
    await stranger.click('#again');
    await stranger.scan();
  });

  test(`${name}: a link that is opened in two tabs`, options, async t => {
    const address = await start(t);
    const creator = await open(t, address);
    const link = await creator.scan();
    const joiner = await open(t);
    await meet(creator, joiner, link);
    const second = await open(t, link);
    await ends(second, 'already-paired');
    await confirm(creator, joiner);
    await joiner.say('still here');
    await creator.hears('still here');
  });

  test(`${name}: a tab that is duplicated continues in the new one`, options, async t => {
    const address = await start(t);
    const creator = await open(t, address);
    const joiner = await open(t);
    await meet(creator, joiner, await creator.scan());
    await confirm(creator, joiner);
    await creator.say('before');
    await joiner.hears('before');

    const [copy] = await Promise.all([
      new Promise(resolve => { joiner.page.once('popup', resolve); }),
      joiner.page.evaluate(() => { window.open(location.href); }), // takes sessionStorage with it
    ]);
    const again = new Device(copy);
    again.origin = new URL(address).origin;
    await ends(joiner, 'replaced');
    await again.at('paired');
    await again.hears('before');
    await again.say('from the copy');
    await creator.hears('from the copy');
    assert.deepEqual(again.problems, []);
  });

  test(`${name}: the short strings differ`, options, async t => {
    const address = await start(t);
    const creator = await open(t, address);
    const joiner = await open(t);
    await meet(creator, joiner, await creator.scan());
    await joiner.click('#differ');
    await ends(joiner, 'differ');
    await ends(creator, 'stopped');
  });

  test(`${name}: time is over`, options, async t => {
    const address = await start(t, '--conn_lifespan', '4');
    const creator = await open(t, address);
    await ends(creator, 'channel-expired');
    const link = () => creator.page.$eval('#link', link => link.value);
    const old = await link();
    await creator.click('#again');
    await creator.until('another link', old => document.querySelector('#link').value !== old, old);
    assert.match(await link(), /#[\w-]{22}\.[\w-]{64}$/);
  });

  test(`${name}: a channel without a free seat`, options, async t => {
    const address = await start(t, '--max_channel_connections', '2');
    const creator = await open(t, address);
    const link = await creator.scan();
    const joiner = await open(t);
    await meet(creator, joiner, link);
    const third = await open(t, link);
    await ends(third, 'channel-full');
  });

  test(`${name}: a third address, after a stranger has come from the second`, options, async t => {
    const address = await start(t, '--trusted_proxy_list', '127.0.0.1');
    const [first, second, third] = await Promise.all(['192.0.2.1', '198.51.100.2', '203.0.113.3'].map(async from => {
      const proxy = await startProxy(t, address, { 'X-Forwarded-For': from });
      return proxy.address;
    }));
    const link = await (await open(t, first)).scan();
    await ends(await open(t, changed(link, 10).replace(first, second)), 'wrong-secret');
    await ends(await open(t, link.replace(first, third)), 'address-refused');
  });

  test(`${name}: a server that opens no more channels`, options, async t => {
    const address = await start(t, '--max_channels', '1');
    const creator = await open(t, address);
    const joiner = await open(t, await creator.scan());
    await Promise.all([creator.at('confirm'), joiner.at('confirm')]);
    const third = await open(t, address);
    await ends(third, 'busy');
    await creator.click('#leave');
    await Promise.all([creator.ended(), joiner.ended()]);
    // The pages are done before the server is.
    do {
      await third.click('#again');
      await third.at('waiting', 'closed');
    } while (await third.page.evaluate(() => document.body.dataset.state === 'closed'));
    await third.scan();
  });

  test(`${name}: a page whose origin is not welcome`, options, async t => {
    const address = await start(t, '--allowed_origins', 'https://elsewhere.example');
    await ends(await open(t, address), 'busy');
  });

  test(`${name}: the network is gone when a new pairing is asked for`, options, async t => {
    const proxy = await startProxy(t, await start(t));
    const device = await open(t, `${proxy.address}/#short`);
    await ends(device, 'bad-link');
    proxy.down();
    await device.click('#again');
    await device.until('no connection', () => document.body.dataset.reason === 'unreachable');
    await ends(device, 'unreachable');
    proxy.up();
    await device.click('#again');
    await device.scan();
  });

  test(`${name}: a page without https`, options, async t => {
    const address = await start(t);
    await ends(await open(t, address.replace('127.0.0.1', insecureHost)), 'insecure-context');
  });

  test(`${name}: somebody leaves`, options, async t => {
    const address = await start(t);
    const creator = await open(t, address);
    const joiner = await open(t);
    await meet(creator, joiner, await creator.scan());
    await confirm(creator, joiner);
    await creator.click('#leave');
    await Promise.all([ends(creator, 'bye'), ends(joiner, 'peer-left')]);
  });
}
