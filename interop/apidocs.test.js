// Has the documentation that the server serves checked by those who know its formats, and tries the code in it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import WebSocket from 'ws';

import { buildServer, startServer } from './server.js';

let server;
before(() => { server = buildServer(); });
after(() => server.remove());

const options = { timeout: 120_000 }; // of a test that hangs

// get returns the text of a document, which must be there.
async function get(address, path) {
  const answer = await fetch(address.replace('ws:', 'http:') + path);
  assert.equal(answer.status, 200, path);
  return answer.text();
}

test('/openapi.json is an OpenAPI 3.1 document', options, async t => {
  const address = await startServer(t, server.binary);
  const validator = new Validator();
  const result = await validator.validate(JSON.parse(await get(address, '/openapi.json')));
  assert.deepEqual(result, { valid: true });
  assert.equal(validator.version, '3.1');
});

test('/asyncapi.json is an AsyncAPI 3.0 document', options, async t => {
  const address = await startServer(t, server.binary);
  const { document, diagnostics } = await new Parser().parse(await get(address, '/asyncapi.json'));
  const newerExists = 'asyncapi-latest-version'; // the document is of 3.0 by choice
  assert.deepEqual(diagnostics.filter(({ code }) => code !== newerExists), []);
  assert.equal(document.version(), '3.0.0');
});

test('the code on /docs pairs two pages', options, async t => {
  const address = await startServer(t, server.binary);
  const page = await get(address, '/docs');
  const [, escaped] = page.match(/<code id="browser">([^<]*)<\/code>/);
  const characters = { amp: '&', lt: '<', gt: '>', quot: '"' };
  const code = escaped.replace(/&(?:#(\d+)|(\w+));/g, (_, number, name) => number ? String.fromCharCode(number) : characters[name]);

  const said = [];
  const heard = { channel: later(), says: later() };
  const console = { log: (...words) => { said.push(words); heard[words.find(word => word in heard)]?.resolve(words); } };
  const pair = new Function('WebSocket', 'console', `${code}; return pair;`)(WebSocket, console);

  const first = pair(address);
  const [, id] = await heard.channel.promise;
  const second = pair(address, id);
  assert.deepEqual(await heard.says.promise, ['member', 1, 'says', 'aGVsbG8']);

  const closed = [once(first, 'close'), once(second, 'close')];
  first.close(1000);
  second.close(1000);
  await Promise.all(closed);
  assert.deepEqual(said.filter(([what]) => what === 'closed').map(([, closeCode]) => closeCode), [1000, 1000]);
});

// later returns a promise and what resolves it.
function later() {
  let resolve;
  const promise = new Promise(done => { resolve = done; });
  return { promise, resolve };
}
