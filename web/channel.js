/**
 * Pairs two devices through a channelserver, which cannot read what they say (docs/encryption.md).
 *
 *     const channel = await createChannel('https://pair.example');
 *     // show channel.link to the other device, as a QR code for example; it calls joinChannel(link)
 *     channel.addEventListener('paired', ({ shortString }) => ...); // let people compare it
 *     channel.addEventListener('message', ({ data }) => ...);
 *     await channel.send('hello');
 *
 * A channel goes on by itself after sleep, loss of the network and, by resumeChannel, a reload of the page.
 *
 * @module
 */

import { contentOf, maxDataOf, Pairing, parseLink } from './seal.js';
import {
  Channel as Seat, ChannelError, ChannelEvent, createChannel as createSeat, joinChannel as joinSeat, resumeChannel as resumeSeat,
} from './transport.js';

export { ChannelError, ChannelEvent };

/** How many messages a channel is to carry. A file takes many. */
const MAX_EXCHANGES = 1000;
/** What a server takes by default, where it does not tell. */
const MAX_MESSAGE_SIZE = 65536;
/** How many answers to whoever is in the channel may wait to be sent. */
const MAX_ANSWERS = 16;

/**
 * Mints a channel and waits in it for another device.
 *
 * @param {string | URL} server http(s) or ws(s) URL of the server
 * @param {import('./channel.js').CreateOptions} [options]
 * @returns {Promise<Channel>} rejected with a ChannelError, or with the signal's reason
 */
export async function createChannel(server, options = {}) {
  checkContext();
  const page = new URL(options.page ?? server, globalThis.location?.href);
  page.protocol = page.protocol.replace('ws', 'http');
  page.hash = '';
  const pairing = await Pairing.create();
  pairing.state.page = page.href;
  return createSeat(server, { maxExchanges: MAX_EXCHANGES, ...options, Channel, pairing });
}

/**
 * Joins the channel of a link and pairs with its creator. "paired" tells when that is done.
 *
 * @param {string | URL} link of a Channel that was created
 * @param {import('./channel.js').JoinOptions} [options]
 * @returns {Promise<Channel>} rejected with a ChannelError, of the reason "bad-link" if it is no such link, or
 *   with the signal's reason
 */
export async function joinChannel(link, options = {}) {
  checkContext();
  const parts = parseLink(String(link));
  if (!parts) throw new ChannelError('bad-link', undefined, 'a link ends in #, 22 characters, a dot and 64 characters');
  const { server, id } = parts;
  return joinSeat({ server: options.server ?? server, id }, { ...options, Channel, pairing: Pairing.join(parts) });
}

/**
 * Goes on with the channel that the page had before it was reloaded, be it paired or not.
 *
 * @param {import('./channel.js').Options} [options] the storage and name that it was opened with
 * @returns {Promise<Channel | null>} null when there is nothing to go on with; rejected with a ChannelError when
 *   the channel is gone, or with the signal's reason
 */
export async function resumeChannel(options = {}) {
  checkContext();
  try {
    return await resumeSeat({ ...options, Channel, pairing: undefined });
  } catch (error) {
    if (error === notOurs) return null;
    throw error;
  }
}

// The saved seat is one of transport.js alone.
const notOurs = new ChannelError('not-encrypted');

/** Browsers encrypt only for pages that nobody could have changed on the way. */
function checkContext() {
  if (!globalThis.crypto?.subtle) throw new ChannelError('insecure-context', undefined, 'encryption needs https, or localhost');
}

/**
 * A seat in a channel from which this device is paired with another. It is made by createChannel, joinChannel
 * and resumeChannel. Events, beside those of transport.js:
 *   paired   {shortString, sender, from}: both devices have their keys. Let people compare shortString on both
 *   message  {data, sender, from, seq}: a string or a Uint8Array, as the other device sent it
 *   refused  {reason, sender, from}: for the creator; somebody came with a wrong secret, or when it was paired
 *   closed   also for wrong-secret, already-paired and messages-missing, with the code 0
 */
export class Channel extends Seat {
  #pairing;
  #sealing = Promise.resolve(); // done when what was sent before is sealed
  #answers = 0; // that wait to be sent

  /** @param {import('./channel.js').Options} options */
  constructor(options) {
    super(options);
    this.#pairing = options.pairing;
  }

  /** Whether both devices have their keys. Only then can messages be sent. */
  get paired() {
    return this.#pairing.state.paired === true;
  }

  /** Six digits, such as "123 456", that are the same on both devices and on no others; null before they are paired. */
  get shortString() {
    return this.paired ? this.#pairing.state.short : null;
  }

  /** The member that the other device is; null before they are paired, 0 in version 1. */
  get peer() {
    return this.paired ? this.#pairing.state.peer : null;
  }

  /** The link to show to the other device, and to nobody else; null on the side that joined. */
  get link() {
    const { page, id, secret } = this.#pairing.state;
    return page ? `${page}#${id}.${secret}` : null;
  }

  /** How many octets of data fit in one message; a text counts in UTF-8. */
  get maxData() {
    return maxDataOf(this.limits.max_message_size || MAX_MESSAGE_SIZE);
  }

  /**
   * Sends a text or octets to the other device. Messages arrive in the order of the calls.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} data
   * @returns {Promise<{seq: number}>} the message's number in the channel, when the server has it; 0 in version
   *   1. Rejected with a ChannelError when it cannot be sent: "not-paired", "message-too-big", or the reason for
   *   which the channel was closed, which need not be caught
   */
  send(data) {
    let content;
    try {
      content = this.#check(data);
    } catch (error) {
      return Promise.reject(error);
    }
    const handed = this.#sealing.then(async () => {
      const text = await this.#pairing.seal(content);
      this.#pairing.state.out++;
      return { sent: super.send(text) }; // which the next message does not wait for
    });
    this.#sealing = handed.then(() => {}, () => {});
    const sent = handed.then(({ sent }) => sent);
    sent.catch(() => {});
    return sent;
  }

  /** Returns what is to be sealed for data. */
  #check(data) {
    if (!this.paired) throw new ChannelError('not-paired');
    if (typeof data === 'string' && /\p{Surrogate}/u.test(data)) throw new ChannelError('bad-payload', 1007, 'half a surrogate pair cannot be sent');
    const content = contentOf(data);
    if (content.length - 1 > this.maxData) throw new ChannelError('message-too-big', 1009, `a message may have ${this.maxData} octets`);
    return content;
  }

  /** As in transport.js. */
  async close() {
    await this.#sealing;
    return super.close();
  }

  /** As in transport.js. */
  async end() {
    await this.#sealing;
    return super.end();
  }

  /** @protected */
  begin() {
    const { state } = this.#pairing ??= new Pairing(this.extra);
    if (this.extra) {
      if (this.extra.id !== this.id) throw notOurs;
      return;
    }
    if (!state) throw notOurs;
    state.id = this.id;
    this.extra = state;
    // In version 1 nothing is kept for who comes later: the joiner asks.
    if (state.creator === (this.version === 2)) this.#answer(this.#pairing.first());
  }

  /** @protected */
  async receive({ text, from, sender, seq }) {
    const { state } = this.#pairing;
    const { reply, paired, refused, end, next, data } = await this.#pairing.receive(text, from);
    if (end) return this.fail(end);
    if (reply && (paired || this.#answers < MAX_ANSWERS)) this.#answer(reply);
    if (paired) await this.deliver(new ChannelEvent('paired', { shortString: state.short, sender, from }));
    if (refused) await this.deliver(new ChannelEvent('refused', { reason: refused, sender, from }));
    if (data !== undefined) await this.deliver(new ChannelEvent('message', { data, sender, from, seq }));
    if (next) state.in++;
  }

  /** Sends what belongs to the pairing. Without that it is not possible. */
  #answer(text) {
    this.#answers++;
    super.send(text).then(() => this.#answers--, error => this.fail(error.reason));
  }
}
