// What programs in TypeScript write with the library. It is compiled, not run: build/check.js.

import { Channel, ChannelError, createChannel, joinChannel, resumeChannel } from '../channel.js';
import * as transport from '../transport.js';

export async function encrypted(): Promise<void> {
  const channel: Channel = (await resumeChannel({ name: 'mine' })) ?? (await createChannel('https://pair.example', { page: location.href }));
  const link: string | null = channel.link;
  channel.addEventListener('paired', ({ shortString, sender }) => shortString.length + (sender?.ua ?? '').length);
  channel.addEventListener('message', ({ data }) => (typeof data === 'string' ? data.length : data.byteLength));
  channel.addEventListener('refused', ({ reason }) => reason === 'wrong-secret');
  channel.addEventListener('closed', ({ code, reason }) => code + reason.length);
  channel.addEventListener('away', ({ member }) => channel.members.get(member)?.present);
  const target: EventTarget = channel;
  const { seq } = await channel.send(new Uint8Array(channel.maxData));
  channel.addEventListener('delivered', event => event.seq >= seq);
  for await (const { data } of channel) await channel.send(data);
  const end = await channel.close();
  console.log(link, target, end.code, channel.peer, channel.expires, channel.state === 'closed');
}

export async function joining(link: string): Promise<void> {
  try {
    await joinChannel(link, { storage: null, server: 'wss://pair.example', signal: AbortSignal.timeout(1000) });
    // @ts-expect-error: only who creates a channel says how long it may be
    await joinChannel(link, { maxExchanges: 3 });
  } catch (error) {
    if (error instanceof ChannelError && error.reason === 'bad-link') return;
    throw error;
  }
}

export async function wire(): Promise<void> {
  const channel = await transport.createChannel('https://pair.example', { maxExchanges: 10 });
  channel.addEventListener('message', ({ text, from }) => text.length + from);
  // @ts-expect-error: the wire carries text
  await channel.send(new Uint8Array());
  for await (const { text } of channel) await channel.send(text);
}
