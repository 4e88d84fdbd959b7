/**
 * What is around a channel: the storage of its page, and whether the page is asleep or left.
 *
 * @module
 */

/** A page that was hidden for longer, in milliseconds, does not trust its connection. */
const ASLEEP = 20_000;

/** The place in a storage where one channel is saved. Where nothing can be saved, it is always empty. */
export class Slot {
  #storage;
  #name;
  #text = null; // what this object has put there

  /** @param {import('./transport.js').Options} options */
  constructor({ storage, name = 'channel' }) {
    this.#name = name;
    try {
      this.#storage = storage === undefined ? globalThis.sessionStorage : storage;
    } catch {} // a browser that keeps nothing
  }

  /** Returns what is there, or null. */
  read() {
    try {
      return this.#storage?.getItem(this.#name) ?? null;
    } catch {
      return null;
    }
  }

  /** Takes what is there for this object's. */
  claim() {
    this.#text = this.read();
  }

  /** Tells whether nobody else has put something there since. */
  isOurs() {
    return this.read() === this.#text;
  }

  /**
   * Replaces what is there. Without room for it, what was there must not stay: a seat that went on from an older state
   * would send again what was sent.
   */
  write(text) {
    try {
      this.#storage?.setItem(this.#name, text);
      this.claim();
    } catch {
      this.clear();
    }
  }

  /** Removes what this object has put there. */
  clear() {
    if (this.#text !== null && this.isOurs()) this.#storage.removeItem(this.#name);
    this.#text = null;
  }
}

/**
 * Tells what becomes of a page until the signal is aborted: woke(sure), where sure says that connections have probably
 * not outlived it, left() and cameBack().
 *
 * @param {object} [window] what has the events of a window, and a document with its own
 * @param {AbortSignal} signal
 * @param {{woke: (sure: boolean) => void, left: () => void, cameBack: () => void}} on
 */
export function watchPage(window = globalThis, signal, on) {
  const { document } = window;
  const listen = (target, type, listener) => target?.addEventListener?.(type, listener, { signal });
  let since = Date.now(); // when it was hidden
  let away = false;
  listen(window, 'online', () => away || on.woke(true));
  listen(document, 'visibilitychange', () => {
    if (document.visibilityState === 'hidden') since = Date.now();
    else if (!away) on.woke(Date.now() - since > ASLEEP);
  });
  listen(window, 'pagehide', () => {
    away = true;
    on.left();
  });
  listen(window, 'pageshow', () => {
    if (away) on.cameBack();
    away = false;
  });
}
