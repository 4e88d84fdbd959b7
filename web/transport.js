/**
 * The wire of channelserver (docs/protocol.md) for browsers and other JavaScript: a channel whose connection
 * is replaced whenever it breaks, over sleep, change of network and reload. What goes through it is text, and
 * the server can read it: channel.js adds encryption.
 *
 *     const channel = await createChannel('https://channels.example');
 *     // show channel.url to the other device, which calls joinChannel(url)
 *     channel.addEventListener('message', ({ text, sender }) => ...);
 *     await channel.send('hello');
 *
 * In version 2 each message is stored once, and received once and in order, however often the connection
 * breaks. A server that does not know version 2, such as Mozilla's, is spoken to in version 1: there a lost
 * connection is the end, send() tells no more than that the message is on its way, and the only events are
 * "message" and "closed".
 *
 * For a layer above, such as encryption: extend Channel, pass the class as options.Channel, and override
 * begin() and receive(); extra, save(), deliver() and fail() are for it as well.
 *
 * @module
 */

import { ID } from './connection.js';
import { ChannelError, ChannelEvent } from './events.js';
import { Channel } from './seat.js';
import { Slot } from './surroundings.js';

export { Channel, ChannelError, ChannelEvent };

/**
 * Mints a channel and takes its first seat. It tries once.
 *
 * @param {string | URL} server http(s) or ws(s) URL of the server, with the path before /v2/ if there is one
 * @param {import('./transport.js').Options} [options]
 * @returns {Promise<Channel>} rejected with a ChannelError, or with the signal's reason
 */
export async function createChannel(server, options = {}) {
  const [base, id] = parse(server);
  if (id) throw new TypeError(`"${server}" is the URL of a channel: joinChannel joins it`);
  return (options.Channel ?? Channel).open(options, { server: base, id: '' });
}

/**
 * Takes a seat in a channel. It tries once, since an answer that is lost may have taken a seat.
 *
 * @param {string | URL | { server: string | URL, id: string }} link the url of a Channel, or its server and id;
 *   the version in it does not matter
 * @param {import('./transport.js').Options} [options]
 * @returns {Promise<Channel>} rejected with a ChannelError, or with the signal's reason
 */
export async function joinChannel(link, options = {}) {
  let [base, id] = parse(link.server ?? link);
  id = link.id ?? id;
  if (!ID.test(id)) throw new ChannelError('bad-channel-id', 4001);
  return (options.Channel ?? Channel).open(options, { server: base, id });
}

/**
 * Goes on with the seat that the page had before it was reloaded. It tries until it is known what has become
 * of the seat, or the signal is aborted: then the seat stays, and it can be called again.
 *
 * @param {import('./transport.js').Options} [options] the storage and name that the seat was opened with
 * @returns {Promise<Channel | null>} null when there is nothing to go on with; rejected with a ChannelError when
 *   the seat is gone, or with the signal's reason
 */
export async function resumeChannel(options = {}) {
  const slot = new Slot(options);
  let saved;
  try {
    saved = JSON.parse(slot.read());
    if (saved.v !== 1 || !ID.test(saved.id) || !saved.token || saved.expires && saved.expires <= Date.now()) return null;
    [saved.server] = parse(saved.server);
  } catch {
    return null;
  }
  return (options.Channel ?? Channel).open(options, saved);
}

/** Splits a URL at the last place that names a version, into the ws URL of the server and the channel's id. */
function parse(text) {
  const url = new URL(text, globalThis.location?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  if (!/^wss?:$/.test(url.protocol) || url.username || url.password || url.hash) {
    throw new TypeError(`"${text}" must be an http(s) or ws(s) URL without user and fragment`);
  }
  const [, path, id = ''] = /^(.*)\/v[12]\/ws(?:\/(.*))?$/s.exec(url.pathname) ?? [, url.pathname];
  url.pathname = path.replace(/\/+$/, '');
  return [url.href, id];
}
