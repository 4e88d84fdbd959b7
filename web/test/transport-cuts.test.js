// Connections that break at any octet and pages that are reloaded at any message: each message arrives once, in order.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createChannel, joinChannel, resumeChannel } from '../transport.js';
import { cuttingProxy } from './proxy.js';
import { buildServer, memory, random, startServer, WebSocket } from './server.js';

const PAIRS = 24;
const MESSAGES = 60;

let built;
before(() => (built = buildServer()));
after(() => built.remove());

// A Page is one side: it sends its messages, and notes what it gets. What it has noted outlives a reload, as does what a
// page keeps in the same storage.
class Page {
  constructor(name, random, reloading) {
    Object.assign(this, { name, random, reloading, storage: memory(), got: [], sent: 0, reloads: 0, told: {}, done: null, lately: 0 });
    this.finished = new Promise(resolve => (this.done = resolve));
  }

  get options() {
    this.window = new EventTarget();
    return { storage: this.storage, window: this.window, WebSocket };
  }

  use(channel) {
    this.channel = channel;
    this.told = {};
    for (const [member, { present }] of channel.members) this.told[member] = present;
    channel.addEventListener('message', ({ text }) => {
      this.got.push(text);
      this.lately++;
      if (this.got.length === MESSAGES) this.done();
    });
    for (const [type, present] of Object.entries({ joined: true, back: true, away: false })) {
      channel.addEventListener(type, ({ member }) => {
        assert.notEqual(this.told[member], present, `${this.name} was told ${type} twice`);
        this.told[member] = present;
      });
    }
    channel.addEventListener('closed', ({ code, reason }) => assert.equal(`${code} ${reason}`, '1000 bye'));
  }

  // send has some messages under way at any time.
  async send() {
    const { channel } = this;
    const workers = [1, 2, 3].map(async () => {
      while (this.sent < MESSAGES && channel === this.channel) {
        const text = `${this.name} ${this.sent++} ${'x'.repeat(this.random() * 300)}`;
        await channel.send(text);
      }
    });
    await Promise.all(workers);
  }

  // reload leaves the page, now and then, and comes back.
  async reload() {
    this.window.dispatchEvent(new Event('pagehide'));
    this.channel = null;
    this.reloads++;
    this.use(await resumeChannel(this.options));
    this.send();
  }
}

async function open(a, b, address) {
  a.use(await createChannel(address, a.options));
  b.use(await joinChannel(a.channel.url, b.options));
}

// talk has two pages say all that they have to say.
async function talk(a, b) {
  a.send();
  b.send();
  let over = false;
  const reloading = [a, b].filter(page => page.reloading).map(async page => {
    while (!over) {
      const more = 1 + page.random() * 6;
      if (page.lately >= more && page.reloads < 6) {
        page.lately = 0;
        await page.reload();
      }
      await new Promise(resolve => setImmediate(resolve));
    }
  });
  await Promise.all([a.finished, b.finished]);
  over = true;
  await Promise.all(reloading);
  for (const [page, other] of [[a, b], [b, a]]) {
    assert.deepEqual(page.got.map(text => text.split(' ').slice(0, 2).join(' ')), Array.from({ length: MESSAGES }, (_, i) => `${other.name} ${i}`));
  }
}

async function leave(a, b) {
  for (const page of [a, b]) {
    const { code, reason } = await page.channel.close();
    assert.equal(`${code} ${reason}`, '1000 bye');
    assert.equal(page.storage.getItem('channel'), null);
  }
}

for (const [name, seed, reloading] of [['connections are cut', 1, false], ['connections are cut and pages reloaded', 2, true]]) {
  test(`exactly once while ${name}`, { timeout: 600_000 }, async t => {
    const server = await startServer(t, built.binary, '--max_exchanges=0', '--conn_lifespan=0', '--max_openings_per_minute=0', '--max_connections_per_address=0', '--max_wrong_ids_per_minute=0');
    const dice = random(seed);
    let least = 4000; // a seat is taken with one attempt only
    const proxy = await cuttingProxy(t, server, () => {
      return [least + dice() * 4000, least + dice() * 4000].map(Math.floor);
    });
    const pairs = Array.from({ length: PAIRS }, (_, i) => ['a', 'b'].map(side => new Page(side + i, dice, reloading)));
    await Promise.all(pairs.map(pair => open(...pair, proxy.address)));
    least = 0;
    await Promise.all(pairs.map(pair => talk(...pair)));
    proxy.cutting = false; // the library gives up leaving after ten seconds
    await Promise.all(pairs.map(pair => leave(...pair)));
    const reloads = pairs.flat().reduce((sum, page) => sum + page.reloads, 0);
    t.diagnostic(`${proxy.cuts} cuts, ${reloads} reloads`);
    assert.ok(proxy.cuts >= 200, `${proxy.cuts} cuts`);
    if (reloading) assert.ok(reloads >= 100, `${reloads} reloads`);
  });
}
