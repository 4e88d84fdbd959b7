// What the transport tells to the program above, in which order, and to a layer in between.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Channel, resumeChannel } from '../transport.js';
import { FakePage, record, settle, useFakes, welcome } from './fakes.js';
import { random } from './server.js';

const world = useFakes();
const message = (seq, from = 2) => ({ type: 'message', seq, from, message: `m${seq}` });

test('presence is told once, over all connections', async () => {
  const seat = (member, present = true) => ({ member, sender: { ua: `u${member}` }, present });
  const channel = await world.opened({ member: 4, members: [seat(1), seat(2)] });
  assert.equal(channel.creator, false);
  const events = record(channel);
  for (const frame of [{ type: 'joined', member: 3, sender: { ua: 'u3' } }, message(1, 3), { type: 'left', member: 3, reason: 'bye' },
    { type: 'away', member: 2, reason: 'lost' }, { type: 'delivered', member: 1, seq: 5 }, { type: 'joined', member: 1, sender: {} },
    { type: 'later' }, { type: 'joined', member: 'x' }, { type: 'back', member: 9 }, { type: 'delivered', member: 1, seq: {} }]) {
    world.network.last.say(frame);
  }
  await settle();
  assert.deepEqual([...channel.members], [[1, { sender: { ua: 'u1' }, present: true, delivered: 5 }], [2, { sender: { ua: 'u2' }, present: false, delivered: 0 }]]);
  world.network.last.shut();
  await world.pass(1000);
  await world.welcomed({ member: 4, members: [seat(1, false), seat(2), seat(5, false)] });
  for (const frame of [{ type: 'left', member: 3, reason: 'bye' }, { type: 'delivered', member: 1, seq: 5 }, { type: 'delivered', member: 1, seq: 6 },
    { type: 'left', member: 1, reason: 'bye' }, { type: 'ending', in_ms: 30_000, reason: 'channel-expired' }]) {
    world.network.last.say(frame);
  }
  await settle();
  const [u1, u2, u3, u5] = [1, 2, 3, 5].map(n => ({ ua: `u${n}` }));
  assert.deepEqual(events, [
    ['joined', { member: 3, sender: u3 }], ['message', { text: 'm1', from: 3, sender: u3, seq: 1 }], ['left', { member: 3, sender: u3, reason: 'bye' }],
    ['away', { member: 2, sender: u2, reason: 'lost' }], ['delivered', { member: 1, sender: u1, seq: 5 }],
    ['reconnecting'], ['open'],
    ['away', { member: 1, sender: u1 }], ['back', { member: 2, sender: u2 }], ['joined', { member: 5, sender: u5 }], ['away', { member: 5, sender: u5 }],
    ['delivered', { member: 1, sender: u1, seq: 6 }], ['left', { member: 1, sender: u1, reason: 'bye' }],
    ['ending', { inMs: 30_000, reason: 'channel-expired' }],
  ]);
});

test('a message is processed when an iterator is asked for the next', async () => {
  const channel = await world.opened();
  const { last } = world.network;
  const iterator = channel[Symbol.asyncIterator]();
  const first = iterator.next();
  last.say(message(1)).say(message(2));
  assert.equal((await first).value.text, 'm1');
  await settle();
  assert.equal(world.saved().after, 0);
  assert.equal((await iterator.next()).value.text, 'm2');
  await settle();
  assert.deepEqual(last.sent.at(-1), { type: 'ack', seq: 1 });
  last.say(message(3));
  await iterator.return();
  await settle();
  assert.deepEqual(last.sent.at(-1), { type: 'ack', seq: 3 }); // nobody iterates any more
});

test('what is not processed comes again after a reload', async () => {
  const channel = await world.opened();
  const iterator = channel[Symbol.asyncIterator]();
  iterator.next();
  world.network.last.say(message(1)).say(message(2));
  await settle();
  iterator.next();
  await settle();
  world.window.tell('pagehide');
  const resuming = resumeChannel({ ...world.options, window: new FakePage() });
  await settle();
  world.network.last.accept();
  assert.equal(world.network.last.sent[0].after, 1);
  world.network.last.shut(4004, 'no-such-channel');
  await assert.rejects(resuming);
});

test('iterating ends with the channel, after what came before', async () => {
  const channel = await world.opened();
  const got = [];
  const reading = (async () => {
    for await (const { text } of channel) got.push(text);
  })();
  await settle();
  world.network.last.say(message(1)).say(message(2)).say(message(3)).shut(4008, 'channel-expired');
  await reading;
  assert.deepEqual(got, ['m1', 'm2', 'm3']);
  for await (const event of channel) assert.fail(event);
});

test('leaving within a loop ends it', async () => {
  const channel = await world.opened();
  const got = [];
  const reading = (async () => {
    for await (const { text } of channel) {
      got.push(text);
      await channel.close();
    }
  })();
  await settle();
  world.network.last.say(message(1)).say(message(2));
  await settle();
  world.network.last.shut(1000, 'bye');
  await reading;
  assert.deepEqual(got, ['m1']);
});

test('listeners that throw', async t => {
  const channel = await world.opened();
  const thrown = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', error => thrown.push(error));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  });
  channel.addEventListener('message', () => { throw 'listener'; });
  const events = record(channel);
  world.network.last.say(message(1)).say(message(2));
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(thrown, ['listener', 'listener']);
  assert.equal(events.length, 2);
  assert.equal(world.saved().after, 2);
});

test('a layer above', async () => {
  const made = [];
  class Layer extends Channel {
    async begin() {
      made.push(this.extra);
      this.extra = { secret: 1 };
      await settle();
      this.send('begun');
    }
    async receive(message) {
      if (message.text === 'bad') return this.fail('wrong-secret');
      if (message.text === 'broken') throw new Error('broken');
      this.extra = { secret: message.seq };
      await settle();
      await this.deliver(Object.assign(new Event('message'), { text: message.text.toUpperCase() }));
    }
  }
  const channel = await world.opened({}, { Channel: Layer });
  assert.ok(channel instanceof Layer);
  const events = record(channel);
  assert.deepEqual([world.saved().extra, world.saved().unsent], [{ secret: 1 }, [{ n: 1, text: 'begun' }]]);
  world.network.last.say({ type: 'message', seq: 1, from: 2, message: 'a' }).say({ type: 'message', seq: 2, from: 2, message: 'b' });
  while (world.saved().after < 2) await settle();
  assert.deepEqual(world.saved().extra, { secret: 2 });
  world.network.last.say({ type: 'message', seq: 3, from: 2, message: 'broken' });
  await settle();
  assert.throws(() => mock.timers.tick(1), { message: 'broken' });
  assert.equal(world.saved().after, 3);
  channel.extra = 5;
  channel.save();
  assert.equal(world.saved().extra, 5);
  const again = resumeChannel({ ...world.options, Channel: Layer });
  await settle();
  await world.welcomed();
  assert.ok(await again instanceof Layer);
  assert.deepEqual(made, [null, 5]);
  world.network.lines[0].say({ type: 'message', seq: 4, from: 2, message: 'bad' }).say({ type: 'message', seq: 5, from: 2, message: 'c' });
  await settle();
  assert.deepEqual(events, [['message', { text: 'A' }], ['message', { text: 'B' }], ['closed', { code: 0, reason: 'wrong-secret' }]]);
  assert.deepEqual(world.network.lines[0].closed, [1000]);

  const failure = new Error('no keys');
  await assert.rejects(world.opened({}, { Channel: class extends Channel { begin() { throw failure; } } }), failure);
  assert.deepEqual(world.network.last.closed, [1000]);
});

test('a server that says anything', async () => {
  const dice = random(7);
  const pick = list => list[Math.floor(dice() * list.length)];
  const types = ['welcome', 'message', 'accepted', 'error', 'joined', 'left', 'away', 'back', 'delivered', 'ending', 'toString', 'later'];
  const values = [null, undefined, 0, -1, 1, 2, 3, 1e99, 0.5, '', '1', 'x', {}, [], [null], [1], true, '__proto__', { member: 1 }];
  const keys = ['member', 'sender', 'seq', 'from', 'message', 'n', 'reason', 'detail', 'in_ms', 'members', 'limits', 'channelid', 'expires_in_ms', 'present', 'resume'];
  const ends = new Map();
  for (let i = 0; i < 2000; i++) {
    const channel = await world.opened();
    const events = record(channel);
    channel.send('one').catch(() => {});
    for (let j = 0; j < 5 && channel.state === 'open'; j++) {
      const frame = { type: pick(types) };
      if (dice() < 0.3) {
        world.network.last.shut(pick([1006, 1011]));
        await world.pass(1000);
        world.network.last.accept();
        Object.assign(frame, welcome());
      }
      for (const key of keys) if (dice() < 0.2) frame[key] = pick(values);
      world.network.last.say(dice() < 0.05 ? pick(['', '[', 'null', '1', '"x"', '[]']) : frame);
      await settle();
    }
    const { state, expires } = channel;
    ends.set(state, (ends.get(state) ?? 0) + 1);
    assert.ok(expires === null || typeof expires === 'number', String(expires));
    if (state === 'closed') assert.ok(['protocol-error', 'channel-expired'].includes(events.at(-1)[1].reason), JSON.stringify(events));
    else channel.close();
    mock.timers.tick(10_000);
    world.network.lines.length = 0;
  }
  assert.ok(ends.get('open') > 100 && ends.get('closed') > 100, JSON.stringify([...ends]));
});
