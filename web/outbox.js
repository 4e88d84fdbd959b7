/**
 * What a member sends, until the server has it.
 *
 * @module
 */

import { ChannelError } from './events.js';

/** Marks a rejection as one that need not be caught. */
export const quiet = promise => {
  promise.catch(() => {});
  return promise;
};

/** Returns why a text need not be sent to a server that takes so many octets, or nothing. */
export function check(text, most) {
  if (typeof text !== 'string') return new TypeError('a message must be a string');
  if (/\p{Surrogate}/u.test(text)) return new ChannelError('bad-payload', 1007, 'half a surrogate pair cannot be sent');
  if (most && new TextEncoder().encode(text).length > most) return new ChannelError('message-too-big', 1009, `a message may have ${most} octets`);
}

/** The messages that wait, in order. One at a time is under way, since an error does not say which message it refuses. */
export class Outbox {
  #n; // of the last message that was given a number
  #busy = false; // the first is under way
  #probing = false; // a probe was not answered yet

  /**
   * @param {number} [stored] the server is known to have all messages through this n
   * @param {{n: number, text: string}[]} [unsent] what waits, as JSON tells it
   */
  constructor(stored = 0, unsent = []) {
    this.stored = stored;
    this.#n = unsent.at(-1)?.n ?? stored;
    this.unsent = unsent;
  }

  /** Adds a message; the promise is that of Channel.send. */
  add(text) {
    const item = { n: ++this.#n, text };
    const promise = new Promise((resolve, reject) => {
      item.drop = error => reject(error, quiet(promise));
      Object.assign(item, { resolve, reject });
    });
    this.unsent.push(item);
    return promise;
  }

  /** Notes that there is a new connection, and what the server has. */
  restart(stored) {
    if (!(stored >= this.stored)) throw new TypeError('messages are forgotten');
    this.stored = stored;
    this.#n = Math.max(this.#n, stored);
    this.#busy = this.#probing = false;
  }

  /** Returns what is to be sent now, if there is anything. What is stored already is only asked for its seq. */
  next() {
    const [item] = this.unsent;
    if (!item || this.#busy) return;
    this.#busy = true;
    return { n: item.n, message: item.n > this.stored ? item.text : '' };
  }

  /** Returns what makes the server answer without any change, unless it is to answer anyway. */
  probe() {
    if (this.#busy || this.#probing) return;
    this.#probing = true;
    return { n: this.stored, message: '' };
  }

  /** Takes in an answer. It tells whether there may be something to be sent. */
  accepted(n, seq) {
    if (n === this.stored) this.#probing = false;
    if (!this.#busy || n !== this.unsent[0].n) return false;
    this.stored = Math.max(this.stored, n);
    this.#busy = false;
    this.unsent.shift().resolve?.({ seq });
    return true;
  }

  /** Takes in an error. It tells whether there may be something to be sent. */
  refused(error) {
    if (this.#probing || !this.#busy) return (this.#probing = false);
    this.#busy = false;
    this.unsent.shift().reject?.(error);
    this.#n--;
    for (const later of this.unsent) later.n--; // its number goes to the next
    return true;
  }

  /** Gives everything up. */
  drop(error) {
    for (const { drop } of this.unsent.splice(0)) drop?.(error);
  }
}
