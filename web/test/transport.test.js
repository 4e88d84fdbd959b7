// The transport with the server as it is built.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';

import { createChannel, joinChannel, resumeChannel } from '../transport.js';
import { reason } from './fakes.js';
import { buildServer, limit, memory, next, startServer, WebSocket } from './server.js';

let built;
before(() => (built = buildServer()));
after(() => built.remove());

const open = { WebSocket, storage: null };

// told waits for all these events of a channel, and returns what each said.
const told = (channel, ...types) => Promise.all(types.map(type => next(channel, type)));

test('two members talk', limit, async t => {
  const server = await startServer(t, built.binary);
  const a = await createChannel(server.replace('ws', 'http'), open);
  assert.deepEqual([a.version, a.member, a.creator, a.state, a.url], [2, 1, true, 'open', `${server}/v2/ws/${a.id}`]);
  assert.equal(a.limits.max_message_size, 65536);
  assert.ok(a.expires > Date.now() + 200_000);
  assert.equal(a.self.remote, '127.0.0.1');
  const text = 'line\n"quoted" <é> 😀 \u2028';
  assert.deepEqual(await a.send(text), { seq: 1 }); // waits in the log

  const joined = told(a, 'joined', 'delivered');
  const b = await joinChannel(a.url, open);
  const [first] = await told(b, 'message');
  assert.deepEqual([first.text, first.from, first.seq, first.sender.remote], [text, 1, 1, '127.0.0.1']);
  const [{ member }, delivered] = await joined;
  assert.deepEqual([member, delivered.member, delivered.seq], [2, 2, 1]);
  assert.deepEqual([...b.members.keys(), ...a.members.keys()], [1, 2]);

  const got = told(a, 'message');
  assert.deepEqual(await b.send('back'), { seq: 2 });
  assert.equal((await got)[0].text, 'back');

  const left = told(a, 'left');
  assert.deepEqual(await b.close(), { code: 1000, reason: 'bye' });
  assert.deepEqual((({ member, reason }) => [member, reason])((await left)[0]), [2, 'bye']);
  assert.deepEqual([a.members.size, b.state], [0, 'closed']);
  assert.deepEqual(await a.end(), { code: 4015, reason: 'channel-ended' });
});

test('a page is reloaded', limit, async t => {
  const server = await startServer(t, built.binary);
  const window = new EventTarget();
  const storage = memory();
  const a = await createChannel(server, open);
  const first = await joinChannel(a.url, { WebSocket, storage, window });
  const away = told(a, 'away');
  window.dispatchEvent(new Event('pagehide'));
  first.send('sent while there was no connection');
  await away; // or the new page could come before the old one has gone, which nobody is told
  const events = told(a, 'back', 'message');
  await a.send('kept');
  const second = await resumeChannel({ WebSocket, storage, window: new EventTarget() });
  assert.equal((await told(second, 'message'))[0].text, 'kept');
  assert.equal((await events)[1].text, 'sent while there was no connection');
  assert.deepEqual([second.member, second.id, second.creator, second.url], [2, a.id, false, a.url]);

  const closed = told(second, 'closed');
  const third = await resumeChannel({ WebSocket, storage, window: new EventTarget() });
  const [{ code, reason: word }] = await closed;
  assert.deepEqual([code, word], [4009, 'replaced']);
  await third.close();
  assert.equal(storage.getItem('channel'), null);
  await a.close();
});

test('the reasons of a server', limit, async t => {
  const server = await startServer(t, built.binary, '--max_exchanges=3', '--max_message_size=100', '--require_base64');
  const missing = `${server}/v2/ws/b7ZHsuZ9RIWVYKJDxqmAOg`;
  assert.equal(await reason(joinChannel(missing, open)), '4004 no-such-channel');
  assert.equal(await reason(joinChannel(`${server}/v2/ws/b7ZHsuZ9RIWVYKJDxqmAOh`, open)), '4001 bad-channel-id');

  const a = await createChannel(server, open);
  const b = await joinChannel(a.url, open);
  const c = await joinChannel(a.url, open);
  assert.equal(await reason(joinChannel(a.url, open)), '4011 channel-full');
  const sends = ['AAAA', 'not base64url!', 'BBBB', 'CCCC', 'DDDD', 'EEEE'].map(text => reason(a.send(text)));
  const ends = await Promise.all([a, b, c].map(channel => next(channel, 'closed')));
  assert.deepEqual(ends.map(({ code, reason }) => `${code} ${reason}`), Array(3).fill('4013 too-many-messages'));
  assert.deepEqual(await Promise.all(sends), ['none', 'undefined bad-payload', 'none', 'none', '4013 too-many-messages', '4013 too-many-messages']);
});

test('the time of a channel is over', limit, async t => {
  const server = await startServer(t, built.binary, '--conn_lifespan=5'); // for one member to come and to say one thing
  const a = await createChannel(server, open);
  const got = [];
  const reading = (async () => {
    for await (const { text } of a) got.push(text);
  })();
  const b = await joinChannel(a.url, open);
  await b.send('A'.repeat(100));
  await reading; // until then
  assert.deepEqual([got.length, a.state, await a.close()], [1, 'closed', { code: 4008, reason: 'channel-expired' }]);
});

// oldServer passes on to a server what is of version 1, and knows nothing else.
async function oldServer(t, server) {
  const sockets = new Set();
  const front = createServer((request, response) => response.writeHead(404).end());
  front.on('connection', socket => sockets.add(socket));
  front.on('upgrade', (request, socket, head) => {
    if (!request.url.startsWith('/v1/')) {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const { hostname, port } = new URL(server);
    const upstream = connect(port, hostname);
    const headers = request.rawHeaders.map((text, i) => text + (i % 2 ? '\r\n' : ': ')).join('');
    upstream.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
    for (const end of [socket, upstream]) end.on('error', () => {});
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    front.close();
  });
  return { address: `ws://127.0.0.1:${front.address().port}`, cut: () => sockets.forEach(socket => socket.destroy()) };
}

test('a server that has version 1 only', limit, async t => {
  const old = await oldServer(t, await startServer(t, built.binary, '--max_exchanges=4'));
  const storage = memory();
  const a = await createChannel(old.address, { WebSocket, storage });
  const b = await joinChannel(a.url, open);
  assert.deepEqual([a.version, a.creator, b.version, b.creator, b.id], [1, true, 1, false, a.id]);
  const got = told(b, 'message');
  assert.deepEqual(await a.send('hello'), { seq: 0 });
  const [{ text, from, seq, sender }] = await got;
  assert.deepEqual([text, from, seq, sender.remote], ['hello', 0, 0, '127.0.0.1']);
  assert.equal(storage.getItem('channel'), null);

  assert.deepEqual(await b.close(), { code: 1000, reason: 'bye' });
  const closed = told(a, 'closed');
  old.cut();
  const [{ code, reason: word }] = await closed;
  assert.deepEqual([code, word, await reason(a.send('x'))], [1006, 'lost', '1006 lost']);

  const c = await createChannel(old.address, open);
  const ended = told(c, 'closed');
  for (let i = 0; i < 5; i++) c.send(`${i}`);
  assert.equal((await ended)[0].reason, 'too-many-messages');
});

test('there is no server', limit, async () => {
  // Port 1 is given to nobody who asks for any, as the servers of the other tests do.
  assert.equal(await reason(createChannel('ws://127.0.0.1:1', open)), '1006 unreachable');
});
