// The page for everybody: on a phone, in the dark, with a keyboard or a screen reader, in the reader's
// language; and for the operator: nothing is asked of anybody else, and without the page there is none.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { names } from './browsers.js';
import { Device, confirm, meet, options } from './device.js';
import { startProxy } from './proxy.js';
import { states } from './states.js';
import { workshop } from './workshop.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { browser, start, file } = workshop();

for (const scheme of ['light', 'dark']) {
  test(`axe finds nothing in any state, ${scheme}`, options, async t => {
    const address = await start(t);
    const prepare = page => page.emulateMediaFeatures([
      { name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' },
    ]);
    for await (const [state, devices] of states(t, await browser('chromium'), address, { prepare }, file(`${scheme}.bin`, 20_000))) {
      for (const { page } of devices) {
        await page.evaluate(axe);
        const { violations, passes } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => [state, id, nodes.map(({ html, failureSummary }) => [html, failureSummary])]), []);
        assert(passes.some(({ id }) => id === 'color-contrast'), 'no colours were looked at');
      }
    }
  });
}

for (const name of names) {
  test(`${name}: a small phone shows every state without scrolling sideways`, options, async t => {
    const address = await start(t);
    const viewport = { width: 320, height: 568 };
    for await (const [state, devices] of states(t, await browser(name), address, { viewport }, file(`phone ${name}.bin`, 20_000))) {
      for (const { page } of devices) {
        const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert(width <= room, `${state}: ${width} pixels wide in ${room}`);
      }
    }
  });

  test(`${name}: two people pair with the keyboard alone`, options, async t => {
    const address = await start(t);
    const creator = await Device.open(t, await browser(name), address);
    const joiner = await Device.open(t, await browser(name));
    await meet(creator, joiner, await creator.scan());
    for (const device of [creator, joiner]) {
      await device.tabTo('#confirm');
      await device.page.keyboard.press('Enter');
    }
    for (const device of [creator, joiner]) {
      await device.at('paired');
      await device.tabTo('#text');
      await device.page.keyboard.type('typed');
      await device.page.keyboard.press('Enter');
    }
    await Promise.all([creator.hears('typed'), joiner.hears('typed')]);
    await joiner.tabTo('#leave', { back: true });
    await joiner.page.keyboard.press(' ');
    await Promise.all([creator.ended(), joiner.ended()]);
    await joiner.tabTo('#again');
    await joiner.page.keyboard.press('Enter');
    await joiner.at('waiting');
  });
}

for (const [name, language] of [['chromium', 'de'], ['chromium', 'es'], ['chromium', 'fr'], ['chromium', 'ja'], ['firefox', 'ja']]) {
  test(`${name} in ${language}`, options, async t => {
    const address = await start(t);
    const { default: words } = await import(`../web/page/words/${language}.js`);
    const said = {
      waiting: ['waiting-title', 'waiting-link', 'promise'], confirm: ['confirm-title', 'confirm-yes', 'confirm-no'],
      paired: ['leave', 'empty-title'], closed: ['new-pairing'],
    };
    for await (const [state, devices] of states(t, await browser(name, language), address, {}, file(`${language} ${name}.bin`, 10))) {
      for (const device of devices) {
        assert.equal(await device.page.evaluate(() => document.documentElement.lang), language);
        const text = await device.shown();
        for (const key of said[state] ?? []) assert(text.includes(words[key]), `${state}: ${words[key]} is not in ${text}`);
      }
    }
  });
}

test('each is told who the other is, and where', options, async t => {
  const proxy = await startProxy(t, await start(t, '--trusted_proxy_list', '127.0.0.1'), { 'X-Forwarded-For': '192.0.2.7', 'X-Client-Geo-Location': 'Bavaria,Munich' });
  const creator = await Device.open(t, await browser('chromium'), proxy.address);
  const joiner = await Device.open(t, await browser('firefox'));
  await meet(creator, joiner, await creator.scan());
  const peers = await Promise.all([creator, joiner].map(device => device.page.$eval('#peer', peer => peer.innerText)));
  for (const [i, other] of ['Firefox', 'Chrome'].entries()) {
    for (const words of [other, 'Linux', 'Munich', 'Bavaria', '192.0.2.7']) assert(peers[i].includes(words), `${words} is not in ${peers[i]}`);
  }
});

test('the page is a single request, to the server, and its socket another', options, async t => {
  const address = await start(t);
  const asked = [];
  const prepare = async page => {
    const session = await page.createCDPSession();
    await session.send('Network.enable');
    session.on('Network.requestWillBeSent', ({ request }) => asked.push(request.url));
    session.on('Network.webSocketCreated', ({ url }) => asked.push(url));
  };
  const creator = await Device.open(t, await browser('chromium'), address, { prepare });
  const joiner = await Device.open(t, await browser('chromium'));
  await meet(creator, joiner, await creator.scan());
  await confirm(creator, joiner);
  assert.deepEqual(asked.filter(url => !url.startsWith('about:')), [`${address}/`, `${address}/v2/ws/`.replace('http', 'ws')]);
});

test('the policy lets no other script run, and nothing be asked elsewhere', options, async t => {
  const address = await start(t);
  const device = await Device.open(t, await browser('chromium'), address);
  await device.at('waiting');
  const violated = await device.page.evaluate(async () => {
    const next = () => new Promise(resolve => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective), { once: true });
    });
    const kept = [next()];
    try {
      document.body.append(Object.assign(document.createElement('script'), { text: 'window.injected = true' }));
    } catch {} // Trusted Types
    await kept[0];
    kept.push(next());
    await fetch('https://elsewhere.example/').catch(() => {});
    await kept[1];
    kept.push(next());
    new Image().src = 'https://elsewhere.example/';
    return Promise.all(kept);
  });
  assert.deepEqual(violated, ['require-trusted-types-for', 'connect-src', 'img-src']);
  assert.equal(await device.page.evaluate(() => window.injected), undefined);
  device.problems.length = 0; // they were wanted
});

test('without the page there is nothing', options, async t => {
  const address = await start(t, '--page=false');
  const response = await fetch(`${address}/`);
  assert.equal(response.status, 404);
});
