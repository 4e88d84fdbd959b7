/**
 * What two paired pages, or a page and a terminal, say to each other inside the encryption (docs/pairing.md):
 * that the codes are the same, texts, files in pieces, and good-bye. It knows nothing of how that looks.
 */
import { Incoming, cleanName, goodSize, octets, pieces } from './files.js';

/** Pieces of a file that may be on their way at a time. */
const IN_FLIGHT = 4;

/** Messages of the channel that are kept back from files, so that people can still say something. */
const RESERVE = 20;

/**
 * @typedef {object} Item a text or a file
 * @property {string} key names it among the items
 * @property {'me'|'peer'} from
 * @property {'text'|'file'} kind
 * @property {'sending'|'done'|'failed'} state sending is on the way, in either direction
 * @property {string} [text]
 * @property {number} [id] number of the file among its sender's
 * @property {string} [name]
 * @property {number} [size] octets
 * @property {number} [done] octets that have got there
 * @property {string} [why] of a file that failed: cancelled, refused, reload, too-big, broken, unreadable, ended
 * @property {Blob} [blob] of a file that came; gone after a reload
 */

/**
 * Events: "confirm" when confirmed or theirs has changed, "item" {item} when one is new or has changed, and "bye"
 * when the other side has said good-bye.
 */
export class Conversation extends EventTarget {
  /** Whether the person here has said that the codes are the same. */
  confirmed = false;
  /** Whether the person there has. */
  theirs = false;
  /** @type {Item[]} in the order in which they came */
  items = [];

  #channel;
  #save;
  #seq = 0; // the last message that was heard
  #used = 0; // the highest number of a message in the channel that is known
  #delivered = 0; // the other side has processed the messages through this
  #landing = []; // {seq, resolve} of pieces that it has not
  #keys = 0;
  #ids = 0;
  #files = new Map(); // id -> {file, item, run} of what is sent; run changes when it starts again or is cancelled
  #queue = []; // ids
  #working = false;
  #incoming = null; // {item, file} of the file that comes
  #over = false;

  /**
   * @param {import('../channel.js').Channel} channel
   * @param {object | null} saved what was saved before a reload of the page
   * @param {(state: object) => void} save is given what is to be saved
   */
  constructor(channel, saved, save) {
    super();
    this.#channel = channel;
    this.#save = save;
    if (saved?.channel === channel.id) {
      ({ seq: this.#seq, keys: this.#keys, ids: this.#ids, confirmed: this.confirmed, theirs: this.theirs, items: this.items } = saved);
    }
    channel.addEventListener('message', (event) => this.#hear(event));
    channel.addEventListener('delivered', (event) => this.#landed(event));
    channel.addEventListener('closed', () => this.#close());
    this.#pickUp();
  }

  /** Whether both have confirmed; only then anything is said or shown. */
  get open() {
    return this.confirmed && this.theirs;
  }

  /** Says that the person here finds the codes to be the same. */
  confirm() {
    if (this.confirmed) return;
    this.confirmed = true;
    this.#say({ type: 'confirm' });
    this.#changed('confirm');
  }

  /**
   * @param {string} text
   * @returns {boolean} false when it is too long for a message, and is not sent
   */
  sendText(text) {
    const message = JSON.stringify({ type: 'text', text });
    if (octets(message) > this.#channel.maxData) return false;
    const item = this.#add({ from: 'me', kind: 'text', text, state: 'sending' });
    this.#send(message).then(() => this.#update(item, { state: 'done' }), () => this.#update(item, { state: 'failed' }));
    return true;
  }

  /**
   * Queues a file.
   * @param {File} file
   * @returns {'' | 'too-big' | 'no-room'} why it is not sent: it is larger than MAX_FILE, or than what the channel
   *   still carries
   */
  sendFile(file) {
    if (!goodSize(file.size)) return 'too-big';
    if (!this.#room(file.size)) return 'no-room';
    const id = ++this.#ids;
    const item = this.#add({ from: 'me', kind: 'file', id, name: cleanName(file.name), size: file.size, done: 0, state: 'sending' });
    this.#files.set(id, { file, item, run: 0 });
    this.#enqueue(id);
    return '';
  }

  /** Stops a file that is on the way, in either direction. @param {Item} item */
  cancel(item) {
    if (item.state !== 'sending' || item.kind !== 'file') return;
    if (item.from === 'me') this.#stop(item.id, 'cancelled');
    else this.#refuse(item, 'cancelled');
  }

  /** Asks for a file again that came before the page was reloaded. @param {Item} item */
  askAgain(item) {
    if (item.from !== 'peer' || item.kind !== 'file' || item.state === 'sending') return;
    this.#update(item, { state: 'sending', done: 0, why: undefined });
    this.#say({ type: 'again', id: item.id });
  }

  /** Says good-bye. */
  bye() {
    this.#say({ type: 'bye' });
  }

  // Hearing.

  #hear({ data, seq }) {
    if (seq) {
      if (seq <= this.#seq) return; // it came before a reload that came before it was noted
      this.#seq = seq;
      this.#used = Math.max(this.#used, seq);
    }
    if (typeof data === 'string') this.#heard(parse(data));
    else if (this.open) this.#piece(data);
    this.#store();
  }

  #heard(message) {
    const { type, id } = message;
    if (type === 'confirm' && !this.theirs) {
      this.theirs = true;
      this.#changed('confirm');
    } else if (type === 'bye') {
      this.#changed('bye');
    } else if (!this.open) {
      // Nobody knows yet who that is.
    } else if (type === 'text' && typeof message.text === 'string') {
      this.#add({ from: 'peer', kind: 'text', text: message.text, state: 'done' });
    } else if (type === 'file') {
      this.#announced(message);
    } else if (type === 'cancel') {
      const active = this.#files.get(id)?.item.state === 'sending';
      if (message.mine === true || !active) this.#cancelled(id);
      else this.#stop(id, 'refused');
    } else if (type === 'again') {
      this.#again(id);
    }
  }

  #announced({ id, name, size }) {
    if (!Number.isSafeInteger(id) || id < 1) return;
    if (this.#incoming) this.#update(this.#incoming.item, { state: 'failed', why: 'broken' }); // one at a time
    this.#incoming = null;
    const known = this.#theirFile(id);
    const item = known ?? this.#add({ from: 'peer', kind: 'file', id, name: cleanName(name), size: 0, done: 0, state: 'sending' });
    if (known && known.state !== 'sending') return this.#say({ type: 'cancel', id }); // nobody has asked for it again
    if (!goodSize(size)) return this.#refuse(item, 'too-big');
    this.#incoming = { item, file: new Incoming(size) };
    this.#update(item, { name: cleanName(name), size, done: 0 });
    this.#progress();
  }

  #piece(piece) {
    if (!this.#incoming) return; // cancelled, or it starts again soon
    if (this.#incoming.file.add(piece)) this.#progress();
    else this.#refuse(this.#incoming.item, 'broken');
  }

  #progress() {
    const { item, file } = this.#incoming;
    if (file.complete) {
      this.#incoming = null;
      this.#update(item, { state: 'done', done: file.size, blob: file.blob() });
    } else {
      this.#update(item, { done: file.received });
    }
  }

  #refuse(item, why) {
    if (this.#incoming?.item === item) this.#incoming = null;
    this.#update(item, { state: 'failed', why });
    this.#say({ type: 'cancel', id: item.id });
  }

  #cancelled(id) {
    const item = this.#theirFile(id);
    if (item?.state !== 'sending') return;
    if (this.#incoming?.item === item) this.#incoming = null;
    this.#update(item, { state: 'failed', why: 'refused' });
  }

  #theirFile(id) {
    return this.items.find((item) => item.from === 'peer' && item.kind === 'file' && item.id === id);
  }

  // Sending files.

  #room(size) {
    const most = this.#channel.limits?.max_exchanges;
    if (!most) return true;
    let wanted = RESERVE;
    for (const { item } of this.#files.values()) if (item.state === 'sending') wanted += this.#cost(item.size - item.done);
    return this.#used + wanted + this.#cost(size) <= most;
  }

  #cost(size) {
    return 1 + Math.ceil(size / this.#channel.maxData);
  }

  #enqueue(id) {
    this.#queue.push(id);
    if (!this.#working) this.#work();
  }

  async #work() {
    this.#working = true;
    while (this.#queue.length) {
      const id = this.#queue.shift();
      const { run, item } = this.#files.get(id);
      if (item.state === 'sending') await this.#sendPieces(id, run);
    }
    this.#working = false;
  }

  async #sendPieces(id, run) {
    const job = this.#files.get(id);
    const { file, item } = job;
    const current = () => job.run === run && !this.#over;
    const flying = new Set();
    try {
      this.#say({ type: 'file', id, name: item.name, size: item.size, mime: file.type });
      for await (const piece of pieces(file, this.#channel.maxData)) {
        while (flying.size >= IN_FLIGHT) await Promise.race(flying);
        if (!current()) return;
        const flight = this.#send(piece).then((seq) => this.#land(seq)).then(() => {
          flying.delete(flight);
          if (current()) this.#update(item, { done: item.done + piece.length });
        });
        flight.catch(() => {}); // it is awaited below
        flying.add(flight);
      }
      await Promise.all(flying);
      if (current()) this.#update(item, { state: 'done', done: item.size });
    } catch {
      if (current()) this.#stop(id, 'unreadable');
    }
  }

  #stop(id, why) {
    const job = this.#files.get(id);
    if (job?.item.state !== 'sending') return;
    job.run++;
    this.#update(job.item, { state: 'failed', why });
    if (why !== 'refused') this.#say({ type: 'cancel', id, mine: true });
  }

  #again(id) {
    const job = this.#files.get(id);
    if (!job || !this.#room(job.file.size)) {
      if (job) this.#update(job.item, { state: 'failed', why: 'refused' });
      return this.#say({ type: 'cancel', id, mine: true });
    }
    job.run++;
    this.#update(job.item, { state: 'sending', done: 0, why: undefined });
    this.#enqueue(id);
  }

  /** Resolves when the other side has processed a message; where it never tells, at once. */
  #land(seq) {
    if (!this.#delivered || seq <= this.#delivered || this.#over) return undefined;
    return new Promise((resolve) => this.#landing.push({ seq, resolve }));
  }

  #landed({ member, seq }) {
    if (member !== this.#channel.peer) return;
    this.#delivered = Math.max(this.#delivered, seq);
    this.#used = Math.max(this.#used, seq);
    this.#landing = this.#landing.filter((waiting) => waiting.seq > this.#delivered || waiting.resolve());
  }

  // The rest.

  async #send(message) {
    const { seq } = await this.#channel.send(message);
    this.#used = Math.max(this.#used, seq);
    return seq;
  }

  #say(message) {
    this.#send(JSON.stringify(message)).catch(() => {}); // the channel is closed, and tells so itself
  }

  /** Goes on after a reload: the files that were on the way are not there any more. */
  #pickUp() {
    // It may not have been sealed yet when the page went. Who has heard it before does not mind.
    if (this.confirmed) this.#say({ type: 'confirm' });
    for (const item of this.items) {
      if (item.state !== 'sending') continue;
      if (item.kind === 'text') {
        item.state = 'done'; // the channel has it, and sends it
      } else if (item.from === 'me') {
        Object.assign(item, { state: 'failed', why: 'reload' });
        this.#say({ type: 'cancel', id: item.id, mine: true });
      } else {
        item.done = 0;
        this.#say({ type: 'again', id: item.id });
      }
    }
  }

  #close() {
    this.#over = true;
    this.#incoming = null;
    for (const { resolve } of this.#landing) resolve();
    for (const item of this.items) {
      if (item.state === 'sending') this.#update(item, { state: 'failed', why: 'ended' });
    }
  }

  #add(item) {
    item.key = `item-${++this.#keys}`;
    this.items.push(item);
    this.#changed('item', item);
    return item;
  }

  #update(item, change) {
    const { state } = item;
    Object.assign(item, change);
    this.#changed('item', item, item.state !== state);
  }

  #changed(type, item, store = true) {
    if (store) this.#store();
    this.dispatchEvent(Object.assign(new Event(type), { item }));
  }

  #store() {
    const items = this.items.map(({ blob, ...rest }) => rest);
    this.#save({
      channel: this.#channel.id, seq: this.#seq, keys: this.#keys, ids: this.#ids,
      confirmed: this.confirmed, theirs: this.theirs, items,
    });
  }
}

/** Reads a message of somebody else. @returns {object} without a type when it is none */
function parse(text) {
  try {
    const message = JSON.parse(text);
    return message && typeof message === 'object' ? message : {};
  } catch {
    return {};
  }
}
