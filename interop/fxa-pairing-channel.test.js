// Pairs two devices as Firefox Accounts does: with the published fxa-pairing-channel, whose own
// TLS 1.3 goes through this server.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, beforeEach, test } from 'node:test';
import WebSocket from 'ws';

import { buildServer, startServer } from './server.js';

// What a whole pairing sends through the server, the handshake and both closing notices included.
const framesOfPairing = 11;

// A browser's WebSocket, as far as the package needs it, with a User-Agent of its own for each.
class BrowserSocket extends WebSocket {
  relayed = 0; // frames that came from the other member

  constructor(url) {
    const userAgent = `Browser ${sockets.length}`;
    super(url, { headers: { 'User-Agent': userAgent } });
    this.userAgent = userAgent;
    this.closed = once(this, 'close').then(([code, reason]) => ({ code, reason: reason.toString() }));
    this.addEventListener('message', ({ data }) => {
      if ('message' in JSON.parse(data)) this.relayed++;
    });
    sockets.push(this);
  }
}

// The package is a script for pages. It lets nobody see the sockets it opens, so they are kept here.
let sockets;
globalThis.window = globalThis;
globalThis.WebSocket = BrowserSocket;
globalThis.crypto ??= webcrypto; // missing in Node.js 18
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail } = {}) {
    super(type);
    this.detail = detail;
  }
};
const { PairingChannel } = createRequire(import.meta.url)('fxa-pairing-channel/dist/FxAccountsPairingChannel.babel.umd.js');

// next waits for a channel's next event of a type and returns its detail; an error is thrown.
function next(channel, type) {
  return new Promise((resolve, reject) => {
    channel.addEventListener(type, event => resolve(event.detail), { once: true });
    channel.addEventListener('error', event => reject(event.detail.error), { once: true });
  });
}

async function send(from, to, data) {
  const received = next(to, 'message');
  await from.send(data);
  return received;
}

// pair opens a channel for the browser that is signed in, the authority, joins it as the one that
// is to be, the supplicant, and says what they say to each other. It returns what was received.
async function pair(address) {
  const authority = await PairingChannel.create(address);
  const supplicant = await PairingChannel.connect(address, authority.channelId, authority.channelKey);
  const received = [
    await send(supplicant, authority, { message: 'pair:supp:request', data: { scope: 'profile' } }),
    await send(authority, supplicant, { message: 'pair:auth:metadata', data: { displayName: 'Zoë' } }),
    await send(supplicant, authority, { message: 'pair:supp:authorize' }),
    await send(authority, supplicant, { message: 'pair:auth:authorize', data: { code: 'abc' } }),
  ];
  return { authority, supplicant, received };
}

// close ends a pairing: the authority says that it closes, then the supplicant.
async function close({ authority, supplicant }) {
  await Promise.all([next(supplicant, 'close'), authority.close()]);
  await Promise.all([next(authority, 'close'), supplicant.close()]);
}

const relayed = () => sockets[0].relayed + sockets[1].relayed;

let server;
before(() => { server = buildServer(); });
after(() => server.remove());
beforeEach(() => { sockets = []; });

const options = { timeout: 120_000 }; // of a test that hangs

test('two devices pair', options, async t => {
  const address = await startServer(t, server.binary, '--max_exchanges', String(framesOfPairing));
  const paired = await pair(address);
  await close(paired);

  const [authority, supplicant] = sockets.map(({ userAgent }) => ({ ua: userAgent, remote: '127.0.0.1' }));
  assert.deepEqual(paired.received, [
    { data: { message: 'pair:supp:request', data: { scope: 'profile' } }, sender: supplicant },
    { data: { message: 'pair:auth:metadata', data: { displayName: 'Zoë' } }, sender: authority },
    { data: { message: 'pair:supp:authorize' }, sender: supplicant },
    { data: { message: 'pair:auth:authorize', data: { code: 'abc' } }, sender: authority },
  ]);
  assert.equal(relayed(), framesOfPairing);
  for (const socket of sockets) {
    assert.deepEqual(await socket.closed, { code: 1005, reason: '' }, 'a socket was not closed by its own side');
  }
});

test('with max_exchanges at its default, the last closing notice of a pairing is one too many', options, async t => {
  const address = await startServer(t, server.binary);
  const paired = await pair(address);
  await assert.rejects(close(paired), /WebSocket unexpectedly closed/);

  assert.equal(relayed(), framesOfPairing - 1);
  assert.deepEqual(await sockets[0].closed, { code: 4013, reason: 'too-many-messages' });
});
