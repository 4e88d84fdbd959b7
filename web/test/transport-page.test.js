// The transport in a page that sleeps, is left, and is reloaded.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { resumeChannel } from '../transport.js';
import { FakePage, ID, reason, record, SERVER, settle, useFakes, welcome } from './fakes.js';

const world = useFakes();
const message = seq => ({ type: 'message', seq, from: 2, message: `m${seq}` });

test('waking up to a lost connection', async () => {
  const channel = await world.opened();
  for (const wake of [() => world.window.tell('online'), () => world.window.show('visible')]) {
    world.network.last.shut();
    await world.pass(10_000);
    world.network.last.shut();
    const { length } = world.network.lines;
    wake();
    assert.equal(world.network.lines.length, length + 1);
    await world.welcomed();
    assert.equal(channel.state, 'open');
  }
});

test('waking up while a connection is made', async () => {
  const channel = await world.opened();
  world.network.last.shut();
  await world.pass(1000);
  const { length } = world.network.lines;
  const stuck = world.network.last;
  await world.pass(1000);
  world.window.tell('online');
  world.window.show('visible');
  assert.equal(world.network.lines.length, length + 1);
  await world.pass(500);
  world.window.tell('online'); // one that is new is given its time
  assert.equal(world.network.lines.length, length + 1);
  assert.deepEqual(stuck.closed, [undefined]);
  await world.welcomed();
  assert.equal(channel.state, 'open');
});

test('waking up after a short sleep', async () => {
  const channel = await world.opened();
  await world.pass(5000);
  world.window.show('hidden');
  await world.pass(4000);
  world.window.show('visible');
  assert.equal(world.network.lines.length, 1);
  assert.equal(channel.state, 'open');
});

test('waking up after a long sleep, and in another network', async () => {
  const channel = await world.opened();
  const events = record(channel);
  world.window.show('hidden');
  for (const wake of [() => world.window.show('visible'), () => world.window.tell('online')]) {
    for (let i = 0; i < 3; i++) {
      await world.pass(9000);
      world.network.last.say({ type: 'accepted', n: 0 });
    }
    const old = world.network.last;
    wake();
    assert.notEqual(world.network.last, old);
    assert.deepEqual(old.closed, [undefined]);
    assert.equal(channel.state, 'reconnecting');
    await world.welcomed();
  }
  assert.deepEqual(events, [['reconnecting'], ['open'], ['reconnecting'], ['open']]);
});

test('waking up after the end', async () => {
  const channel = await world.opened();
  world.network.last.shut(4015, 'channel-ended');
  await world.pass(30_000);
  for (const type of ['pagehide', 'pageshow', 'online']) world.window.tell(type);
  world.window.show('visible');
  assert.equal(world.network.lines.length, 1);
  assert.equal(channel.state, 'closed');
});

test('a browser closes the connections of a page before it says that the page is left', async () => {
  const events = record(await world.opened());
  world.network.last.shut(1001);
  await world.pass(20);
  world.window.tell('pagehide');
  await world.pass(60_000);
  assert.deepEqual(events, []);
  assert.equal(world.network.lines.length, 1);
  assert.equal(world.saved().id, ID);
});

test('a page comes back from the cache', async () => {
  const channel = await world.opened();
  const events = record(channel);
  const line = world.network.last;
  world.window.tell('pageshow'); // as when it was loaded
  world.window.tell('pagehide');
  assert.deepEqual(line.closed, [undefined]); // no code: the seat stays
  line.shut(1005);
  world.window.tell('online');
  world.window.show('visible');
  const send = channel.send('one');
  await world.pass(60_000);
  assert.equal(world.network.lines.length, 1);
  assert.deepEqual(events, []);
  world.window.tell('pageshow');
  await world.welcomed();
  world.network.last.say({ type: 'accepted', n: 1, seq: 1 });
  assert.deepEqual(await send, { seq: 1 });
  assert.deepEqual(events, [['reconnecting'], ['open']]);
});

test('a page comes back from the cache after another has gone on', async () => {
  const channel = await world.opened();
  const events = record(channel);
  world.window.tell('pagehide');
  const other = resumeChannel({ ...world.options, window: new FakePage() });
  await settle();
  await world.welcomed({ resume: '2QIfY8OAA8TSmsSLBgcZ0w' });
  await other;
  world.window.tell('pageshow');
  await settle();
  assert.deepEqual(events, [['closed', { code: 4009, reason: 'replaced' }]]);
  assert.equal(world.network.lines.length, 2);
  assert.equal(world.saved().token, '2QIfY8OAA8TSmsSLBgcZ0w');
  assert.equal(channel.state, 'closed');
});

test('a page is left while its channel is', async () => {
  const channel = await world.opened();
  const closing = channel.close();
  world.window.tell('pagehide');
  world.window.tell('pageshow');
  await world.welcomed();
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'leave' });
  world.network.last.shut(1000, 'bye');
  assert.deepEqual(await closing, { code: 1000, reason: 'bye' });
});

test('a page is reloaded', async () => {
  const channel = await world.opened({}, { name: 'mine' });
  const saved = () => JSON.parse(world.storage.getItem('mine'));
  world.network.last.say(message(3));
  await settle();
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'ack', seq: 3 });
  for (const text of ['one', 'two', 'three']) channel.send(text);
  world.network.last.say({ type: 'accepted', n: 1, seq: 4 });
  world.window.tell('pagehide');
  assert.deepEqual(saved(), {
    v: 1, server: 'wss://channels.example/base', id: ID, token: welcome().resume, creator: true, after: 3, n: 1,
    unsent: [{ n: 2, text: 'two' }, { n: 3, text: 'three' }], extra: null, expires: 1_300_000,
  });

  assert.equal(await resumeChannel(world.options), null); // of another name
  const resuming = resumeChannel({ ...world.options, name: 'mine', window: new FakePage() });
  await settle();
  for (let i = 0; i < 5; i++) { // it goes on trying
    world.network.last.shut();
    await world.pass(10_000);
  }
  assert.equal(world.network.last.url, channel.url);
  world.network.last.accept().say(welcome({ n: 2, members: [{ member: 2, sender: {}, present: true }] }));
  assert.deepEqual(world.network.last.sent, [{ type: 'hello', resume: welcome().resume, after: 3 }, { type: 'send', n: 2, message: '' }]);
  const again = await resuming;
  const events = record(again);
  world.network.last.say({ type: 'accepted', n: 2, seq: 5 });
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'send', n: 3, message: 'three' });
  world.network.last.say({ type: 'accepted', n: 3, seq: 6 }).say(message(3)).say(message(7));
  await world.pass(1);
  assert.deepEqual(events, [['message', { text: 'm7', from: 2, sender: {}, seq: 7 }]]);
  again.send('four');
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'send', n: 4, message: 'four' });
  const { n, unsent, after } = saved();
  assert.deepEqual({ n, unsent, after }, { n: 3, unsent: [{ n: 4, text: 'four' }], after: 7 });
});

const state = { v: 1, server: SERVER, id: ID, token: 't', creator: true, after: 0, n: 0, unsent: [], extra: null, expires: null };

test('a tab is duplicated, and the other one has sent more meanwhile', async () => {
  world.storage.setItem('channel', JSON.stringify({ ...state, n: 5, unsent: [{ n: 6, text: 'six' }] }));
  const resuming = resumeChannel(world.options);
  await settle();
  await world.welcomed({ n: 7 });
  const channel = await resuming;
  const send = channel.send('eight');
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'send', n: 6, message: '' });
  world.network.last.say({ type: 'accepted', n: 6 });
  assert.deepEqual(world.network.last.sent.at(-1), { type: 'send', n: 8, message: 'eight' });
  world.network.last.say({ type: 'accepted', n: 8, seq: 9 });
  assert.deepEqual(await send, { seq: 9 });
});

test('there is nothing to go on with', async () => {
  const text = more => JSON.stringify({ ...state, ...more });
  for (const saved of ['', '{', 'null', '5', '{"v":2}', text({ v: 2 }), text({ id: '../x' }), text({ server: 'x' }),
    text({ token: undefined }), text({ expires: 999_999 })]) {
    world.storage.setItem('channel', saved);
    assert.equal(await resumeChannel(world.options), null, saved);
  }
  assert.equal(await resumeChannel({ ...world.options, storage: null }), null);
  assert.equal(world.network.lines.length, 0);
});

test('a seat is gone after a reload', async () => {
  world.storage.setItem('channel', JSON.stringify(state));
  const gone = resumeChannel(world.options);
  await settle();
  world.network.last.accept().shut(4004, 'no-such-channel');
  assert.equal(await reason(gone), '4004 no-such-channel');
  assert.equal(world.storage.getItem('channel'), null);

  world.storage.setItem('channel', JSON.stringify({ ...state, expires: 1_001_000 }));
  const late = resumeChannel(world.options);
  await settle();
  world.network.last.shut();
  await world.pass(175);
  world.network.last.shut();
  await world.pass(300);
  world.network.last.shut();
  await world.pass(525);
  assert.equal(await reason(late), '4008 channel-expired');
});

test('going on is aborted, and the seat stays', async () => {
  world.storage.setItem('channel', JSON.stringify(state));
  const abort = new AbortController();
  const resuming = resumeChannel({ ...world.options, signal: abort.signal });
  await settle();
  world.network.last.accept();
  abort.abort('no');
  await assert.rejects(resuming, error => error === 'no');
  assert.deepEqual(world.network.last.closed, [undefined]);
  assert.equal(world.storage.getItem('channel'), JSON.stringify(state));
});

test('a storage without room', async () => {
  const channel = await world.opened();
  world.storage.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };
  const send = channel.send('one');
  assert.equal(world.storage.getItem('channel'), null); // what was there before would be wrong now
  world.network.last.say({ type: 'accepted', n: 1, seq: 1 });
  await send;
  world.window.tell('pagehide');
  world.window.tell('pageshow');
  await world.welcomed({ n: 1 });
  assert.equal(channel.state, 'open');
});

test('a storage that others use too', async () => {
  const channel = await world.opened();
  world.storage.setItem('channel', 'of another page');
  world.network.last.shut(4009, 'replaced');
  await settle();
  assert.equal(channel.state, 'closed');
  assert.equal(world.storage.getItem('channel'), 'of another page');
});

test('no storage at all', async () => {
  const channel = await world.opened({}, { storage: null });
  channel.send('one');
  world.window.tell('pagehide');
  world.window.tell('pageshow');
  await world.welcomed();
  assert.equal(channel.state, 'open');
  channel.close();
  world.network.last.say({ type: 'accepted', n: 1, seq: 1 }).shut(1000, 'bye');
  assert.equal(channel.state, 'closed');
});
