// Whatever comes, in whatever state: nothing is thrown, nothing is believed, and the pairing goes on.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contentOf, decode, encode, Pairing, parseLink } from '../seal.js';
import { random } from './server.js';

const SEED = 20260;
const ROUNDS = 150;
const ID = 'b7ZHsuZ9RIWVYKJDxqmAOg';

// both returns the two sides of a pairing, before anything is said.
async function both() {
  const creator = await Pairing.create();
  creator.state.id = ID;
  return { creator, joiner: Pairing.join({ id: ID, secret: creator.state.secret }) };
}

// talk has two sides say all that there is to say, and returns the texts.
async function talk(creator, joiner) {
  const key = creator.first();
  const open = (await joiner.receive(key, 1)).reply;
  const ready = (await creator.receive(open, 2)).reply;
  await joiner.receive(ready, 1);
  return [key, open, ready, joiner.first(), await creator.seal(contentOf('text')), await joiner.seal(contentOf('text'))];
}

// mutate returns something like one of the texts.
function mutate(texts, next) {
  const any = limit => Math.floor(next() * limit);
  const text = texts[any(texts.length)];
  const octets = decode(text);
  switch (any(9)) {
    case 0: return text.slice(0, any(text.length));
    case 1: return text + text.slice(0, any(5));
    case 2: return String.fromCharCode(...Array.from({ length: any(40) }, () => any(0x10000)));
    case 3: return encode(Uint8Array.from({ length: any(2000) }, () => any(256)));
    case 4: return text.replaceAll(text[any(text.length)], '=');
    case 5: octets[0] = any(8); break;
    case 6: return encode(octets.subarray(0, 1 + any(octets.length)));
    case 7: return encode(new Uint8Array([...octets, ...octets.subarray(any(octets.length))]));
    default: for (let i = 0; i <= any(3); i++) octets[any(octets.length)] ^= 1 << any(8);
  }
  return encode(octets);
}

test('mutations of what is said', async () => {
  const next = random(SEED);
  const strangers = await both();
  const texts = await talk(strangers.creator, strangers.joiner);
  const { creator, joiner } = await both();

  const attack = async (side, others) => {
    const before = JSON.stringify(side.state);
    const from = side === joiner ? 1 : 2;
    for (let i = 0; i < ROUNDS; i++) {
      const text = mutate(others, next);
      const { reply, refused, end, ...rest } = await side.receive(text, from);
      const what = `${i}: ${text.slice(0, 80)}`;
      assert.deepEqual(rest, {}, what);
      if (reply) assert.ok(side === creator && [1, 4].includes(decode(reply)[0]), what);
      if (refused) assert.ok(side === creator && decode(text)[0] === 2, what);
      if (end) assert.ok(side === joiner && !side.state.tag && end === 'wrong-secret' && decode(text)[0] === 1, what);
      assert.equal(JSON.stringify(side.state), before, what);
    }
  };

  await attack(creator, texts);
  await attack(joiner, texts);
  const { reply: open } = await joiner.receive(creator.first(), 1);
  const said = [...texts, creator.first(), open].filter(text => text !== 'BQ');
  await attack(joiner, said);
  const { reply: ready } = await creator.receive(open, 2);
  assert.deepEqual(await joiner.receive(ready, 1), { paired: true });
  const sealed = [await creator.seal(contentOf('a')), await joiner.seal(contentOf('b'))];
  // From now on a copy is not a mutation: what is whole is heard.
  const spoilt = texts.concat(sealed.map(text => text.slice(0, -4) + (text.endsWith('AAAA') ? 'BBBB' : 'AAAA')));
  await attack(joiner, spoilt);
  await attack(creator, spoilt);
  assert.deepEqual(await joiner.receive(sealed[0], 1), { next: true, data: 'a' });
  assert.deepEqual(await creator.receive(sealed[1], 2), { next: true, data: 'b' });
});

test('messages are heard from the other side only', async () => {
  const { creator, joiner } = await both();
  assert.deepEqual(await joiner.receive(creator.first(), 3), {});
  const texts = await talk(creator, joiner);
  assert.deepEqual(await joiner.receive(texts[4], 3), {});
  assert.deepEqual(await creator.receive(texts[5], 3), {});
  assert.deepEqual(await joiner.receive(texts[5], 1), {}, 'reflected');
  assert.deepEqual(await creator.receive(texts[4], 2), {}, 'reflected');
  assert.deepEqual(await joiner.receive(texts[4], 1), { next: true, data: 'text' });
});

test('a key that is none ends the pairing, even if the link names it', async () => {
  const octets = new Uint8Array(1249).fill(255); // no polynomial has such coefficients
  octets[0] = 1;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', octets.subarray(1))).subarray(0, 16);
  const joiner = Pairing.join({ id: ID, secret: encode(new Uint8Array([...new Uint8Array(32), ...hash])) });
  assert.deepEqual(await joiner.receive(encode(octets), 1), { end: 'wrong-secret' });
});

// Somebody who knows the creator's link has given the joiner one of their own, and passes on what they like.
test('in between: what is revealed is what was committed to', async () => {
  const { creator, joiner: facingCreator } = await both();
  const { creator: facingJoiner, joiner } = await both();
  const { reply: open } = await joiner.receive(facingJoiner.first(), 1);
  const { reply: withheld } = await facingJoiner.receive(open, 2);
  const { reply: opened } = await facingCreator.receive(creator.first(), 1);
  const { reply: ready } = await creator.receive(opened, 2);
  await facingCreator.receive(ready, 1);
  assert.equal(creator.state.short, facingCreator.state.short);
  assert.equal(joiner.state.short, undefined, 'before it is told ready');

  facingJoiner.state.reveal = creator.state.reveal; // or any other that makes the digits the same
  const { reply: late } = await facingJoiner.receive(open, 2);
  const before = JSON.stringify(joiner.state);
  assert.deepEqual(await joiner.receive(late, 1), { end: 'wrong-secret' });
  assert.equal(JSON.stringify(joiner.state), before);
  assert.deepEqual(await joiner.receive(withheld, 1), { paired: true });
  assert.equal(joiner.state.short, facingJoiner.state.short);
  const used = ['shortKey', 'commitment'].filter(key => key in joiner.state);
  assert.deepEqual(used, []);
});

test('in between: the creator reveals once, and to one', async () => {
  const { creator, joiner } = await both();
  const { joiner: stranger } = await both();
  stranger.state.hash = joiner.state.hash;
  const early = creator.state.reveal;
  const { reply: open } = await joiner.receive(creator.first(), 1);
  const { reply: wrong } = await stranger.receive(creator.first(), 1);
  for (const text of [stranger.first(), wrong]) {
    const { reply } = await creator.receive(text, 2);
    assert.ok(!Buffer.from(decode(reply)).includes(Buffer.from(decode(early))));
    assert.equal(creator.state.short, undefined);
  }
  const again = Pairing.join({ id: ID, secret: creator.state.secret });
  const { reply: other } = await again.receive(creator.first(), 1);
  const { reply: ready } = await creator.receive(open, 2);
  await joiner.receive(ready, 1);
  const { refused, reply } = await creator.receive(other, 3);
  assert.equal(refused, 'already-paired');
  assert.deepEqual(await again.receive(reply, 1), { end: 'already-paired' });
  assert.equal(creator.state.short, joiner.state.short);
});

test('an open that holds no point of the curve is refused', async () => {
  const { creator } = await both();
  const open = new Uint8Array(1149);
  open[0] = 2;
  const { refused, reply } = await creator.receive(encode(open), 2);
  assert.equal(refused, 'wrong-secret');
  assert.equal(decode(reply).length, 18);
});

test('links that are none', () => {
  const next = random(SEED);
  const good = `https://h.example/#${ID}.${'A'.repeat(64)}`;
  assert.deepEqual(parseLink(good), { server: 'https://h.example/', id: ID, secret: 'A'.repeat(64) });
  for (let i = 0; i < 2000; i++) {
    const at = Math.floor(next() * good.length);
    const text = good.slice(0, at) + String.fromCharCode(Math.floor(next() * 256)) + good.slice(at + Math.floor(next() * 3));
    const parts = parseLink(text);
    if (parts) assert.equal(`${parts.server}#${parts.id}.${parts.secret}`, text);
  }
});
