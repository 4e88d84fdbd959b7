// What a person does on one device with the pairing page, and sees there.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';

import { downloads, patience } from './browsers.js';

export const options = { timeout: 5 * patience };

export const sha256 = data => createHash('sha256').update(data).digest('hex');

// Firefox tells of each socket that is lost, or refused, as of an error of the page.
const firefoxTells = /^(Firefox can’t establish a connection|The connection to) /;

// Runs in the page before its own scripts: what the policy kept from happening is said aloud.
function tellViolations() {
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
    console.error(`policy violated: ${violatedDirective} ${blockedURI}`);
  });
}

export class Device {
  // open opens a window, in a context of its own of a browser, until the test t is over, and shows
  // the page at an address there if one is given. What is wrong on any page, whatever the test is
  // about, fails it then.
  static async open(t, browser, address, { viewport = { width: 1000, height: 800 }, prepare } = {}) {
    const context = await browser.createBrowserContext({ downloadBehavior: { policy: 'allow', downloadPath: downloads } });
    const device = new Device(await context.newPage({ type: 'window' }));
    t.after(async () => {
      await context.close();
      assert.deepEqual(device.problems, []);
    });
    await device.page.setViewport(viewport);
    await prepare?.(device.page);
    await device.page.evaluateOnNewDocument(tellViolations);
    if (address) await device.visit(address);
    return device;
  }

  constructor(page) {
    this.page = page;
    this.problems = [];
    page.setDefaultTimeout(patience);
    page.on('request', request => {
      const url = request.url();
      if (!/^(blob|data|about):/.test(url) && new URL(url).origin !== this.origin) this.problems.push(`asked for ${url}`);
    });
    page.on('pageerror', error => {
      if (!firefoxTells.test(error.message)) this.problems.push(`not caught: ${error.stack ?? error}`);
    });
    page.on('console', message => {
      if (/^policy violated|content.security.policy/i.test(message.text())) this.problems.push(message.text());
    });
  }

  async visit(address) {
    this.origin = new URL(address).origin;
    await this.page.goto(address, { waitUntil: 'domcontentloaded' });
  }

  async reload() {
    await this.page.reload({ waitUntil: 'domcontentloaded' });
  }

  // until waits for a function of the page to be true there.
  async until(what, test, ...args) {
    try {
      await this.page.waitForFunction(test, { polling: 100 }, ...args);
    } catch (error) {
      const seen = await this.page.evaluate(() => JSON.stringify({ ...document.body?.dataset, text: document.body?.innerText })).catch(String);
      throw new Error(`waited for ${what} in vain; the page is at ${seen}`, { cause: error });
    }
  }

  // at waits for one of some states.
  at(...states) {
    return this.until(states.join(' or '), states => states.includes(document.body.dataset.state), states);
  }

  // ended waits for the end of the pairing, and returns the reason.
  async ended() {
    await this.at('closed');
    return this.page.evaluate(() => document.body.dataset.reason);
  }

  line(line) {
    return this.until(`the line to be ${line}`, line => document.body.dataset.line === line, line);
  }

  // scan returns what the QR code says, as a camera would see it.
  async scan() {
    await this.at('waiting');
    const { data, width, height } = PNG.sync.read(Buffer.from(await this.page.screenshot()));
    const code = jsQR(new Uint8ClampedArray(data), width, height);
    assert(code, 'no QR code can be read on the screen');
    return code.data;
  }

  code() {
    return this.page.$eval('#code', code => code.textContent.trim());
  }

  // shown returns the text that is to be seen.
  shown() {
    return this.page.evaluate(() => document.body.innerText);
  }

  // click presses a button as soon as a mouse could. It is looked for and pressed at once: in between,
  // what arrives could put something else below the mouse.
  click(selector) {
    return this.until(`${selector} to be pressed`, selector => {
      const button = document.querySelector(selector);
      if (!button) return false;
      button.scrollIntoView({ block: 'center', behavior: 'instant' });
      const { left, top, width, height } = button.getBoundingClientRect();
      const seen = document.elementFromPoint(left + width / 2, top + height / 2);
      if (button.disabled || !button.contains(seen)) return false;
      button.click();
      return true;
    }, selector);
  }

  // tabTo goes on to an element with the Tab key, as often as needed; back, with Shift.
  async tabTo(selector, { back = false } = {}) {
    const { keyboard } = this.page;
    await this.page.bringToFront();
    const passed = [];
    while (!await this.page.evaluate(selector => document.activeElement.matches(selector), selector)) {
      passed.push(await this.page.evaluate(() => document.activeElement.id || document.activeElement.tagName));
      assert(passed.length < 50, `the Tab key does not lead to ${selector}, but to ${passed}`);
      if (back) await keyboard.down('Shift');
      await keyboard.press('Tab');
      if (back) await keyboard.up('Shift');
    }
  }

  async say(text) {
    const input = await this.page.waitForSelector('#text', { visible: true });
    await input.type(text);
    await this.click('#send');
  }

  // hears waits for a text of the other side.
  hears(text) {
    return this.until(`the text ${text}`, text => [...document.querySelectorAll('.item[data-from=peer][data-kind=text]')]
      .some(item => item.textContent.includes(text)), text);
  }

  // said waits until all that this side sent has arrived.
  said() {
    return this.until('all to be sent', () => [...document.querySelectorAll('.item[data-from=me]')]
      .every(item => item.dataset.state === 'done'));
  }

  // items returns what a side said, in order, as far as a pattern finds it.
  items(from, pattern) {
    return this.page.$$eval(`.item[data-from=${from}]`, items => items.map(item => item.textContent))
      .then(texts => texts.join('\n').match(pattern) ?? []);
  }

  async give(path) {
    const input = await this.page.waitForSelector('#file');
    await input.uploadFile(path);
  }

  // takes waits for a file with a name and saves it, as a person would. It is there when the file
  // that the browser has written has the right sum; a wrong one is waited for in vain.
  async takes(name, sum) {
    await this.until(`the file ${name}`, name => [...document.querySelectorAll('.item[data-from=peer][data-state=done] a[download]')]
      .some(link => link.download === name), name);
    const link = await this.page.evaluateHandle(name => [...document.querySelectorAll('.item[data-from=peer] a[download]')]
      .findLast(link => link.download === name), name);
    await link.evaluate(link => link.click());
    await eventually(`${name} to be saved`, () => readdirSync(downloads).some(file => has(join(downloads, file), sum)));
  }
}

// has tells whether there is a file with a sum. What a browser has not yet written to the end may be gone
// when it is looked at.
export function has(path, sum) {
  try {
    return sha256(readFileSync(path)) === sum;
  } catch {
    return false;
  }
}

// eventually waits for something to be true outside of the page.
export async function eventually(what, test) {
  const hung = AbortSignal.timeout(patience);
  for await (const _ of setInterval(50)) {
    if (await test()) return;
    if (hung.aborted) throw new Error(`waited for ${what} in vain`);
  }
}

// meet lets the second device open the link of the first, and returns when each asks its person
// to compare the short strings, and they are the same.
export async function meet(creator, joiner, link) {
  await joiner.visit(link);
  await Promise.all([creator.at('confirm'), joiner.at('confirm')]);
  const codes = await Promise.all([creator.code(), joiner.code()]);
  assert.match(codes[0], /^\d{3} \d{3}$/);
  assert.equal(codes[0], codes[1]);
}

export async function confirm(...devices) {
  await Promise.all(devices.map(device => device.click('#confirm')));
  await Promise.all(devices.map(device => device.at('paired')));
}
