// The transport against a server that does what the test wants, with a clock that the test moves.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { createChannel, joinChannel } from '../transport.js';
import { ID, reason, record, SERVER, settle, useFakes, welcome } from './fakes.js';

const world = useFakes();

test('a channel is minted', async () => {
  const channel = await world.opened({ members: [{ member: 2, sender: { ua: 'you' }, present: false }] }, { maxExchanges: 1000 });
  assert.equal(world.network.last.url, 'wss://channels.example/base/v2/ws/');
  assert.deepEqual(world.network.last.sent, [{ type: 'hello', max_exchanges: 1000 }]);
  const { id, url, version, member, creator, self, members, limits, expires, state } = channel;
  assert.deepEqual({ id, url, version, member, creator, self, members: [...members], expires, state, limits }, {
    id: ID, url: `wss://channels.example/base/v2/ws/${ID}`, version: 2, member: 1, creator: true, self: { ua: 'me' },
    members: [[2, { sender: { ua: 'you' }, present: false, delivered: 0 }]], expires: 1_300_000, state: 'open', limits: welcome().limits,
  });
});

test('URLs', async () => {
  for (const [link, url] of [
    [`https://h.example/v1/ws/${ID}`, `wss://h.example/v2/ws/${ID}`],
    [`ws://h.example:81/a/v2/ws/b/v2/ws/${ID}`, `ws://h.example:81/a/v2/ws/b/v2/ws/${ID}`],
    [{ server: 'http://h.example/a/', id: ID }, `ws://h.example/a/v2/ws/${ID}`],
    [new URL(`https://h.example/v2/ws/${ID}?x=1`), `wss://h.example/v2/ws/${ID}?x=1`],
  ]) {
    const opening = joinChannel(link, world.options);
    await settle();
    assert.equal(world.network.last.url, url);
    world.network.last.accept();
    assert.deepEqual(world.network.last.sent, [{ type: 'hello' }]);
    world.network.last.shut(4004, 'no-such-channel');
    assert.equal(await reason(opening), '4004 no-such-channel');
  }
  const made = world.network.lines.length;
  for (const link of ['ftp://h.example/', 'https://u:p@h.example/', 'https://h.example/#f', 'nothing', '']) {
    await assert.rejects(createChannel(link, world.options), TypeError, link);
  }
  await assert.rejects(createChannel(`wss://h.example/v2/ws/${ID}`, world.options), TypeError);
  for (const link of ['wss://h.example/', 'wss://h.example/v2/ws/', 'wss://h.example/v2/ws/a/b', 'wss://h.example/v2/ws/%41', { server: 'wss://h', id: 'ä' }]) {
    assert.equal(await reason(joinChannel(link, world.options)), '4001 bad-channel-id');
  }
  assert.equal(world.network.lines.length, made);
});

test('an opening fails once and for all', async t => {
  for (const [name, serve, want] of [
    ['full', line => line.accept().shut(4011, 'channel-full'), '4011 channel-full'],
    ['lost', line => line.accept().shut(), '1006 lost'],
    ['overloaded', line => line.accept().shut(1013, 'slow'), '1013 slow'],
    ['an error', line => line.accept().say({ type: 'error', reason: 'bad-payload', detail: 'no' }), '1002 protocol-error'],
    ['no JSON', line => line.accept().say('{'), '1002 protocol-error'],
    ['null', line => line.accept().say('null'), '1002 protocol-error'],
    ['no seat', line => line.accept().say(welcome({ member: 0 })), '1002 protocol-error'],
    ['no token', line => line.accept().say(welcome({ resume: undefined })), '1002 protocol-error'],
    ['another channel', line => line.accept().say(welcome({ channelid: 'other' })), '1002 protocol-error'],
    ['a path for an id', line => line.accept().say(welcome({ channelid: '../x' })), '1002 protocol-error'],
    ['members that are none', line => line.accept().say(welcome({ members: 5 })), '1002 protocol-error'],
    ['silence', () => mock.timers.tick(20_000), '1006 unreachable'],
    ['silence after the handshake', line => (line.accept(), mock.timers.tick(20_000)), '1006 unreachable'],
  ]) {
    await t.test(name, async () => {
      const opening = joinChannel(`wss://h.example/v2/ws/${ID}`, world.options);
      await settle();
      serve(world.network.last);
      assert.equal(await reason(opening), want);
      assert.equal(world.storage.getItem('channel'), null);
      assert.equal(world.network.lines.length, 1);
      world.network.lines.length = 0;
    });
  }
});

test('a browser that does not allow the connection', async () => {
  const denied = new Error('denied');
  await assert.rejects(createChannel(SERVER, { ...world.options, WebSocket: class { constructor() { throw denied; } } }), denied);
});

test('an opening is aborted', async () => {
  await assert.rejects(createChannel(SERVER, { ...world.options, signal: AbortSignal.abort('before') }), error => error === 'before');
  assert.equal(world.network.lines.length, 0);

  const abort = new AbortController();
  const opening = createChannel(SERVER, { ...world.options, signal: abort.signal });
  await settle();
  world.network.last.accept();
  abort.abort('meanwhile');
  await assert.rejects(opening, error => error === 'meanwhile');
  assert.deepEqual(world.network.last.closed, [1000]); // gives up a seat that the server may have made

  const late = new AbortController();
  const channel = await world.opened({}, { signal: late.signal });
  late.abort();
  assert.equal(channel.state, 'open');
});

test('messages are sent one at a time, and refused ones leave no gap', async () => {
  const channel = await world.opened();
  const line = world.network.last;
  const sends = ['one', 'two', 'three'].map(text => channel.send(text));
  assert.deepEqual(world.saved().unsent, [{ n: 1, text: 'one' }, { n: 2, text: 'two' }, { n: 3, text: 'three' }]);
  assert.deepEqual(line.sent.slice(1), [{ type: 'send', n: 1, message: 'one' }]);
  line.say({ type: 'accepted', n: 1, seq: 7 });
  assert.deepEqual(await sends[0], { seq: 7 });
  assert.deepEqual(line.sent.at(-1), { type: 'send', n: 2, message: 'two' });
  line.say({ type: 'error', reason: 'bad-payload', detail: 'base64url only' });
  await assert.rejects(sends[1], { reason: 'bad-payload', message: 'base64url only' });
  assert.deepEqual(line.sent.at(-1), { type: 'send', n: 2, message: 'three' });
  assert.deepEqual([world.saved().n, world.saved().unsent], [1, [{ n: 2, text: 'three' }]]);
  line.say({ type: 'accepted', n: 2, seq: 8 });
  assert.deepEqual(await sends[2], { seq: 8 });
  channel.send('four');
  assert.deepEqual(line.sent.at(-1), { type: 'send', n: 3, message: 'four' });
});

test('messages that cannot be sent', async () => {
  const channel = await world.opened();
  assert.equal(await reason(channel.send('ü'.repeat(51))), '1009 message-too-big');
  assert.equal(await reason(channel.send('a\ud800b')), '1007 bad-payload');
  await assert.rejects(channel.send(new Uint8Array(1)), TypeError);
  assert.equal(world.network.last.sent.length, 1);
  channel.send('ü'.repeat(50));
  channel.send('😀');
  assert.equal(world.network.last.sent.length, 2);
});

test('what was not answered is sent again, under the same number', async () => {
  const channel = await world.opened();
  const events = record(channel);
  const sends = ['one', 'two'].map(text => channel.send(text));
  world.network.last.shut();
  assert.equal(channel.state, 'reconnecting');
  sends.push(channel.send('three'));
  assert.deepEqual(events, []);
  await world.pass(175); // 50 + half of 250
  assert.deepEqual(events, [['reconnecting']]);
  world.network.last.accept();
  assert.equal(world.network.last.url, channel.url);
  assert.deepEqual(world.network.last.sent, [{ type: 'hello', resume: welcome().resume, after: 0 }]);
  world.network.last.say(welcome()); // the first was lost
  assert.deepEqual(world.network.last.sent.slice(1), [{ type: 'send', n: 1, message: 'one' }]);
  world.network.last.shut();
  await world.pass(300); // 50 + half of 500: nothing had come of the one before
  await world.welcomed({ n: 1 }); // this time the answer was
  assert.deepEqual(world.network.last.sent.slice(1), [{ type: 'send', n: 1, message: '' }]);
  world.network.last.say({ type: 'accepted', n: 1, seq: 5 });
  assert.deepEqual(await sends[0], { seq: 5 });
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'send', n: 2, message: 'two' });
  world.network.last.say({ type: 'accepted', n: 2, seq: 6 }).say({ type: 'accepted', n: 3, seq: 7 });
  assert.deepEqual(await Promise.all(sends), [{ seq: 5 }, { seq: 6 }, { seq: 7 }]);
  assert.deepEqual(events, [['reconnecting'], ['open'], ['reconnecting'], ['open']]);
});

test('pauses grow while nothing comes of a connection', async () => {
  await world.opened();
  // Eight connections fail, the ninth is welcomed and lost, the tenth brings a message before it is lost.
  const waits = [];
  world.network.last.shut();
  for (let i = 0; i < 11; i++) {
    const { length } = world.network.lines;
    let wait = 0;
    for (; world.network.lines.length === length; wait += 25) await world.pass(25);
    waits.push(wait);
    if (i >= 8) world.network.last.accept().say(welcome());
    if (i >= 9) world.network.last.say({ type: 'message', seq: i, from: 2, message: '' });
    world.network.last.shut();
  }
  assert.deepEqual(waits, [175, 300, 550, 1050, 2050, 4050, 5050, 5050, 5050, 5050, 175]);
});

test('closes that are the end, and closes that are not', async t => {
  const finals = [[1000, 'bye'], [1002, 'protocol-error'], [1007, 'bad-payload'], [1008, 'flood'], [1009, 'message-too-big'],
    [4001, 'bad-channel-id'], [4004, 'no-such-channel'], [4008, 'channel-expired'], [4009, 'replaced'], [4011, 'channel-full'],
    [4012, 'address-refused'], [4013, 'too-many-messages'], [4014, 'too-much-data'], [4015, 'channel-ended'], [4016, 'missed-messages']];
  const others = [[1001, 'shutdown'], [1006, ''], [1005, ''], [1011, 'internal-error'], [1012, 'restart'], [1013, 'slow'], [4010, 'client-timeout']];
  for (const [code, word] of [...finals, ...others]) {
    await t.test(`${code} ${word}`, async () => {
      const channel = await world.opened();
      const events = record(channel);
      const send = channel.send('one');
      const ended = reason(send);
      const { length } = world.network.lines;
      world.network.last.shut(code, word);
      await world.pass(10_000);
      if (others.some(([other]) => other === code)) {
        assert.equal(world.network.lines.length, length + 1);
        assert.deepEqual(events, [['reconnecting']]);
        channel.close();
        await world.pass(10_000);
        return;
      }
      assert.equal(world.network.lines.length, length);
      assert.deepEqual(events, [['closed', { code, reason: word }]]);
      assert.equal(channel.state, 'closed');
      assert.equal(world.storage.getItem('channel'), null);
      assert.equal(await ended, `${code} ${word}`);
      assert.equal(await reason(channel.send('two')), `${code} ${word}`);
      assert.deepEqual(await channel.close(), { code, reason: word });
    });
  }
});

test('a channel that cannot be reached ends with its time', async () => {
  const channel = await world.opened({ expires_in_ms: 1000 });
  const events = record(channel);
  world.network.last.shut();
  for (let i = 0; i < 40; i++) {
    await world.pass(25);
    if (!world.network.last.closed && channel.state !== 'closed') world.network.last.shut();
  }
  assert.deepEqual(events.at(-1), ['closed', { code: 4008, reason: 'channel-expired' }]);
});

test('a seat that nobody keeps any more is given up', async () => {
  const channel = await world.opened({ expires_in_ms: undefined });
  const events = record(channel);
  assert.equal(channel.expires, null);
  for (let i = 0; i < 1000 && channel.state !== 'closed'; i++) {
    world.network.last.shut();
    await world.pass(10_050);
  }
  assert.deepEqual(events, [['reconnecting'], ['closed', { code: 1006, reason: 'lost' }]]);
  assert.ok(Date.now() - 1_000_000 > 320_000);
});

test('a connection that says nothing is replaced', async () => {
  const channel = await world.opened();
  const line = world.network.last;
  await world.pass(10_000);
  assert.deepEqual(line.sent.at(-1), { type: 'send', n: 0, message: '' }); // makes the server answer
  const send = channel.send('one');
  line.say({ type: 'error', reason: 'bad-payload', detail: '"n" must count your messages from 1' });
  line.say({ type: 'accepted', n: 1, seq: 1 });
  assert.deepEqual(await send, { seq: 1 });
  await world.pass(10_000);
  assert.deepEqual(line.sent.at(-1), { type: 'send', n: 1, message: '' });
  line.say({ type: 'accepted', n: 1 });
  for (let i = 0; i < 10; i++) { // something is on its way up
    line.bufferedAmount = 1000 - i;
    await world.pass(10_000);
  }
  assert.equal(channel.state, 'open');
  for (let i = 0; i < 3; i++) await world.pass(10_000);
  assert.equal(channel.state, 'reconnecting');
  assert.deepEqual(line.closed, [undefined]);
  await world.pass(1000);
  assert.equal(world.network.lines.length, 2);
  line.shut(4009, 'replaced'); // what the old one still brings is nothing
  line.say({ type: 'message', seq: 1, from: 2, message: 'x' });
  assert.equal(channel.state, 'reconnecting');
});

test('the server forgets, or becomes another one', async t => {
  for (const [name, frame] of [['messages', welcome({ n: 0 })], ['the channel', welcome({ n: 1, channelid: 'other' })]]) {
    await t.test(name, async () => {
      const channel = await world.opened();
      const events = record(channel);
      channel.send('one');
      world.network.last.say({ type: 'accepted', n: 1, seq: 1 });
      world.network.last.shut();
      await world.pass(1000);
      world.network.last.accept().say(frame);
      await settle();
      assert.deepEqual(events.at(-1), ['closed', { code: 1002, reason: 'protocol-error' }]);
      assert.deepEqual(world.network.last.closed, [1000]);
    });
  }
});

test('leaving', async t => {
  await t.test('after what is to be sent', async () => {
    const channel = await world.opened();
    const events = record(channel);
    const send = channel.send('one');
    const closing = channel.close();
    assert.equal(world.storage.getItem('channel'), null);
    assert.equal(await reason(channel.send('two')), '1000 bye');
    assert.equal(world.network.last.sent.at(-1).type, 'send');
    world.network.last.say({ type: 'message', seq: 1, from: 2, message: 'not received' });
    world.network.last.say({ type: 'accepted', n: 1, seq: 2 });
    assert.deepEqual(await send, { seq: 2 });
    assert.deepEqual(world.network.last.sent.at(-1), { type: 'leave' });
    world.network.last.shut(1000, 'bye');
    assert.deepEqual(await closing, { code: 1000, reason: 'bye' });
    await settle();
    assert.deepEqual(events, [['closed', { code: 1000, reason: 'bye' }]]);
    assert.equal(world.storage.getItem('channel'), null);
  });
  await t.test('while there is no connection', async () => {
    const channel = await world.opened();
    world.network.last.shut();
    const closing = channel.close(); // does not wait for the pause
    await world.welcomed();
    assert.deepEqual(world.network.last.sent.at(-1), { type: 'leave' });
    world.network.last.shut();
    await world.pass(1000);
    world.network.last.accept().shut(4004, 'no-such-channel'); // only the answer was lost
    assert.deepEqual(await closing, { code: 1000, reason: 'bye' });
  });
  await t.test('for all', async () => {
    const channel = await world.opened();
    const ending = channel.end();
    assert.deepEqual(world.network.last.sent.at(-1), { type: 'end' });
    world.network.last.shut(4015, 'channel-ended');
    assert.deepEqual(await ending, { code: 4015, reason: 'channel-ended' });
    assert.equal(await reason((await world.opened({ member: 2 })).end()), 'undefined protocol-error');
  });
  await t.test('a server that does not answer', async () => {
    const channel = await world.opened();
    const closing = channel.close();
    await world.pass(10_000);
    assert.deepEqual(await closing, { code: 1006, reason: 'lost' });
    assert.deepEqual(world.network.last.closed, [1000]);
    assert.equal(await channel.close(), await closing);
  });
});

test('version 1, where version 2 is not there', async () => {
  const opening = createChannel(SERVER, world.options);
  await settle();
  world.network.last.shut(); // 404, which a page cannot see
  assert.equal(world.network.last.url, 'wss://channels.example/base/v1/ws/');
  world.network.last.accept().say({ link: `/v1/ws/${ID}`, channelid: ID });
  const channel = await opening;
  const events = record(channel);
  await world.pass(1);
  const { id, url, version, member, creator, self, expires } = channel;
  assert.deepEqual({ id, url, version, member, creator, self, expires },
    { id: ID, url: `wss://channels.example/base/v1/ws/${ID}`, version: 1, member: 0, creator: true, self: null, expires: null });
  assert.deepEqual(await Promise.all([channel.send('one'), channel.send('two')]), [{ seq: 0 }, { seq: 0 }]);
  assert.deepEqual(world.network.last.sent, ['one', 'two']);
  world.network.last.say({ message: 'hello', sender: { ua: 'you' } }).say({ type: 'other' });
  await settle();
  assert.equal(world.storage.getItem('channel'), null);
  assert.equal(await reason(channel.end()), 'undefined protocol-error');
  await world.pass(60_000);
  world.window.tell('online'); // the connection may be as good as before, and there would be no other
  world.window.show('hidden');
  await world.pass(60_000);
  world.window.show('visible');
  assert.equal(channel.state, 'open');
  assert.equal(world.network.last.sent.length, 2);
  world.network.last.shut();
  const late = channel.send('three');
  await world.pass(1000);
  assert.equal(await reason(late), '1006 lost');
  assert.equal(world.network.lines.length, 2);
  assert.deepEqual(events, [['message', { text: 'hello', from: 0, sender: { ua: 'you' }, seq: 0 }], ['closed', { code: 1006, reason: 'lost' }]]);

  const joining = joinChannel(channel.url, world.options);
  await settle();
  world.network.last.shut();
  assert.equal(world.network.last.url, channel.url);
  world.network.last.accept().say({ link: `/v1/ws/${ID}`, channelid: ID });
  const other = await joining;
  assert.equal(other.creator, false);
  assert.deepEqual(await other.close(), { code: 1000, reason: 'bye' });
  assert.deepEqual(world.network.last.closed, [1000]);

  const nowhere = createChannel(SERVER, world.options);
  await settle();
  world.network.last.shut();
  world.network.last.shut();
  assert.equal(await reason(nowhere), '1006 unreachable');
});
