// The encrypted channel through the real server: pairing, talking, reloading, and people who should not be there.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ChannelError, createChannel, joinChannel, resumeChannel } from '../channel.js';
import { decode, encode } from '../seal.js';
import * as transport from '../transport.js';
import { fakeNetwork, settle, welcome } from './fakes.js';
import { buildServer, limit, memory, next, startServer, WebSocket } from './server.js';

let built;
before(() => (built = buildServer()));
after(() => built.remove());

const options = more => ({ storage: memory(), window: new EventTarget(), WebSocket, ...more });

// A browser whose server has version 1 only.
class OldWebSocket extends WebSocket {
  constructor(url) {
    super(url.replace('/v2/', '/none/'));
  }
}

const serverOf = (t, ...settings) => startServer(t, built.binary, ...settings).then(address => address.replace('ws', 'http'));

// pair has two devices pair, and returns them.
async function pair(server, forCreator, forJoiner) {
  const creator = await createChannel(server, options(forCreator));
  const paired = next(creator, 'paired');
  const joiner = await joinChannel(creator.link, options(forJoiner));
  const [one, other] = await Promise.all([paired, next(joiner, 'paired')]);
  return { creator, joiner, one, other };
}

async function say(from, to, data) {
  const message = next(to, 'message');
  await from.send(data);
  return (await message).data;
}

const leave = (...channels) => Promise.all(channels.map(channel => channel.close()));
const reason = promise => promise.then(() => 'none', error => (assert.ok(error instanceof ChannelError, error), error.reason));

// flip changes one character of a link, counted from its end.
const flip = (link, at) => {
  const characters = [...link];
  const index = characters.length - at;
  characters[index] = characters[index] === 'A' ? 'B' : 'A';
  return characters.join('');
};

test('two devices pair and talk', limit, async t => {
  const server = await serverOf(t);
  const { creator, joiner, one, other } = await pair(server);
  assert.match(creator.link, /^http:\/\/127\.0\.0\.1:\d+\/#[\w-]{22}\.[\w-]{64}$/);
  assert.equal(joiner.link, null);
  assert.match(one.shortString, /^\d{3} \d{3}$/);
  assert.deepEqual(
    [other.shortString, creator.shortString, joiner.shortString], Array(3).fill(one.shortString));
  assert.deepEqual([one.from, other.from, creator.peer, joiner.peer], [2, 1, 2, 1]);
  assert.equal(one.sender.remote, '127.0.0.1');
  assert.equal(other.sender.remote, '127.0.0.1');
  assert.ok(creator.paired && joiner.paired);
  assert.equal(creator.version, 2);

  assert.equal(await say(creator, joiner, 'Grüße, 日本 🙂'), 'Grüße, 日本 🙂');
  assert.equal(await say(joiner, creator, ''), '');
  assert.equal(await say(joiner, creator, '\ufeff with a mark\0'), '\ufeff with a mark\0');
  assert.deepEqual(await say(creator, joiner, new Uint8Array([0, 255, 1])), new Uint8Array([0, 255, 1]));
  assert.deepEqual(await say(creator, joiner, new ArrayBuffer(2)), new Uint8Array(2));
  assert.deepEqual(await say(creator, joiner, new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 1)), new Uint8Array([2]));

  const largest = new Uint8Array(joiner.maxData).fill(7);
  assert.deepEqual(await say(joiner, creator, largest), largest);
  assert.equal(await reason(joiner.send(new Uint8Array(joiner.maxData + 1))), 'message-too-big');
  assert.equal(await reason(joiner.send('é'.repeat(joiner.maxData / 2 + 1))), 'message-too-big');
  assert.equal(await reason(joiner.send('\ud800')), 'bad-payload');
  await assert.rejects(joiner.send(12), TypeError);
  assert.equal(await say(joiner, creator, 'still whole'), 'still whole');

  let delivered; // the latest, which may be of what was said before
  creator.addEventListener('delivered', event => (delivered = event));
  const { seq } = await creator.send('tell me');
  while (!(delivered?.seq >= seq)) await next(creator, 'delivered');
  assert.equal(delivered.member, 2);
  await leave(creator, joiner);
});

test('messages arrive in the order of the calls, and are what they were then', limit, async t => {
  const { creator, joiner } = await pair(await serverOf(t));
  const sizes = Array.from({ length: 60 }, (_, i) => i * 7919 % 20_000); // less in all than the server keeps for the joiner
  const sending = sizes.map((size, i) => {
    const data = new Uint8Array(size + 1).fill(i);
    const sent = creator.send(data);
    data.fill(255);
    return sent;
  });
  const ended = sending.at(-4).then(() => creator.close()); // after what was sent before
  let i = 0;
  for await (const { data, sender, from } of joiner) {
    assert.equal(data.length, sizes[i] + 1);
    assert.ok(data.every(octet => octet === i));
    assert.deepEqual([from, sender.remote], [1, '127.0.0.1']);
    if (++i === sizes.length) break;
  }
  assert.deepEqual(await ended, { code: 1000, reason: 'bye' });
  assert.equal(new Set((await Promise.all(sending)).map(({ seq }) => seq)).size, sizes.length);
  await leave(joiner);
});

test('the creator ends the channel', limit, async t => {
  const { creator, joiner } = await pair(await serverOf(t));
  const closed = next(joiner, 'closed');
  const last = next(joiner, 'message');
  creator.send('bye');
  assert.deepEqual(await creator.end(), { code: 4015, reason: 'channel-ended' });
  assert.equal((await last).data, 'bye');
  const { code, reason } = await closed;
  assert.deepEqual([code, reason], [4015, 'channel-ended']);
});

for (const [name, forCreator, forJoiner] of [['both', OldWebSocket, OldWebSocket], ['the joiner', WebSocket, OldWebSocket]]) {
  test(`version 1: ${name}`, limit, async t => {
    const { creator, joiner, one } = await pair(await serverOf(t), { WebSocket: forCreator }, { WebSocket: forJoiner });
    assert.deepEqual([creator.version, joiner.version], [forCreator, forJoiner].map(each => each === OldWebSocket ? 1 : 2));
    assert.equal(joiner.shortString, one.shortString);
    assert.equal(await say(creator, joiner, 'hello'), 'hello');
    assert.deepEqual(await say(joiner, creator, new Uint8Array(creator.maxData)), new Uint8Array(49114));
    await leave(creator, joiner);
  });
}

test('a wrong secret pairs nobody, and the right one still does', limit, async t => {
  const creator = await createChannel(await serverOf(t), options());
  const refused = [];
  creator.addEventListener('refused', ({ reason, from, sender }) => refused.push([reason, from, sender.remote]));
  for (const at of [64, 23, 21, 1]) { // the ends of the pre-shared key and of the hash
    const left = next(creator, 'left'); // after "refused", and with the seat free for the next
    const stranger = await joinChannel(flip(creator.link, at), options());
    const { code, reason } = await next(stranger, 'closed');
    assert.deepEqual([code, reason], [0, 'wrong-secret']);
    await left;
  }
  assert.deepEqual(refused, [['wrong-secret', 2, '127.0.0.1'], ['wrong-secret', 3, '127.0.0.1']]);
  const paired = next(creator, 'paired');
  const joiner = await joinChannel(creator.link, options());
  await Promise.all([paired, next(joiner, 'paired')]);
  assert.equal(await say(creator, joiner, 'you it is'), 'you it is');
  await leave(creator, joiner);
});

for (const version of [1, 2]) {
  test(`whoever comes second is told, in version ${version}`, limit, async t => {
    const { creator, joiner } = await pair(await serverOf(t));
    const refused = next(creator, 'refused');
    const second = await joinChannel(creator.link, options(version === 1 && { WebSocket: OldWebSocket }));
    const closed = next(second, 'closed');
    assert.equal(await reason(second.send('me too')), 'not-paired');
    const { code, reason: why } = await closed;
    assert.deepEqual([code, why], [0, 'already-paired']);
    assert.equal((await refused).reason, 'already-paired');
    assert.equal(await say(joiner, creator, 'only us'), 'only us');
    await leave(creator, joiner);
  });
}

test('what a third member says is not heard', limit, async t => {
  const server = await serverOf(t);
  const { creator, joiner } = await pair(server);
  const third = await transport.joinChannel(creator.url, options());
  const heard = [];
  third.addEventListener('message', ({ text }) => heard.push(text));
  await say(creator, joiner, 'one');
  await say(joiner, creator, 'two');
  const sealed = () => heard.filter(text => decode(text)[0] === 3);
  while (sealed().length < 2) await next(third, 'message'); // which may hear them later
  const copies = sealed();
  assert.equal(copies.length, 2);
  const said = [];
  for (const side of [creator, joiner]) side.addEventListener('message', ({ data }) => said.push(data));
  for (const text of [...heard, ...copies, 'not even base64', '', 'A', encode(new Uint8Array(1000))]) {
    await third.send(text);
  }
  await say(creator, joiner, 'three');
  await say(joiner, creator, 'four');
  assert.deepEqual(said, ['three', 'four']);
  await leave(creator, joiner, third);
});

// relayed is a WebSocket whose server says something else: what change makes of each message, and of all before.
function relayed(Base, change) {
  const before = [];
  return class extends Base {
    set onmessage(listener) {
      this.on('message', data => {
        const frame = JSON.parse(data);
        for (const each of typeof frame.message === 'string' ? change(frame, before) : [frame]) {
          listener({ data: JSON.stringify(each) });
        }
        before.push(frame);
      });
    }
  };
}

const isSealed = ({ message }) => decode(message)[0] === 3;

test('a relay that tampers, repeats and reflects changes nothing', limit, async t => {
  const tampered = frame => Array.from(decode(frame.message), (_, at) => {
    const octets = decode(frame.message);
    octets[at] ^= 1 << at % 8;
    return { ...frame, message: encode(octets) };
  });
  const own = [];
  class Recorded extends relayed(OldWebSocket, (frame, before) =>
    isSealed(frame) ? [...tampered(frame), ...own, frame, frame, ...before.filter(({ message }) => message)] : [frame]) {
    send(text) {
      own.push({ message: text });
      super.send(text);
    }
  }
  const { creator, joiner } = await pair(await serverOf(t, '--max_exchanges', '100'), { WebSocket: OldWebSocket }, { WebSocket: Recorded });
  const heard = [];
  joiner.addEventListener('message', ({ data }) => heard.push(data));
  for (const text of ['one', 'two', 'three']) {
    await joiner.send(`mine before ${text}`);
    await say(creator, joiner, text);
  }
  assert.equal(await say(creator, joiner, 'last'), 'last');
  assert.deepEqual(heard, ['one', 'two', 'three', 'last']);
  assert.equal(joiner.state, 'open');
  await leave(creator, joiner);
});

for (const Base of [WebSocket, OldWebSocket]) {
  test(`a relay that withholds a message is found out, in version ${Base === WebSocket ? 2 : 1}`, limit, async t => {
    let count = 0;
    const Withholding = relayed(Base, frame => isSealed(frame) && ++count === 2 ? [] : [frame]);
    const { creator, joiner } = await pair(await serverOf(t), { WebSocket: Base }, { WebSocket: Withholding });
    const heard = [];
    joiner.addEventListener('message', ({ data }) => heard.push(data));
    const closed = next(joiner, 'closed');
    for (const text of ['one', 'two', 'three', 'four']) await creator.send(text);
    const { code, reason: why } = await closed;
    assert.deepEqual([code, why], [0, 'messages-missing']);
    assert.deepEqual(heard, ['one']);
    assert.equal(await reason(joiner.send('no')), 'messages-missing');
    await leave(creator);
  });
}

// A Reader is a page that is reloaded after it has saved its state so many times. It says some words and hears some.
class Reader {
  saves = 0;
  heard = [];
  spoken = 0;
  items = memory();

  constructor(reloadAfter) {
    this.reloadAfter = reloadAfter;
    this.done = new Promise(resolve => (this.finish = resolve));
  }

  // live is one life of the page; open opens the channel.
  async live(open) {
    const saved = JSON.parse(this.items.getItem('channel'));
    this.spoken = saved?.extra.out ?? 0;
    const window = new EventTarget();
    let alive = true;
    let reload;
    const reloaded = new Promise(resolve => (reload = resolve));
    const storage = {
      ...this.items,
      setItem: (key, value) => {
        if (!alive) return;
        this.items.setItem(key, value);
        if (++this.saves !== this.reloadAfter || this.over) return;
        alive = false;
        queueMicrotask(() => {
          window.dispatchEvent(new Event('pagehide'));
          reload();
        });
      },
      removeItem: key => alive && this.items.removeItem(key),
    };
    const opening = open({ storage, window, WebSocket });
    const channel = await Promise.race([opening, reloaded]);
    if (alive) {
      this.channel = channel;
      this.opened?.();
      channel.addEventListener('message', ({ data }) => {
        if (!alive) return;
        this.heard.push(data);
        if (this.heard.length === words.length) this.finish();
      });
      const talk = async () => {
        while (alive && this.spoken < words.length) {
          await channel.send(words[this.spoken++]);
        }
      };
      channel.addEventListener('paired', () => alive && talk());
      if (channel.paired) talk();
      await Promise.race([this.done, reloaded]);
    }
    if (alive) {
      this.over = true;
    } else {
      this.again = true;
      await this.live(resumeChannel);
    }
  }
}

const words = ['one', 'two', 'three'];

for (const side of ['creator', 'joiner']) {
  test(`the ${side}'s page is reloaded at any moment`, limit, async t => {
    const server = await serverOf(t);
    for (let reloadAfter = 1, reached = true; reached; reloadAfter++) {
      const creator = new Reader(side === 'creator' ? reloadAfter : 0);
      const joiner = new Reader(side === 'joiner' ? reloadAfter : 0);
      const ready = new Promise(resolve => (creator.opened = resolve));
      const creating = creator.live(given => createChannel(server, given));
      await ready;
      const { link } = creator.channel;
      const joining = joiner.live(given => joinChannel(link, given));
      await Promise.all([creating, joining]);
      const where = `reloaded after ${reloadAfter} saves`;
      assert.deepEqual(creator.heard, words, where);
      assert.deepEqual(joiner.heard, words, where);
      assert.equal(creator.channel.shortString, joiner.channel.shortString, where);
      assert.equal(creator.channel.link, link, where);
      const reloaded = { creator, joiner }[side];
      reached = reloaded.again === true;
      if (!reached) assert.ok(reloadAfter > 7, `only ${reloadAfter} moments`);
      await leave(creator.channel, joiner.channel);
    }
  });
}

test('once paired, nothing is kept that could open what was said before', limit, async t => {
  const [forCreator, forJoiner] = [memory(), memory()];
  const { creator, joiner } = await pair(await serverOf(t), { storage: forCreator }, { storage: forJoiner });
  await say(creator, joiner, 'x');
  await say(joiner, creator, 'x');
  const kept = storage => Object.keys(JSON.parse(storage.getItem('channel')).extra).sort();
  assert.deepEqual(kept(forCreator), [
    'creator', 'id', 'in', 'key', 'out', 'page', 'paired', 'peer', 'reveal', 'secret', 'short', 'tag', 'toCreator', 'toJoiner',
  ]);
  assert.deepEqual(kept(forJoiner), ['creator', 'id', 'in', 'out', 'paired', 'peer', 'short', 'tag', 'toCreator', 'toJoiner']);
  assert.ok(!forJoiner.getItem('channel').includes(creator.link.slice(-64, -22)));
  await leave(creator, joiner);
  assert.equal(forCreator.getItem('channel'), null);
});

test('nothing to go on with', limit, async t => {
  assert.equal(await resumeChannel(options()), null);
  const storage = memory();
  const window = new EventTarget();
  await transport.createChannel(await serverOf(t), options({ storage, window }));
  window.dispatchEvent(new Event('pagehide'));
  assert.equal(await resumeChannel(options({ storage })), null);
});

test('links', async () => {
  const good = 'https://h.example/p?q#b7ZHsuZ9RIWVYKJDxqmAOg.AUwe4O-KVOw7GyII7NFp718eVlNcD4uLaylcvBe7KwE_XEFVHR9F9PWYzyXdF6rT';
  for (const bad of [
    '', 'https://h.example/', good.slice(0, -1), `${good}A`, good.replace('.AU', 'AU'), good.replace('https', 'ftp'), good.replace('Og.', 'Oh.'),
    good.replace('#', '##'), `${good}\n`, good.replace('KVO', 'K/O'), good.replace('https://h.example/p', ''),
    good.replace('h.example', 'h%.example'), good.replace('h.example', 'me:pass@h.example'),
  ]) {
    assert.equal(await reason(joinChannel(bad, options())), 'bad-link', bad);
  }
  for (const [given, url] of [[{}, 'wss://h.example/p/v2/ws/'], [{ server: 'https://other.example' }, 'wss://other.example/v2/ws/']]) {
    const network = fakeNetwork();
    const joining = reason(joinChannel(new URL(good), options({ WebSocket: network.WebSocket, ...given })));
    await settle();
    assert.equal(network.last.url.split('?')[0], `${url}b7ZHsuZ9RIWVYKJDxqmAOg`);
    network.last.accept().shut(4004, 'no-such-channel');
    assert.equal(await joining, 'no-such-channel');
  }
});

test('the link opens the page that is asked for', async () => {
  for (const [server, page, start] of [
    ['wss://h.example', undefined, 'https://h.example/#'], ['http://h.example/below', undefined, 'http://h.example/below#'],
    ['https://h.example', 'https://app.example/pair?x=1#old', 'https://app.example/pair?x=1#'],
  ]) {
    const network = fakeNetwork();
    const creating = createChannel(server, options({ WebSocket: network.WebSocket, page }));
    while (!network.last) await new Promise(setImmediate);
    network.last.accept();
    assert.deepEqual(network.last.sent, [{ type: 'hello', max_exchanges: 1000 }]);
    network.last.say(welcome({ limits: {} }));
    const channel = await creating;
    assert.ok(channel.link.startsWith(start), channel.link);
    network.last.shut(4015, 'channel-ended');
  }
});

test('whoever asks much gets few answers at a time', async () => {
  const network = fakeNetwork();
  const storage = memory();
  const creating = createChannel('https://h.example', options({ WebSocket: network.WebSocket, storage }));
  while (!network.last) await new Promise(setImmediate);
  network.last.accept().say(welcome({ limits: {} }));
  const channel = await creating;
  for (let seq = 1; seq <= 100; seq++) network.last.say({ type: 'message', seq, from: 2, message: 'BQ' });
  while (JSON.parse(storage.getItem('channel')).after < 100) await new Promise(setImmediate);
  assert.equal(JSON.parse(storage.getItem('channel')).unsent.length, 16);
  const closed = next(channel, 'closed');
  network.last.shut(4015, 'channel-ended');
  await closed;
});

test('a server that takes no keys is of no use', async () => {
  const network = fakeNetwork();
  const creating = createChannel('https://h.example', options({ WebSocket: network.WebSocket }));
  while (!network.last) await new Promise(setImmediate);
  network.last.accept().say(welcome());
  assert.equal(await reason(creating), 'message-too-big');
});

test('where a page cannot encrypt it says so', async t => {
  t.mock.getter(globalThis, 'crypto', () => ({}));
  assert.equal(await reason(createChannel('http://h.example')), 'insecure-context');
  assert.equal(await reason(joinChannel('http://h.example/#')), 'insecure-context');
  assert.equal(await reason(resumeChannel()), 'insecure-context');
});
