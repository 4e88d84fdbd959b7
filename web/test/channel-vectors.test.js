// The pairings that are written down in client/encrypted/testdata/vectors.json, octet by octet. The Go side runs
// the same.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { contentOf, encode, Pairing, parseLink } from '../seal.js';

const TO_JOINER = 'creator to joiner';
const file = new URL('../../client/encrypted/testdata/vectors.json', import.meta.url);

const octets = hex => new Uint8Array(Buffer.from(hex, 'hex'));

// The two sides of a vector. What they are to take for random is played to them.
class Play {
  #tape;

  constructor(t, vector) {
    this.vector = vector;
    t.mock.method(globalThis.crypto, 'getRandomValues', into => {
      const next = this.#tape.shift();
      assert.equal(next?.length, into.length, 'octets that are asked for at random');
      into.set(next);
      return into;
    });
  }

  // until plays hex to what is done, to the last of it.
  async with(hex, done) {
    this.#tape = hex.map(octets);
    const result = await done();
    assert.equal(this.#tape.length, 0, 'random octets that were not asked for');
    return result;
  }

  shake(type) {
    return this.vector.handshake.find(each => each.type === type);
  }

  async begin() {
    const { sk, psk, reveal, link } = this.vector;
    this.creator = await this.with([sk, psk, reveal], () => Pairing.create());
    const { server, ...invitation } = parseLink(link);
    this.creator.state.id = invitation.id;
    this.joiner = Pairing.join(invitation);
    return server;
  }

  hear(dir, text) {
    return dir === TO_JOINER ? this.joiner.receive(text, 1) : this.creator.receive(text, 2);
  }

  // open goes on to where the joiner has answered the key.
  async open() {
    const { ekm } = this.vector;
    // HPKE draws for X25519 before it draws for ML-KEM.
    const random = [ekm.slice(64), ekm.slice(0, 64), this.shake('open').nonce];
    return this.with(random, () => this.joiner.receive(this.shake('key').octets, 1));
  }

  async pair() {
    await this.begin();
    const open = await this.open();
    const { shortKey } = this.joiner.state;
    const ready = await this.with([this.shake('ready').nonce], () => this.creator.receive(open.reply, 2));
    return { open, ready, shortKey, paired: await this.joiner.receive(ready.reply, 1) };
  }

  // say sends a message of the vector, and returns what it was and what has become of it.
  async say({ dir, nonce, kind, data }) {
    const [from, to] = dir === TO_JOINER ? [this.creator, this.joiner] : [this.joiner, this.creator];
    const content = kind < 2 ? contentOf(octets(data)) : octets(`00${data}`);
    content[0] = kind;
    const text = await this.with([nonce], () => from.seal(content));
    from.state.out++;
    const heard = await this.hear(dir, text);
    if (heard.next) to.state.in++;
    return { text, heard };
  }
}

for (const vector of JSON.parse(readFileSync(file, 'utf8'))) {
  test(`vector "${vector.name}": what is said`, async t => {
    const play = new Play(t, vector);
    const server = await play.begin();
    const { state } = play.creator;
    assert.equal(`${server}#${state.id}.${state.secret}`, vector.link);
    assert.equal(state.id, vector.channel_id);
    assert.equal(state.key, encode(octets(vector.pk + vector.commitment)));
    assert.equal(play.creator.first(), play.shake('key').octets);
    assert.equal(play.joiner.first(), play.shake('ask').octets);
    assert.deepEqual(await play.creator.receive(play.shake('ask').octets, 2), { reply: play.shake('key').octets });

    const { open, ready, paired, shortKey } = await play.pair();
    assert.deepEqual(open, { reply: play.shake('open').octets });
    assert.deepEqual(ready, { reply: play.shake('ready').octets, paired: true });
    assert.deepEqual(paired, { paired: true });
    assert.equal(shortKey, encode(octets(vector.key_short)));
    for (const { state } of [play.creator, play.joiner]) {
      assert.equal(state.toJoiner, encode(octets(vector.key_c2j)));
      assert.equal(state.toCreator, encode(octets(vector.key_j2c)));
      assert.equal(state.short, vector.short_string);
    }

    for (const message of vector.messages) {
      const { text, heard } = await play.say(message);
      assert.equal(text, message.octets);
      const data = octets(message.data);
      assert.deepEqual(heard, { next: true, data: message.kind === 0 ? Buffer.from(data).toString() : data });
    }
    for (const message of vector.counted) {
      const { text, heard } = await play.say(message);
      assert.equal(text, message.octets);
      assert.deepEqual(heard, { next: true });
    }
  });

  const stages = {
    bad_keys: play => play.begin(),
    bad_opens: play => play.begin(),
    bad_readies: async play => {
      await play.begin();
      await play.open();
    },
    bad: play => play.pair(),
  };
  for (const [stage, reach] of Object.entries(stages)) {
    for (const { why, dir, octets: text, answer, ends } of vector[stage]) {
      test(`vector "${vector.name}": ${stage}: ${dir}: ${why}`, async t => {
        const play = new Play(t, vector);
        await reach(play);
        const listener = dir === TO_JOINER ? play.joiner : play.creator;
        const before = JSON.stringify(listener.state);
        const expected = ends ? { end: ends } : answer ? { refused: 'wrong-secret', reply: answer } : {};
        assert.deepEqual(await play.hear(dir, text), expected);
        assert.equal(JSON.stringify(listener.state), before);
      });
    }
  }
}
