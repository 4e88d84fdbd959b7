// The parts of the page that need no browser: links, names, agents, words, endings and the QR code.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { generate } from 'lean-qr/nano';
import { readAgent } from '../page/agent.js';
import { ending } from '../page/endings.js';
import { Incoming, MAX_FILE, NO_NAME, cleanName, goodSize, octets, pieces } from '../page/files.js';
import { findLinks } from '../page/links.js';
import { qrPath } from '../page/qr.js';
import { LANGUAGES, Words, chooseLanguage, clock } from '../page/words.js';

const page = new URL('../page/', import.meta.url);

test('links are found in a text, and nothing else becomes one', () => {
  const cases = {
    'no address': [],
    'https://example.org/': ['https://example.org/'],
    'see http://example.org/a?b=c#d.': ['http://example.org/a?b=c#d'],
    '(https://example.org/x)': ['https://example.org/x'],
    'https://en.example.org/wiki/Pair_(device)': ['https://en.example.org/wiki/Pair_(device)'],
    'one https://a.example, two https://b.example!': ['https://a.example', 'https://b.example'],
    '<https://example.org/>': ['https://example.org/'],
    '場所はhttps://example.org/東京。': ['https://example.org/東京'],
    'HTTPS://EXAMPLE.ORG': ['HTTPS://EXAMPLE.ORG'],
    'javascript:alert(1) data:text/html,x file:///etc ftp://a.example': [],
    'xjavascript:https': [],
    'https:// https://[ http://%%': [],
    'https://a.example\u202egpj.exe': ['https://a.example'],
  };
  for (const [text, want] of Object.entries(cases)) {
    const parts = findLinks(text);
    assert.equal(parts.map((part) => part.text).join(''), text, 'the parts are the text');
    assert.deepEqual(parts.filter((part) => part.href).map((part) => part.text), want, text);
    for (const { href } of parts) if (href) assert.match(href, /^https?:\/\/./);
  }
});

test('a long text of almost links is split quickly', () => {
  for (const text of ['https://'.repeat(8000), `https://a.example/${')'.repeat(40_000)}`, `https://a.example/${'(.'.repeat(20_000)}`]) {
    assert.equal(findLinks(text).map((part) => part.text).join(''), text);
  }
});

test('names of files are made harmless', () => {
  const cases = [
    ['a.png', 'a.png'], ['../../etc/passwd', 'passwd'], ['C:\\Users\\x\\a.txt', 'a.txt'], ['a\u0000b\n.txt', 'ab.txt'],
    ['invoice\u202egpj.exe', 'invoicegpj.exe'], ['.', NO_NAME], ['..', NO_NAME], ['', NO_NAME], ['/', NO_NAME], [undefined, NO_NAME],
    [7, '7'], [{}, '[object Object]'], ['  x  ', 'x'], ['.profile', '.profile'], ['写真.jpg', '写真.jpg'], ['👩‍👧.gif', '👩‍👧.gif'],
  ];
  for (const [name, want] of cases) assert.equal(cleanName(name), want, JSON.stringify(name));
  const long = cleanName(`${'é'.repeat(400)}.tar.gz`);
  assert.equal(octets(long), 255, 'as long as may be');
  assert.match(long, /\.gz$/);
  assert.equal(octets(cleanName(`a.${'b'.repeat(400)}`)), 255);
});

test('a file that was cut is put together again', async () => {
  const data = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
  for (const most of [1000, 1024, 99_999, 100_000, 200_000]) {
    const incoming = new Incoming(data.length);
    for await (const piece of pieces(new Blob([data]), most)) {
      assert.ok(piece.length <= most);
      assert.ok(incoming.add(piece));
    }
    assert.ok(incoming.complete);
    assert.deepEqual(new Uint8Array(await incoming.blob().arrayBuffer()), data);
    assert.equal(incoming.blob().type, 'application/octet-stream');
  }
  for await (const piece of pieces(new Blob([]), 10)) assert.fail(`a piece of nothing: ${piece}`);
  assert.ok(new Incoming(0).complete);
});

test('more than was announced, and nothing, are no pieces', () => {
  const incoming = new Incoming(10);
  assert.equal(incoming.add(new Uint8Array(0)), false);
  assert.equal(incoming.add(new Uint8Array(11)), false);
  assert.equal(incoming.add(new Uint8Array(8)), true);
  assert.equal(incoming.add(new Uint8Array(3)), false);
  assert.equal(incoming.received, 8);
  for (const size of [-1, 1.5, NaN, '5', null, MAX_FILE + 1]) assert.equal(goodSize(size), false, String(size));
  assert.ok(goodSize(0) && goodSize(MAX_FILE));
});

test('browsers and systems are named', () => {
  const cases = {
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0': ['Firefox', 'Windows', false],
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15': ['Safari', 'Mac', false],
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1': ['Safari', 'iPhone', true],
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/137.0 Mobile/15E148 Safari/604.1': ['Chrome', 'iPhone', true],
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36': ['Chrome', 'Android', true],
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36': ['Samsung Internet', 'Android', true],
    'Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0': ['Firefox', 'Android', true],
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0': ['Microsoft Edge', 'Windows', false],
    'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36': ['Chrome', 'ChromeOS', false],
    'channelctl (linux)': ['channelctl', 'Linux', false],
    'channelctl (darwin)': ['channelctl', 'Mac', false],
    'curl/8.0': ['curl', '', false],
    '': ['', '', false],
    'constructor __proto__': ['', '', false],
  };
  for (const [ua, [browser, system, handHeld]] of Object.entries(cases)) assert.deepEqual(readAgent(ua), { browser, system, handHeld }, ua);
  for (const ua of [undefined, null, 7, {}]) assert.deepEqual(readAgent(ua), { browser: '', system: '', handHeld: false });
});

test('every language says everything, with the same names in braces', () => {
  const braces = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
  const { en } = LANGUAGES;
  for (const [language, words] of Object.entries(LANGUAGES)) {
    assert.deepEqual(Object.keys(words), Object.keys(en), `the keys of ${language}, in the same order`);
    for (const [key, text] of Object.entries(words)) {
      assert.ok(typeof text === 'string' && text.trim(), `${language} ${key}`);
      assert.deepEqual(braces(text), braces(en[key]), `${language} ${key}`);
      assert.ok(language === 'en' || text.length < 12 || text !== en[key], `${language} ${key} is in English`);
    }
  }
});

test('every word that the page asks for is there, and every word is asked for', async () => {
  const files = (await readdir(page)).filter((name) => /\.(js|html)$/.test(name));
  const text = (await Promise.all(files.map((name) => readFile(new URL(name, page), 'utf8')))).join('\n');
  for (const [, key] of text.matchAll(/data-say="([\w-]+)"|(?:say|notice|warn)\('([\w-]+)'/g)) {
    if (key) assert.ok(key in LANGUAGES.en, key);
  }
  for (const key of Object.keys(LANGUAGES.en)) {
    const name = /^(why|from|file|turned-away|peer)-/.exec(key)?.[1];
    const known = text.includes(`'${key}'`) || text.includes(`"${key}"`) || (name && text.includes(`${name}-\${`)) || text.includes(`'${key.replace(/-(title|text)$/, '')}'`);
    assert.ok(known, `${key} is never said`);
  }
});

test('every reason has an ending in every language', async () => {
  const protocol = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  const reasons = [...protocol.matchAll(/^\| \d{4} \| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  assert.ok(reasons.length > 15);
  const ours = ['wrong-secret', 'already-paired', 'messages-missing', 'insecure-context', 'bad-link', 'unreachable', 'busy', 'lost', 'peer-left', 'stopped', 'differ', 'what nobody has heard of'];
  for (const reason of [...reasons, ...ours, 'constructor']) {
    for (const key of Object.values(ending(reason))) {
      for (const language of Object.keys(LANGUAGES)) assert.ok(LANGUAGES[language][key], `${language} ${key}`);
    }
  }
  assert.equal(ending('constructor').title, 'broken-title');
});

test('the language is the first that is wanted and there', () => {
  assert.equal(chooseLanguage(['ja-JP', 'en']), 'ja');
  assert.equal(chooseLanguage(['nl', 'fr-CA', 'de']), 'fr');
  assert.equal(chooseLanguage(['DE-at']), 'de');
  assert.equal(chooseLanguage(['constructor', 'tlh']), 'en');
  assert.equal(chooseLanguage([]), 'en');
});

test('sizes and times are written as in the language', () => {
  const plain = (text) => text.replace(/\s/g, ' ');
  assert.equal(plain(new Words('en').size(0)), '0 bytes');
  assert.equal(plain(new Words('en').size(1536)), '1.5 kB');
  assert.equal(plain(new Words('en').size(MAX_FILE)), '10 MB');
  assert.equal(plain(new Words('fr').size(1.5 * 1024 * 1024)), '1,5 Mo');
  assert.equal(plain(new Words('de').size(1)), '1 Byte');
  assert.equal(plain(new Words('en').span(30_000)), '30 seconds');
  assert.equal(plain(new Words('de').span(1000)), '1 Sekunde');
  assert.equal(plain(new Words('en').span(300_000)), '5 minutes');
  assert.equal(clock(300_000), '5:00');
  assert.equal(clock(1), '0:01');
  assert.equal(clock(-5), '0:00');
  assert.equal(clock(3_725_000), '1:02:05');
});

test('words say what they are given as it is', () => {
  assert.equal(new Words('en').say('file-sending', { name: '{name} $& <b>' }), 'Sending {name} $& <b>');
});

test('the path of a QR code has its dark modules and no others', () => {
  const link = `https://pair.example/#${'a'.repeat(22)}.${'B'.repeat(64)}`;
  const { path, width } = qrPath(link);
  const drawn = new Set();
  for (const [, x, y, run] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    for (let i = 0; i < Number(run); i++) drawn.add(`${Number(x) + i} ${y}`);
  }
  const code = generate(link, { minCorrectionLevel: 1 });
  assert.equal(width, code.size + 8);
  for (let y = -4; y < code.size + 4; y++) {
    for (let x = -4; x < code.size + 4; x++) assert.equal(drawn.has(`${x + 4} ${y + 4}`), code.get(x, y), `${x} ${y}`);
  }
});
