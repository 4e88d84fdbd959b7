// Two people pair their browsers with the page: one scans what the other shows, they compare the
// short string, and pass texts and files.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { names } from './browsers.js';
import { Device, confirm, meet, options } from './device.js';
import { workshop } from './workshop.js';

const { browser, start, file } = workshop();

for (const creating of names) {
  for (const joining of names) {
    test(`${creating} shows, ${joining} scans`, options, async t => {
      const address = await start(t);
      const creator = await Device.open(t, await browser(creating), address);
      const link = await creator.scan();
      assert.match(link, new RegExp(`^${address}/#[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{64}$`));
      const joiner = await Device.open(t, await browser(joining));
      await meet(creator, joiner, link);
      assert.equal(await joiner.page.evaluate(() => location.hash), '', 'the secret stays in the address bar');
      await confirm(creator, joiner);

      await creator.say('from the one that shows: <b>ünï</b> 🍰');
      await joiner.hears('from the one that shows: <b>ünï</b> 🍰');
      await joiner.say('from the one that scans');
      await creator.hears('from the one that scans');

      const [there, back, empty] = [file(`${creating} & ${joining}.bin`, 300_000), file(`ünï ${creating} ${joining}.png`, 70_001), file('empty', 0)];
      await creator.give(there.path);
      await joiner.give(back.path);
      await joiner.takes(there.name, there.sum);
      await creator.takes(back.name, back.sum);
      await creator.give(empty.path);
      await joiner.takes(empty.name, empty.sum);
      await Promise.all([creator.said(), joiner.said()]);

      await joiner.click('#leave');
      await Promise.all([creator.ended(), joiner.ended()]);
    });
  }
}

test('a link opened in a tab that shows a code of its own', options, async t => {
  const address = await start(t);
  const creator = await Device.open(t, await browser('chromium'), address);
  const joiner = await Device.open(t, await browser('chromium'), address);
  await joiner.at('waiting');
  await meet(creator, joiner, await creator.scan());
  await confirm(creator, joiner);
});
