// What two pages say to each other, over a line that needs no server: files, cancelling, reloads, and what a
// peer may do wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conversation } from '../page/conversation.js';
import { MAX_FILE } from '../page/files.js';

/** One end of a line with the shape of a Channel. */
class End extends EventTarget {
  maxData = 1000;
  limits = { max_exchanges: 0 };
  id = 'line';
  sent = []; // as it was sent: strings and octets

  constructor(line, member) {
    super();
    Object.assign(this, { line, member, peer: 3 - member });
  }

  tell(type, properties) {
    this.dispatchEvent(Object.assign(new Event(type), properties));
  }

  async send(data) {
    if (this.line.closed) throw new Error('closed');
    this.sent.push(data);
    const seq = ++this.line.seq;
    this.line.waiting.push({ to: this.line.ends[2 - this.member], from: this, data, seq });
    this.line.pump();
    return { seq: this.line.numbered ? seq : 0 };
  }
}

/** A line between two ends: messages arrive in order, each in a turn of its own, and are acknowledged. */
class Line {
  seq = 0;
  waiting = [];
  numbered = true; // as version 2 does
  told = true; // who hears a message says so, as version 2 does
  held = false; // messages wait
  ends = [new End(this, 1), new End(this, 2)];

  async pump() {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length && !this.held) {
      const { to, from, data, seq } = this.waiting.shift();
      to.tell('message', { data, seq: this.numbered ? seq : 0 });
      if (this.told) from.tell('delivered', { member: to.member, seq });
      await turn();
    }
    this.running = false;
  }
}

const turn = () => new Promise(setImmediate);

/** Waits for something that is bound to come, within many more turns than anything here takes. */
async function until(condition) {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 20_000) throw new Error(`this never came: ${condition}`);
    await turn();
  }
}

/** Two conversations whose people have confirmed. */
function pair(line = new Line()) {
  const saved = [null, null];
  const open = (i, state = null) => new Conversation(line.ends[i], state, (next) => (saved[i] = structuredClone(next)));
  const both = { line, saved, open, a: open(0), b: open(1) };
  both.a.confirm();
  both.b.confirm();
  return both;
}

const ready = ({ a, b }) => until(() => a.open && b.open);
const file = (size, name = 'a.bin') => new File([Uint8Array.from({ length: size }, (_, i) => i % 251)], name);
const octetsOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
const state = (items) => items.map((item) => [item.from, item.kind, item.state, item.why]);

/** Puts a message in the place of the second conversation's. */
const inject = (line, message) => line.ends[1].send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message));

test('nothing is heard before both have confirmed', async () => {
  const line = new Line();
  const a = new Conversation(line.ends[0], null, () => {});
  for (const early of [{ type: 'text', text: 'hello' }, { type: 'file', id: 1, name: 'a', size: 1 }, Uint8Array.of(1)]) inject(line, early);
  inject(line, { type: 'confirm' });
  inject(line, { type: 'text', text: 'still early' });
  await until(() => !line.waiting.length && !line.running);
  assert.equal(a.theirs, true);
  assert.deepEqual(a.items, []);
  a.confirm();
  inject(line, { type: 'text', text: 'now' });
  await until(() => a.items.length);
  assert.equal(a.items[0].text, 'now');
  assert.deepEqual(line.ends[0].sent.map((text) => JSON.parse(text).type), ['confirm'], 'and nothing was answered');
});

test('texts and files go both ways, and files one after the other', async () => {
  const both = pair();
  const { a, b } = both;
  await ready(both);
  a.sendText('hello\nworld');
  assert.equal(a.sendFile(file(12_345, '../x/one.bin')), '');
  assert.equal(a.sendFile(file(0, 'empty')), '');
  b.sendFile(file(3000, 'back'));
  a.sendText('in between');
  await until(() => [...a.items, ...b.items].every((item) => item.state === 'done') && a.items.length === 5 && b.items.length === 5);
  assert.deepEqual(b.items.filter((item) => item.kind === 'text').map((item) => item.text), ['hello\nworld', 'in between']);
  const [one, empty] = b.items.filter((item) => item.kind === 'file' && item.from === 'peer');
  assert.deepEqual([one.name, one.size, empty.name, empty.size], ['one.bin', 12_345, 'empty', 0]);
  assert.deepEqual(await octetsOf(one.blob), await octetsOf(file(12_345)));
  assert.equal((await octetsOf(empty.blob)).length, 0);
  const order = both.line.ends[0].sent.map((data) => (typeof data === 'string' ? JSON.parse(data).type : 'piece'));
  assert.ok(order.lastIndexOf('piece') < order.lastIndexOf('file'), 'the second file begins when the first is there');
});

test('no more than four pieces are on their way', async () => {
  const both = pair();
  await ready(both);
  both.line.held = true;
  both.a.sendFile(file(20_000));
  for (let i = 0; i < 50; i++) await turn();
  assert.equal(both.line.ends[0].sent.filter((data) => data instanceof Uint8Array).length, 4);
  both.line.held = false;
  both.line.pump();
  await until(() => both.b.items[0]?.state === 'done');
});

test('where deliveries are not told, files go all the same', async () => {
  for (const numbered of [false, true]) { // here is version 1, or only there
    const both = pair(Object.assign(new Line(), { numbered, told: false }));
    await ready(both);
    both.a.sendFile(file(20_000));
    await until(() => both.a.items[0].state === 'done' && both.b.items[0]?.state === 'done');
  }
});

test('either side cancels, and both may send a file of the same number', async () => {
  const both = pair();
  const { a, b, line } = both;
  await ready(both);
  line.held = true;
  a.sendFile(file(20_000, 'from a'));
  b.sendFile(file(20_000, 'from b'));
  for (let i = 0; i < 20; i++) await turn();
  a.cancel(a.items[0]); // its own
  line.held = false;
  line.pump();
  await until(() => b.items.every((item) => item.state !== 'sending') && a.items.every((item) => item.state !== 'sending'));
  assert.deepEqual(state(a.items), [['me', 'file', 'failed', 'cancelled'], ['peer', 'file', 'done', undefined]]);
  assert.deepEqual(state(b.items), [['me', 'file', 'done', undefined], ['peer', 'file', 'failed', 'refused']]);

  a.sendFile(file(50_000, 'not wanted'));
  await until(() => b.items.at(-1).done > 0 && b.items.at(-1).name === 'not wanted');
  b.cancel(b.items.at(-1));
  await until(() => a.items.at(-1).state === 'failed');
  assert.equal(a.items.at(-1).why, 'refused');
  a.sendFile(file(2000, 'after'));
  await until(() => b.items.at(-1).name === 'after' && b.items.at(-1).state === 'done');
});

test('a receiver that was reloaded gets the file from its start', async () => {
  const both = pair();
  const { line, saved } = both;
  await ready(both);
  both.a.sendText('kept');
  both.a.sendFile(file(30_000));
  await until(() => both.b.items.at(-1)?.done > 3000);
  line.held = true;
  const { peer, member } = line.ends[1];
  line.ends[1] = Object.assign(new End(line, member), { peer }); // the page is a new one
  for (const each of line.waiting) if (each.to.member === member) each.to = line.ends[1];
  const b = both.open(1, saved[1]);
  line.held = false;
  line.pump();
  await until(() => b.items.at(-1).state === 'done' && both.a.items.at(-1).state === 'done');
  assert.deepEqual(b.items.map((item) => item.text ?? item.name), ['kept', 'a.bin'], 'nothing is lost or twice');
  assert.deepEqual(await octetsOf(b.items[1].blob), await octetsOf(file(30_000)));
  assert.ok(b.open);
});

test('a file that was there before a reload can be had again, as long as its sender has it', async () => {
  const both = pair();
  await ready(both);
  both.a.sendFile(file(3000));
  await until(() => both.b.items[0]?.state === 'done');
  delete both.b.items[0].blob; // as after a reload
  both.b.askAgain(both.b.items[0]);
  assert.equal(both.b.items[0].state, 'sending');
  await until(() => both.b.items[0].state === 'done');
  assert.equal(both.b.items[0].blob.size, 3000);
  inject(both.line, { type: 'again', id: 99 });
  await until(() => both.line.ends[0].sent.at(-1) === JSON.stringify({ type: 'cancel', id: 99, mine: true }));
});

test('a sender that was reloaded takes its file back', async () => {
  const both = pair();
  await ready(both);
  both.a.sendFile(file(30_000));
  await until(() => both.b.items[0]?.done > 3000);
  both.line.ends[0] = new End(both.line, 1);
  const a = both.open(0, both.saved[0]);
  await until(() => both.b.items[0].state === 'failed');
  assert.deepEqual(state(a.items), [['me', 'file', 'failed', 'reload']]);
  assert.deepEqual(state(both.b.items), [['peer', 'file', 'failed', 'refused']]);
  a.sendFile(file(10, 'next'));
  await until(() => both.b.items[1]?.state === 'done');
  assert.equal(both.b.items[1].id, 2, 'a number is not used twice');
});

test('who was reloaded before the confirmation was sent confirms again', async () => {
  const line = new Line();
  const other = new Conversation(line.ends[1], null, () => {});
  const saved = { channel: line.ends[0].id, seq: 0, keys: 0, ids: 0, confirmed: true, theirs: false, items: [] };
  const reloaded = new Conversation(line.ends[0], saved, () => {});
  other.confirm();
  await until(() => reloaded.open && other.open);
});

test('what is heard again after a reload is not shown again', async () => {
  const both = pair();
  await ready(both);
  both.a.sendText('once');
  await until(() => both.b.items.length === 1);
  const { seq } = both.saved[1];
  both.line.ends[1].tell('message', { data: JSON.stringify({ type: 'text', text: 'once' }), seq });
  assert.equal(both.b.items.length, 1);
});

test('what was saved of another channel is not taken up', () => {
  const line = new Line();
  const other = new Conversation(line.ends[0], { channel: 'another', confirmed: true, theirs: true, items: [{}] }, () => {});
  assert.equal(other.open, false);
  assert.deepEqual(other.items, []);
});

test('a peer that breaks the rules harms only its own file', async () => {
  const both = pair();
  const { a, line } = both;
  await ready(both);
  const wrong = [
    'no JSON', '[]', 'null', '7', '"text"', '{}', { type: 'unknown' }, { type: 'text' }, { type: 'text', text: 7 }, { type: 'confirm' },
    { type: 'file', id: 0, name: 'x', size: 1 }, { type: 'file', id: '1', name: 'x', size: 1 }, { type: 'cancel' }, { type: 'cancel', id: 5 },
    { type: 'cancel', id: 5, mine: true }, { type: 'again' }, { type: 'again', id: '__proto__' }, Uint8Array.of(1, 2, 3),
  ];
  for (const message of wrong) inject(line, message);
  inject(line, { type: 'file', id: 1, name: 'huge', size: MAX_FILE + 1 });
  inject(line, { type: 'file', id: 2, name: 'odd', size: '12' });
  inject(line, { type: 'file', id: 3, name: 'more', size: 2 });
  inject(line, Uint8Array.of(1, 2, 3));
  inject(line, { type: 'file', id: 4, name: 'unfinished', size: 2 });
  inject(line, { type: 'file', id: 5, name: 'good', size: 2 });
  inject(line, Uint8Array.of(8, 9));
  inject(line, { type: 'file', id: 5, name: 'good again, unasked', size: 1 });
  inject(line, Uint8Array.of(7));
  inject(line, { type: 'text', text: 'end' });
  await until(() => a.items.at(-1)?.text === 'end');
  assert.deepEqual(a.items.map((item) => [item.name ?? item.text, item.state, item.why]), [
    ['huge', 'failed', 'too-big'], ['odd', 'failed', 'too-big'], ['more', 'failed', 'broken'],
    ['unfinished', 'failed', 'broken'], ['good', 'done', undefined], ['end', 'done', undefined],
  ]);
  assert.deepEqual(await octetsOf(a.items[4].blob), Uint8Array.of(8, 9));
});

test('what does not fit is not sent', async () => {
  const both = pair();
  await ready(both);
  assert.equal(both.a.sendText('x'.repeat(2000)), false);
  assert.equal(both.a.sendText('é'.repeat(490)), false, 'octets count, not characters');
  assert.equal(both.a.sendFile(file(MAX_FILE + 1)), 'too-big');
  both.line.ends[0].limits.max_exchanges = 60;
  assert.equal(both.a.sendFile(file(20_000)), '');
  assert.equal(both.a.sendFile(file(20_000)), 'no-room', 'what is still to be sent counts');
  assert.equal(both.a.sendFile(file(5000)), '');
  assert.equal(both.a.items.length, 2);
});

test('the end of the channel ends what is on the way', async () => {
  const both = pair();
  await ready(both);
  both.line.held = true;
  both.a.sendFile(file(20_000));
  for (let i = 0; i < 20; i++) await turn();
  both.line.closed = true;
  both.line.ends[0].tell('closed', { reason: 'channel-expired' });
  assert.deepEqual(state(both.a.items), [['me', 'file', 'failed', 'ended']]);
  both.a.sendText('too late');
  await until(() => both.a.items[1].state === 'failed');
});

test('a file that cannot be read is taken back', async () => {
  const both = pair();
  await ready(both);
  const gone = file(5000);
  gone.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadableError')) });
  both.a.sendFile(gone);
  await until(() => both.b.items[0]?.state === 'failed');
  assert.deepEqual(state(both.a.items), [['me', 'file', 'failed', 'unreadable']]);
});

test('good-bye is told', async () => {
  const both = pair();
  await ready(both);
  let told = 0;
  both.b.addEventListener('bye', () => told++);
  both.a.bye();
  await until(() => told);
  assert.equal(told, 1);
});
