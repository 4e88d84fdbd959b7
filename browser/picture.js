// Makes docs/pairing.png, the picture that the README opens with, out of a pairing as it happens:
// a computer that shows the QR code, and a phone that has scanned it. `npm run picture`.

import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { Device, meet, options } from './device.js';
import { startProxy } from './proxy.js';
import { workshop } from './workshop.js';

const target = fileURLToPath(new URL('../docs/pairing.png', import.meta.url));
const { browser, start } = workshop();

// Where the two devices are said to be: an address for documentation (RFC 5737), and its place.
const place = { 'X-Forwarded-For': '192.0.2.7', 'X-Client-Geo-Location': 'Östergötland,Linköping' };

// compose is the picture: each screenshot as wide as it was taken, in the frame of its device.
const compose = (computer, phone) => `<!DOCTYPE html><style>
  body { margin: 0; padding: 36px; width: max-content; display: flex; gap: 36px; align-items: center; background: #e9edf2 }
  img { display: block }
  figure { margin: 0; overflow: hidden; background: #fff; border: 1px solid #b8c0ca; box-shadow: 0 1px 3px #0002 }
  .computer { border-radius: 10px }
  .computer::before { content: '● ● ●'; display: block; padding: 7px 12px; font: 11px sans-serif; color: #b8c0ca; background: #f6f8fa }
  .phone { border: 8px solid #222; border-radius: 30px }
</style><body>
  <figure class="computer"><img width="760" src="data:image/png;base64,${computer}"></figure>
  <figure class="phone"><img width="350" src="data:image/png;base64,${phone}"></figure>`;

test('docs/pairing.png', options, async t => {
  const address = await start(t, '--trusted_proxy_list', '127.0.0.1', '--conn_lifespan', '300');
  const proxy = await startProxy(t, address, place);
  const chromium = await browser('chromium');
  const prepare = page => page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  const computer = await Device.open(t, chromium, proxy.address, { prepare, viewport: { width: 760, height: 664, deviceScaleFactor: 2 } });
  const phone = await Device.open(t, chromium, undefined, { prepare, viewport: { width: 350, height: 690, deviceScaleFactor: 2, isMobile: true, hasTouch: true } });
  const link = await computer.scan();
  const first = await computer.page.screenshot({ encoding: 'base64' });
  await meet(computer, phone, link);
  const second = await phone.page.screenshot({ encoding: 'base64' });

  const page = await chromium.newPage();
  await page.setViewport({ width: 1300, height: 800, deviceScaleFactor: 1 });
  await page.setContent(compose(first, second));
  await (await page.$('body')).screenshot({ path: target });
});
