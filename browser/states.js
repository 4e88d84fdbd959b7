// A whole pairing, step by step, for whatever is to be looked at in each.

import { confirm, meet, Device } from './device.js';

// states pairs two devices, opened as told, and yields the name of each state with the devices that
// are in it.
export async function* states(t, browser, address, options, file) {
  const creator = await Device.open(t, browser, address, options);
  const link = await creator.scan();
  yield ['waiting', [creator]];
  const joiner = await Device.open(t, browser, undefined, options);
  await meet(creator, joiner, link);
  yield ['confirm', [creator, joiner]];
  await creator.click('#confirm');
  yield ['confirmed on this side', [creator]];
  await confirm(joiner);
  await creator.at('paired');
  yield ['paired', [creator, joiner]];
  await creator.say('The tickets: https://tickets.example/order/7f3c-19aa-4b1e-a-path-that-is-quite-long-without-a-break-in-it');
  await joiner.say('Got them, thank you!');
  await creator.give(file.path);
  await joiner.takes(file.name, file.sum);
  await creator.said();
  yield ['paired, after some words', [creator, joiner]];
  await joiner.click('#leave');
  await Promise.all([creator.ended(), joiner.ended()]);
  yield ['closed', [creator, joiner]];
}
