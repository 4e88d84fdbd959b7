// The browser library as a web developer uses it: its modules as they are, on a page of another origin
// than the server's.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { names, patience } from './browsers.js';
import { options } from './device.js';
import { startProxy } from './proxy.js';
import { workshop } from './workshop.js';

const library = new URL('../web/', import.meta.url);
const { browser, start } = workshop();

// Runs in the page. What the channel tells is kept in a list.
const script = `
  import { createChannel, joinChannel, resumeChannel } from './channel.js';
  window.told = [];
  window.use = async channel => {
    window.channel = channel;
    for (const type of ['paired', 'joined', 'away', 'back', 'left', 'reconnecting', 'open', 'closed']) {
      channel.addEventListener(type, () => window.told.push(type));
    }
    for await (const { data } of channel) window.told.push(typeof data === 'string' ? data : [...data]);
    window.told.push('over');
  };
  window.create = server => createChannel(server).then(window.use);
  window.join = link => joinChannel(link).then(window.use);
  const resumed = await resumeChannel();
  window.resumed = Boolean(resumed);
  if (resumed) window.use(resumed);
`;

// serve serves an empty page with the library until the test t is over, and returns its address.
async function serve(t) {
  const names = (await readdir(library)).filter(name => name.endsWith('.js'));
  const files = new Map(await Promise.all(names.map(async name => [`/${name}`, await readFile(new URL(name, library))])));
  files.set('/use.js', script);
  const server = createServer(({ url }, response) => {
    response.setHeader('Content-Type', url.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(files.get(url) ?? '<!DOCTYPE html><title>library</title><script type="module" src="use.js"></script>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.close(); server.closeAllConnections(); });
  return `http://127.0.0.1:${server.address().port}/`;
}

// until waits for a function of the page to be true there.
const until = (page, test, ...args) => page.waitForFunction(test, { polling: 100 }, ...args);

for (const [i, name] of names.entries()) {
  test(`the library between ${name} and ${names[1 - i]}`, options, async t => {
    const proxy = await startProxy(t, await start(t));
    const url = await serve(t);
    const [creator, joiner] = await Promise.all([name, names[1 - i]].map(async name => {
      const context = await (await browser(name)).createBrowserContext();
      t.after(() => context.close());
      const page = await context.newPage({ type: 'window' });
      page.setDefaultTimeout(patience);
      await page.goto(url);
      await until(page, () => window.resumed === false);
      return page;
    }));
    const tells = (page, what) => until(page, what => window.told.some(told => String(told) === what), what);
    const say = (page, text) => page.evaluate(text => window.channel.send(text).then(({ seq }) => seq), text);

    await creator.evaluate(server => { window.create(server); }, proxy.address);
    await until(creator, () => window.channel);
    const link = await creator.evaluate(() => window.channel.link);
    assert.match(link, new RegExp(`^${proxy.address}/#`));
    await joiner.evaluate(link => { window.join(link); }, link);
    await Promise.all([tells(creator, 'paired'), tells(joiner, 'paired')]);
    const strings = await Promise.all([creator, joiner].map(page => page.evaluate(() => window.channel.shortString)));
    assert.equal(strings[0], strings[1]);

    await say(creator, 'hello');
    await tells(joiner, 'hello');
    proxy.down();
    await Promise.all([tells(creator, 'reconnecting'), tells(joiner, 'reconnecting')]);
    const waiting = [say(creator, 'said while away'), say(joiner, 'said too')];
    proxy.up();
    await Promise.all([tells(joiner, 'said while away'), tells(creator, 'said too'), ...waiting]);

    await joiner.reload();
    await until(joiner, () => window.resumed);
    await joiner.evaluate(() => window.channel.send(new Uint8Array([1, 2, 3])));
    await tells(creator, '1,2,3');
    await joiner.evaluate(() => window.channel.close());
    await Promise.all([tells(joiner, 'over'), tells(creator, 'left')]);
    const told = await creator.evaluate(() => window.told);
    assert.deepEqual(told.filter(what => !['paired', 'joined', 'away', 'back', 'left', 'reconnecting', 'open'].includes(what)), ['said too', [1, 2, 3]]);
  });
}
