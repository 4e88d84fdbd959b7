/** Files in pieces: what a sender cuts and a receiver puts together (docs/pairing.md). */

/** The largest file that is passed, in octets: 10 MiB. */
export const MAX_FILE = 10 * 1024 * 1024;

const MAX_NAME = 255;

/** What a file is called when nothing usable is left of its name. */
export const NO_NAME = 'file';

const encoder = new TextEncoder();

/**
 * Makes a name harmless that somebody else has chosen: its last path element, without control characters and
 * without those that change the direction of text ("gpj.exe" would be read as "exe.jpg"), of at most 255 octets of
 * UTF-8, with its ending kept.
 * @param {unknown} name
 * @returns {string} never empty
 */
export function cleanName(name) {
  const plain = String(name ?? '').split(/[/\\]/).pop()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .trim();
  if (/^\.*$/.test(plain)) return NO_NAME;
  return shorten(plain);
}

function shorten(name) {
  if (octets(name) <= MAX_NAME) return name;
  const dot = name.lastIndexOf('.');
  const ending = dot > 0 && octets(name.slice(dot)) <= 32 ? name.slice(dot) : '';
  const stem = [...(ending ? name.slice(0, dot) : name)];
  while (octets(stem.join('')) + octets(ending) > MAX_NAME) stem.pop();
  return stem.join('') + ending;
}

/** @param {string} text @returns {number} its length in octets of UTF-8 */
export function octets(text) {
  return encoder.encode(text).length;
}

/** @returns {boolean} whether a size that somebody else has named is one that is accepted */
export function goodSize(size) {
  return Number.isSafeInteger(size) && size >= 0 && size <= MAX_FILE;
}

/** A file that comes in, piece by piece. */
export class Incoming {
  #pieces = [];

  /** @param {number} size octets that were announced; see goodSize */
  constructor(size) {
    this.size = size;
    this.received = 0;
  }

  get complete() {
    return this.received === this.size;
  }

  /**
   * @param {Uint8Array} piece
   * @returns {boolean} false when the piece does not belong to a file of this size: it is empty, or too much
   */
  add(piece) {
    if (piece.length === 0 || this.received + piece.length > this.size) return false;
    this.#pieces.push(piece.slice());
    this.received += piece.length;
    return true;
  }

  /**
   * The file. Its type says nothing, whatever the sender said: a page or a drawing that was opened instead of
   * saved would otherwise run its scripts as if they were ours.
   * @returns {Blob}
   */
  blob() {
    return new Blob(this.#pieces, { type: 'application/octet-stream' });
  }
}

/**
 * Cuts a file into pieces, as each is wanted.
 * @param {Blob} file
 * @param {number} most octets of a piece
 * @returns {AsyncGenerator<Uint8Array>}
 */
export async function* pieces(file, most) {
  for (let start = 0; start < file.size; start += most) {
    yield new Uint8Array(await file.slice(start, start + most).arrayBuffer());
  }
}
