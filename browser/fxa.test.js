// Pairs two pages as Firefox Accounts pairs two browsers: with the published, unmodified
// fxa-pairing-channel, on pages of another origin than this server's.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { names, patience } from './browsers.js';
import { options } from './device.js';
import { workshop } from './workshop.js';

const published = readFileSync(createRequire(import.meta.url).resolve('fxa-pairing-channel/dist/FxAccountsPairingChannel.babel.umd.js'));

// Runs in a page: says what goes from one end of a pairing to the other, and keeps what comes.
function inPage() {
  const received = [];
  let wake = () => {};
  const keep = what => { received.push(what); wake(); };
  window.listen = channel => {
    window.channel = channel;
    channel.addEventListener('message', ({ detail }) => keep(detail));
    channel.addEventListener('close', () => keep('closed'));
    channel.addEventListener('error', ({ detail }) => keep(String(detail.error)));
  };
  window.next = async () => {
    while (!received.length) await new Promise(resolve => { wake = resolve; });
    return received.shift();
  };
}

// servePage serves an empty page that has loaded the package, and returns its address.
async function servePage(t) {
  const server = createServer((request, response) => {
    const script = request.url === '/published.js';
    response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
    response.end(script ? published : `<!DOCTYPE html><title>fxa</title><script src="published.js"></script><script>(${inPage})()</script>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.close(); server.closeAllConnections(); });
  return `http://127.0.0.1:${server.address().port}/`;
}

const { browser, start } = workshop();

for (const name of names) {
  test(`fxa-pairing-channel pairs two pages in ${name}`, options, async t => {
    const address = (await start(t, '--max_exchanges', '20')).replace('http', 'ws');
    const url = await servePage(t);
    const [authority, supplicant] = await Promise.all([0, 1].map(async () => {
      const context = await (await browser(name)).createBrowserContext();
      t.after(() => context.close());
      const page = await context.newPage({ type: 'window' });
      page.setDefaultTimeout(patience);
      await page.goto(url);
      return page;
    }));

    const link = await authority.evaluate(async address => {
      const channel = await window.FxAccountsPairingChannel.PairingChannel.create(address);
      window.listen(channel);
      return { id: channel.channelId, key: Array.from(channel.channelKey) };
    }, address);
    await supplicant.evaluate(async (address, { id, key }) => {
      window.listen(await window.FxAccountsPairingChannel.PairingChannel.connect(address, id, new Uint8Array(key)));
    }, address, link);

    const pass = async (from, to, data) => {
      const [received] = await Promise.all([to.evaluate(() => window.next()), from.evaluate(data => window.channel.send(data), data)]);
      return received;
    };
    const said = [
      [supplicant, authority, { message: 'pair:supp:request', data: { scope: 'profile' } }],
      [authority, supplicant, { message: 'pair:auth:metadata', data: { displayName: 'Zoë' } }],
      [supplicant, authority, { message: 'pair:supp:authorize' }],
      [authority, supplicant, { message: 'pair:auth:authorize', data: { code: 'abc' } }],
    ];
    for (const [from, to, data] of said) {
      const ua = await from.evaluate(() => navigator.userAgent);
      assert.deepEqual(await pass(from, to, data), { data, sender: { ua, remote: '127.0.0.1' } });
    }
    await Promise.all([authority.evaluate(() => window.channel.close()), supplicant.evaluate(() => window.next())]);
    assert.equal(await supplicant.evaluate(() => window.channel.close().then(() => 'closed')), 'closed');
    assert.equal(await authority.evaluate(() => window.next()), 'closed');
  });
}
