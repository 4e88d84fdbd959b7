// The encryption of a channel, without the channel: what docs/encryption.md describes, to the octet.
// Nothing here knows the network; channel.js carries the texts.

import { CipherSuite, HkdfSha256, XWing } from './hpke.js';

// Types of messages, the first octet of each.
const KEY = 1, OPEN = 2, SEALED = 3, REFUSED = 4, ASK = 5, READY = 6;

// Octets of each part of a message.
const PUBLIC_KEY = 1216, COMMITMENT = 32, REVEAL = 32, ENC = 1120, HASH = 16, SEQ = 8, NONCE = 12, TAG = 16;

const REFUSALS = [, 'wrong-secret', 'already-paired'];

/** Octets that a sealed message has besides the data: type, sequence number, nonce, tag and kind of data. */
const OVERHEAD = 1 + SEQ + NONCE + TAG + 1;

const utf8 = text => new TextEncoder().encode(text);
const random = length => crypto.getRandomValues(new Uint8Array(length));
const sha256 = async octets => new Uint8Array(await crypto.subtle.digest('SHA-256', octets));
const hash = async octets => (await sha256(octets)).subarray(0, HASH);

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Writes octets as base64url without padding. */
export function encode(octets) {
  let text = '';
  for (let at = 0; at < octets.length; at += 4096) { // as many arguments as any engine takes
    text += String.fromCharCode(...octets.subarray(at, at + 4096));
  }
  return btoa(text).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
}

/** Reads base64url without padding; null for whatever encode does not write. */
export function decode(text) {
  try {
    const octets = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), each => each.charCodeAt());
    return encode(octets) === text ? octets : null;
  } catch {
    return null;
  }
}

/** How much data fits in one message of maxMessageSize octets. */
export const maxDataOf = maxMessageSize => Math.floor(maxMessageSize * 3 / 4) - OVERHEAD;

/**
 * Takes the link apart that a creator shows: `<URL of the page>#<channel id>.<secret>`.
 * Returns null if it is none.
 */
export function parseLink(link) {
  const [, server, id, secret] = /^(https?:\/\/[^#]+)#([\w-]{21}[AQgw])\.([\w-]{64})$/.exec(link) ?? [];
  try {
    const { username, password } = new URL(server);
    return username || password ? null : { server, id, secret };
  } catch {
    return null;
  }
}

// AES-256-GCM is named for the key schedule (RFC 9180 section 5.1) only: HPKE seals nothing here.
const aead = { id: 2, keySize: 32, nonceSize: 12, tagSize: 16 };
const suite = () => new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead });

const context = (id, psk) => ({
  info: utf8(`channelserver pairing 1\0${id}`),
  psk: { id: utf8(id), key: psk },
});

// What both sides derive from their HPKE context, in the form that is saved.
async function exported(from) {
  const key = async label => encode(new Uint8Array(await from.export(utf8(label), 32)));
  return { toJoiner: await key('creator to joiner'), toCreator: await key('joiner to creator'), shortKey: await key('short string') };
}

// Has the platform make something of octets with a key in that form.
async function made(use, algorithm, key, octets) {
  const imported = await crypto.subtle.importKey('raw', decode(key), algorithm, false, [use]);
  return new Uint8Array(await crypto.subtle[use](algorithm, imported, octets));
}

/**
 * Returns the six digits. They take what the creator reveals last: nobody who chooses an enc knows which digits come of
 * it (docs/encryption.md section 8).
 */
async function shortOf(shortKey, reveal) {
  const mac = await made('sign', { name: 'HMAC', hash: 'SHA-256' }, shortKey, reveal);
  const number = new DataView(mac.buffer).getBigUint64(0);
  return String(number % 1000000n).padStart(6, '0').replace(/.../, '$& ');
}

/** Returns the public key, 1216 octets, of a secret key of 32. */
async function publicKey(sk) {
  const { kem } = suite();
  const pair = await kem.generateKeyPairDerand(sk);
  return new Uint8Array(await kem.serializePublicKey(pair.publicKey));
}

/** Derives what the joiner shares with the creator whose public key is pk. */
async function deriveAsJoiner(id, psk, pk) {
  const hpke = suite();
  const recipientPublicKey = await hpke.kem.deserializePublicKey(pk);
  const sender = await hpke.createSenderContext({ ...context(id, psk), recipientPublicKey });
  return { enc: new Uint8Array(sender.enc), ...await exported(sender) };
}

/** Derives what the creator, whose secret key is sk, shares with the joiner that sent enc. */
async function deriveAsCreator(id, psk, sk, enc) {
  const hpke = suite();
  const recipientKey = await hpke.kem.deserializePrivateKey(sk);
  return exported(await hpke.createRecipientContext({ ...context(id, psk), recipientKey, enc }));
}

/** Seals content into a message: head, nonce, and what AES-256-GCM makes of the content with head as associated data. */
async function sealed(key, head, content) {
  const nonce = random(NONCE);
  const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: head };
  return concat(head, nonce, await made('encrypt', algorithm, key, content));
}

/** Opens a message whose head has that many octets; null if it is not whole or not of that key. */
async function opened(key, headLength, message) {
  const iv = message.subarray(headLength, headLength + NONCE);
  const algorithm = { name: 'AES-GCM', iv, additionalData: message.subarray(0, headLength) };
  try {
    return await made('decrypt', algorithm, key, message.subarray(headLength + NONCE));
  } catch {
    return null;
  }
}

/** What is sealed for a text, or for octets, which may be changed afterwards. */
export function contentOf(data) {
  if (typeof data === 'string') return concat([0], utf8(data));
  if (ArrayBuffer.isView(data)) return concat([1], new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (data instanceof ArrayBuffer) return concat([1], new Uint8Array(data));
  throw new TypeError('a message must be a string, an ArrayBuffer or a view of one');
}

/** The message `sealed`. */
function sealedMessage(key, seq, content) {
  const head = new DataView(new ArrayBuffer(1 + SEQ));
  head.setUint8(0, SEALED);
  head.setBigUint64(1, BigInt(seq));
  return sealed(key, new Uint8Array(head.buffer), content);
}

/**
 * One side of a pairing. Its state is plain JSON for the caller to save, and all there is to be saved. Only one
 * call of receive may run at a time, and one of seal beside it.
 */
export class Pairing {
  /**
   * State: creator, which side; id, of the channel; out and in, the sequence numbers of the last messages
   * that went and came. Of the creator secret, for the link, key, its public key and commitment, and reveal, what it has
   * committed to; of both psk, of the creator sk, and of the joiner hash, that of the key to come, for as long as they
   * are needed. From then on toJoiner, toCreator, and tag, the hash of the joiner's enc; of the joiner commitment
   * and shortKey until it is told what is revealed. With paired: short, and peer, the member at the other side.
   */
  constructor(state) {
    this.state = state;
  }

  /** Begins as the creator. The state lacks the id until there is a channel. */
  static async create() {
    const sk = random(32);
    const psk = random(32);
    const reveal = random(REVEAL);
    const key = concat(await publicKey(sk), await sha256(reveal));
    const secret = encode(concat(psk, await hash(key)));
    return new Pairing({
      creator: true, secret, key: encode(key), reveal: encode(reveal), sk: encode(sk), psk: encode(psk), out: 0, in: 0,
    });
  }

  /** Begins as the one who was given the link. */
  static join({ id, secret }) {
    const octets = decode(secret);
    return new Pairing({ creator: false, id, psk: encode(octets.subarray(0, 32)), hash: encode(octets.subarray(32)), out: 0, in: 0 });
  }

  /** What to say first: the creator's key; or the joiner's question for it, where nothing is kept. */
  first() {
    return encode(this.state.creator ? concat([KEY], decode(this.state.key)) : concat([ASK]));
  }

  /**
   * Takes in a message. Whatever it is, this does not throw. What comes of it: `reply`, to be sent; `paired`:
   * both sides have their keys; `refused`: why the creator turned somebody away; `end`: why this cannot go
   * on; `next`: it is the next of the other side, for which the caller adds to `state.in` when it has been
   * processed; with `data`, a text or octets, unless it is of a kind that is not known.
   */
  async receive(text, from) {
    const octets = decode(text);
    const { state } = this;
    // The creator of a channel is member 1; version 1 of the wire does not tell.
    if (!octets || !state.creator && from && from !== 1) return {};
    const length = octets.length;
    switch (octets[0]) {
      case KEY:
        return !state.creator && !state.tag && length === 1 + PUBLIC_KEY + COMMITMENT ? this.#key(octets) : {};
      case OPEN:
        return state.creator && length === 1 + ENC + NONCE + TAG ? this.#open(octets, from) : {};
      case SEALED:
        return state.paired && from === state.peer ? this.#sealed(octets) : {};
      case REFUSED:
        return this.#expects(octets, 2) && length === 2 + HASH && REFUSALS[octets[1]] ? { end: REFUSALS[octets[1]] } : {};
      case ASK:
        return state.creator && length === 1 ? { reply: this.first() } : {};
      case READY:
        return this.#expects(octets, 1) && length === 1 + HASH + NONCE + REVEAL + TAG ? this.#ready(octets, from) : {};
    }
    return {};
  }

  /** Seals content as the next message. The caller adds to `state.out` when it is on its way. */
  async seal(content) {
    return encode(await sealedMessage(this.#outKey, this.state.out + 1, content));
  }

  get #outKey() { return this.state.creator ? this.state.toJoiner : this.state.toCreator; }
  get #inKey() { return this.state.creator ? this.state.toCreator : this.state.toJoiner; }

  // Whether a message answers the joiner's own open.
  #expects(octets, at) {
    const { tag, paired, creator } = this.state;
    return !creator && !paired && tag && encode(octets.subarray(at, at + HASH)) === tag;
  }

  async #key(octets) {
    const { state } = this;
    const key = octets.subarray(1);
    const derived = encode(await hash(key)) === state.hash &&
      await deriveAsJoiner(state.id, decode(state.psk), key.subarray(0, PUBLIC_KEY)).catch(() => null);
    if (!derived) return { end: 'wrong-secret' }; // it is not the key named by the link, or that is no key
    const { enc, ...keys } = derived;
    const reply = encode(await sealed(keys.toCreator, concat([OPEN], enc), new Uint8Array()));
    const tag = encode(await hash(enc));
    delete state.psk;
    delete state.hash;
    Object.assign(state, keys, { tag, commitment: encode(key.subarray(PUBLIC_KEY)) });
    return { reply };
  }

  async #open(octets, from) {
    const { state } = this;
    const enc = octets.subarray(1, 1 + ENC);
    const tag = await hash(enc);
    const refuse = why => ({ refused: REFUSALS[why], reply: encode(concat([REFUSED, why], tag)) });
    if (state.paired) return encode(tag) === state.tag ? { reply: await this.#readyMessage(state) } : refuse(2);
    const keys = await deriveAsCreator(state.id, decode(state.psk), decode(state.sk), enc).catch(() => null);
    if (!keys || !await opened(keys.toCreator, 1 + ENC, octets)) return refuse(1); // the former: no encapsulation at all
    const { shortKey, ...sealing } = keys;
    const short = await shortOf(shortKey, decode(state.reveal));
    const next = { ...sealing, short, tag: encode(tag), peer: from, paired: true };
    const reply = await this.#readyMessage(next);
    delete state.sk; // what was recorded on the way cannot be read with what is left
    delete state.psk;
    Object.assign(state, next);
    return { reply, paired: true };
  }

  // The first message that depends on what was committed to, but for the commitment.
  async #readyMessage({ toJoiner, tag }) {
    return encode(await sealed(toJoiner, concat([READY], decode(tag)), decode(this.state.reveal)));
  }

  async #ready(octets, from) {
    const { state } = this;
    const reveal = await opened(this.#inKey, 1 + HASH, octets);
    if (!reveal) return {};
    // A creator that reveals something else has chosen it when it knew enc, to have the digits that it wants.
    if (encode(await sha256(reveal)) !== state.commitment) return { end: 'wrong-secret' };
    const short = await shortOf(state.shortKey, reveal);
    delete state.shortKey;
    delete state.commitment;
    Object.assign(state, { short, peer: from, paired: true });
    return { paired: true };
  }

  async #sealed(octets) {
    const { state } = this;
    const content = await opened(this.#inKey, 1 + SEQ, octets);
    if (!content) return {};
    const seq = new DataView(octets.buffer).getBigUint64(1);
    const expected = BigInt(state.in + 1);
    if (seq > expected) return { end: 'messages-missing' };
    if (seq < expected) return {};
    const data = content.slice(1);
    if (content[0] === 1) return { next: true, data };
    try {
      if (content[0] === 0) return { next: true, data: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data) };
    } catch { /* not UTF-8 */ }
    return { next: true };
  }
}
