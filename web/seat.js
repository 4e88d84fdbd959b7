/**
 * A seat in a channel: the state of transport.js over all its connections.
 *
 * @module
 */

import { Connection, ID, isFinal, urlOf } from './connection.js';
import { ChannelError, ChannelEvent } from './events.js';
import { check, Outbox, quiet } from './outbox.js';
import { Readers } from './readers.js';
import { Roster } from './roster.js';
import { Slot, watchPage } from './surroundings.js';

/** The longest pause before the first new connection, and before any. They double in between. All times are in milliseconds. */
const MIN_PAUSE = 250;
const MAX_PAUSE = 10_000;
/** No pause is shorter: what a browser closes because the page is being left is not worth an event. */
const GRACE = 50;
/** A connection that is newer is not replaced by another when the page wakes up. */
const NEW = 1000;
/** How much longer than the server keeps a seat it is asked for it. */
const LATE = 30_000;
/** How long the server has for saying that a seat is given up. */
const PARTING = 10_000;

/**
 * A seat in a channel. It is made by createChannel, joinChannel and resumeChannel.
 *
 * Events, all of them ChannelEvent:
 *   message       {text, from, sender, seq}: another member said something; from and seq are 0 in version 1
 *   joined        {member, sender}, away {member, sender, reason}, back {member, sender},
 *   left          {member, sender, reason}: presence of the others. Those who were there before this member are
 *                 in members only
 *   delivered     {member, seq}: that member has processed all messages through seq
 *   ending        {inMs, reason}: the channel is about to end
 *   reconnecting  the connection is being replaced; open: it has been
 *   closed        {code, reason}: the end; docs/protocol.md section 4, and 1006 "lost" where nobody said why
 *
 * Iterating over a Channel gives its "message" events from then on, and ends when it is closed. Each
 * counts as processed when the next is asked for.
 */
export class Channel extends EventTarget {
  /** The channel's id. Whoever knows it can join: it is a secret of the members. */
  id = '';
  /** The ws URL to join by, as secret as the id. */
  url = '';
  /** The version that is spoken, 1 or 2. @type {1 | 2} */
  version = 2;
  /** The number of this member, from 1; 0 in version 1. */
  member = 0;
  /** Whether this member opened the channel. */
  creator = false;
  /** What the others are told about this member; null in version 1. */
  self = null;
  /** The server's limits, as it names them; empty in version 1. */
  limits = {};
  /** When the channel ends at the latest, as Date.now() counts; null without a limit, and in version 1. */
  expires = null;
  /** "open", "reconnecting" or "closed". Messages may be sent unless it is closed. */
  state = 'reconnecting';
  /** Whatever a layer above wants to be there after a reload, as JSON can tell it. It is saved with the rest. */
  extra = null;

  #options;
  #server;
  #token;
  #outbox;
  #after = 0; // seq of the last message that is processed
  #got = 0; // seq of the last message that has come
  #roster = new Roster();
  #parting = ''; // "leave" or "end"
  #parted = false; // the server was told on this connection
  #muted = false; // nothing is received any more

  #connection = null;
  #welcomed = false; // on any connection, of this object
  #attempt = 0;
  #progress = false; // the connection brought something that none had brought before
  #timer; // of the next connection, or the time limit of this one's opening
  #partingTimer;
  #lostAt = 0; // 0 while it is not lost
  #told = true; // of "reconnecting"
  #away = false; // the page was left, and may come back

  #opening; // {resolve, reject} of open
  #go; // starts the queue
  #queue = new Promise(resolve => (this.#go = resolve));
  #readers = new Readers();
  #end; // resolves #over
  #over = new Promise(resolve => (this.#end = resolve));
  #error; // why nothing can be sent any more
  #life = new AbortController(); // aborted at the end
  #slot;

  /** The others who have seats. @type {Map<number, {sender: object, present: boolean, delivered: number}>} */
  get members() {
    return this.#roster.members;
  }

  /** @param {import('./transport.js').Options} [options] */
  constructor(options = {}) {
    super();
    this.#options = options;
    this.#slot = new Slot(options);
  }

  /** Opens a Channel of this class. For createChannel and its like. */
  static async open(options, saved) {
    const channel = new this(options);
    await channel.#open(saved);
    return channel;
  }

  #open({ server, id, token, creator, after = 0, n = 0, unsent = [], extra = null, expires = null }) {
    Object.assign(this, { id, creator: creator ?? !id, extra, expires });
    this.#server = server;
    this.#token = token;
    this.#after = this.#got = after;
    this.#outbox = new Outbox(n, unsent);
    if (token) {
      this.#slot.claim();
      this.#watchPage();
    }
    const { signal } = this.#options;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#opening = { resolve, reject };
      signal?.addEventListener('abort', () => this.#opening && this.#finish(1000, 'bye', signal.reason, !!token), { signal: this.#life.signal });
      this.#connect();
    });
  }

  /**
   * Sends a message to the others. While the connection is lost it waits for the next one, also over a reload.
   *
   * @param {string} text
   * @returns {Promise<{seq: number}>} the message's number in the channel, when the server has it; 0 in version
   *   1. Rejected with a ChannelError when this message is refused, or when the Channel is closed before; the latter
   *   need not be caught, since "closed" tells it too
   */
  send(text) {
    const refusal = check(text, this.limits.max_message_size);
    if (refusal) return Promise.reject(refusal);
    if (this.#error) return quiet(Promise.reject(this.#error));
    const sent = this.#outbox.add(text);
    this.#pump();
    return sent;
  }

  /**
   * Gives the seat up, after what was sent before. Nothing is received from now on but "closed".
   *
   * @returns {Promise<{code: number, reason: string}>} how it ended: 1000 "bye", or 1006 "lost" when the server
   *   could not be told within ten seconds. It is never rejected
   */
  close() {
    return this.#part('leave');
  }

  /**
   * Ends the channel for all, after what was sent before. Only its creator can, in version 2.
   *
   * @returns {Promise<{code: number, reason: string}>} as close(), with 4015 "channel-ended"; rejected with a
   *   ChannelError for others
   */
  async end() {
    if (this.member !== 1) throw new ChannelError('protocol-error', undefined, 'only the creator may end a channel, in version 2');
    return this.#part('end');
  }

  /**
   * For a layer above: called once, when the seat is taken or taken back, and before anything is told. It can
   * set extra, which is saved when it first waits, and it can send.
   *
   * @protected
   * @returns {void | Promise<void>} the Channel is open when it is done; if it is rejected, so is the opening
   */
  begin() {}

  /**
   * For a layer above: called for each message, one after the other. The message counts as processed when it
   * is done; until then it comes again after a reload. An error does not change that, and is reported.
   *
   * @protected
   * @param {{text: string, from: number, sender: object | undefined, seq: number}} message
   * @returns {void | Promise<void>}
   */
  receive(message) {
    return this.deliver(new ChannelEvent('message', message));
  }

  /**
   * For a layer above: dispatches an event; one of the type "message" goes to those who iterate as well.
   *
   * @protected
   * @param {Event} event
   * @returns {Promise<void>} done when they ask for the next
   */
  async deliver(event) {
    this.dispatchEvent(event);
    if (event.type === 'message') await Promise.race([this.#readers.give(event), this.#over]);
  }

  /**
   * For a layer above: gives the seat up at once. Nothing is received from now on but "closed".
   *
   * @protected
   * @param {string} reason for "closed"
   */
  fail(reason) {
    this.#muted = true;
    this.#finish(0, reason);
  }

  /** For a layer above: saves extra now, and the rest. It is done anyway when a message is sent or processed. */
  save() {
    if (!this.#token || this.state === 'closed' || this.#parting) return;
    this.#slot.write(JSON.stringify({
      v: 1, server: this.#server, id: this.id, token: this.#token, creator: this.creator, after: this.#after,
      n: this.#outbox.stored, unsent: this.#outbox.unsent, extra: this.extra, expires: this.expires,
    }));
  }

  [Symbol.asyncIterator]() {
    return this.#readers.iterate();
  }

  // Connections.

  #connect() {
    clearTimeout(this.#timer);
    this.#drop();
    this.#progress = this.#parted = false;
    const { WebSocket = globalThis.WebSocket, maxExchanges } = this.#options;
    const ended = (code, reason, refused) => {
      if (refused && this.version === 2 && !this.#token) {
        this.version = 1; // or there is no server at all
        this.#connect();
      } else {
        this.#ended(code, reason);
      }
    };
    const opened = () => {
      if (this.version === 1) return;
      const more = this.#token ? { resume: this.#token, after: this.#after } : !this.id && { max_exchanges: maxExchanges };
      this.#write({ type: 'hello', ...more });
    };
    const text = data => {
      try {
        this.#read(JSON.parse(data));
      } catch ({ message }) {
        this.#finish(1002, 'protocol-error', new ChannelError('protocol-error', 1002, `the server broke the protocol: ${message}`));
      }
    };
    try {
      this.#connection = new Connection(WebSocket, urlOf(this.#server, this.version, this.id), { opened, text, ended });
    } catch (error) {
      this.#finish(1006, 'unreachable', error);
    }
  }

  /** Forgets the connection. */
  #drop(code) {
    this.#connection?.close(code);
    this.#connection = null;
  }

  #write(frame) {
    this.#connection.send(JSON.stringify(frame));
  }

  /** The connection has ended. */
  #ended(code, reason) {
    if (isFinal(code) || !this.#welcomed && !this.#token) {
      if (code === 4004 && this.#parting) { // it was done, only the answer was lost
        [code, reason] = this.#parting === 'end' ? [4015, 'channel-ended'] : [1000, 'bye'];
      }
      this.#finish(code, reason);
    } else {
      this.#lost();
    }
  }

  #lost() {
    const now = Date.now();
    const began = this.#connection?.began;
    this.#drop();
    if (now > this.#lose() + (this.limits.resume_timeout_ms || Infinity) + LATE) {
      return this.#finish(1006, 'lost'); // nobody keeps the seat for so long
    }
    // A server that lets everyone in and drops them at once is not to be asked at full speed.
    if (this.#progress || now - began > MAX_PAUSE) this.#attempt = 0;
    const pause = GRACE + Math.random() * Math.min(MAX_PAUSE, MIN_PAUSE * 2 ** this.#attempt++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), Math.min(pause, (this.expires ?? Infinity) - now));
  }

  /** Notes that there is no connection, and returns since when. */
  #lose() {
    this.state = 'reconnecting';
    return (this.#lostAt ||= Date.now());
  }

  #again() {
    if (this.version === 1) {
      this.#finish(1006, 'lost');
    } else if (this.expires && Date.now() >= this.expires) {
      this.#finish(4008, 'channel-expired');
    } else {
      if (!this.#told) this.#tell('reconnecting');
      this.#told = true;
      this.#connect();
    }
  }

  #watchPage() {
    watchPage(this.#options.window, this.#life.signal, {
      woke: sure => this.#wake(sure),
      left: () => {
        this.#away = true;
        this.#lose();
        clearTimeout(this.#timer);
        this.#drop();
      },
      cameBack: () => {
        this.#away = false;
        if (this.#slot.isOurs()) this.#wake(true);
        else this.#finish(4009, 'replaced'); // another page has gone on meanwhile
      },
    });
  }

  /** Connects without waiting any longer; if it is sure, also when there seems to be a connection. */
  #wake(sure) {
    const connection = this.#connection;
    this.#attempt = 0;
    if (connection && (this.version === 1 || this.state === 'open' && !sure || Date.now() - connection.began < NEW)) return;
    this.#lose();
    this.#again();
  }

  // Frames.

  #read(frame) {
    if (this.version === 1) {
      if (typeof frame.message === 'string') {
        this.#tell(() => this.receive({ text: frame.message, from: 0, sender: frame.sender, seq: 0 }));
      } else if (!this.#welcomed) {
        this.#welcome(frame);
      }
      return;
    }
    const { type, n, seq, from, member, reason, message } = frame;
    if (type === 'welcome' && !this.#ready() && member > 0 && typeof frame.resume === 'string') {
      this.#welcome(frame);
    } else if (!this.#ready() || type === 'message' && !(seq > 0 && typeof message === 'string')) {
      throw new TypeError(`"${type}" ${reason}`);
    } else if (type === 'message') {
      if (seq <= this.#got) return;
      this.#got = seq;
      this.#progress = true;
      this.#tell(async () => {
        try {
          await this.receive({ text: message, from, sender: this.members.get(from)?.sender, seq });
        } finally {
          this.#after = seq;
          this.save();
          if (this.#ready()) this.#write({ type: 'ack', seq });
        }
      });
    } else if (type === 'accepted') {
      if (this.#outbox.accepted(n, seq)) {
        this.#progress = true;
        this.#pump();
      }
    } else if (type === 'error') {
      if (this.#outbox.refused(new ChannelError(reason, undefined, frame.detail))) this.#pump();
    } else if (type === 'ending') {
      this.#tell('ending', { inMs: frame.in_ms, reason });
    } else {
      this.#tell(() => this.#meet(frame));
    }
  }

  /** Whether the connection has been welcomed. */
  #ready() {
    return this.state === 'open' && this.#connection;
  }

  #welcome(frame) {
    const { channelid, member, resume, limits = {}, members = [], self = null, n = 0, expires_in_ms } = frame;
    if (!ID.test(channelid) || this.id && this.id !== channelid) throw new TypeError(`channel "${channelid}"`);
    this.#outbox.restart(n);
    clearTimeout(this.#timer);
    this.id = channelid;
    this.url = urlOf(this.#server, this.version, channelid);
    this.state = 'open';
    this.#lostAt = 0;
    this.#connection.watch(this.version === 2 && (() => {
      const probe = this.#outbox.probe();
      if (probe) this.#write({ type: 'send', ...probe });
    }));
    if (!this.#welcomed && !this.#token) this.#watchPage();
    if (this.version === 2) {
      Object.assign(this, { member, limits: { ...limits }, self, creator: member === 1 });
      this.expires = expires_in_ms > 0 ? Date.now() + Number(expires_in_ms) : null;
      this.#token = resume;
    }
    if (this.#welcomed) {
      this.#tell('open');
      for (const { member, sender, present } of members) {
        for (const type of ['joined', present ? 'back' : 'away']) this.#tell(() => this.#meet({ type, member, sender }));
      }
    } else {
      this.#welcomed = true;
      for (const { member, sender, present } of members) this.#roster.add(member, sender, present);
      this.#start();
    }
    this.#told = false;
    this.#pump();
  }

  async #start() {
    try {
      await this.begin();
    } catch (error) {
      this.#finish(1000, 'bye', error);
    }
    if (this.state === 'closed') return; // and the opening is rejected
    this.#opening.resolve();
    this.#opening = null;
    setTimeout(this.#go, 0); // whoever waits for the opening can listen before
  }

  /** Tells something, after what is to be told before it. */
  #tell(what, properties) {
    const task = typeof what === 'string' ? () => this.deliver(new ChannelEvent(what, properties)) : what;
    this.#queue = this.#queue.then(() => this.#muted || task()).catch(error => setTimeout(() => { throw error; }, 0));
  }

  #meet(frame) {
    const news = this.#roster.read(frame);
    return news && this.deliver(new ChannelEvent(frame.type, news));
  }

  /** Saves, and then sends what there is to be sent. */
  #pump() {
    this.save();
    if (!this.#ready()) return;
    const next = this.#outbox.next();
    if (next && this.version === 1) {
      this.#connection.send(next.message);
      this.#outbox.accepted(next.n, 0);
      this.#pump();
    } else if (next) {
      this.#write({ type: 'send', ...next });
    } else if (this.#parting && !this.#parted && !this.#outbox.unsent.length) {
      this.#parted = true;
      if (this.version === 1) this.#finish(1000, 'bye');
      else this.#write({ type: this.#parting });
    }
  }

  // The end.

  #part(word) {
    if (this.state !== 'closed' && !this.#parting) {
      this.#parting = word;
      this.#error = new ChannelError('bye', 1000);
      this.#muted = true;
      this.#slot.clear();
      this.#partingTimer = setTimeout(() => this.#finish(1006, 'lost'), PARTING);
      if (!this.#connection && !this.#away) this.#again();
      this.#pump();
    }
    return this.#over;
  }

  #finish(code, reason, error = new ChannelError(reason, code), keep = false) {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#error = error;
    clearTimeout(this.#timer);
    clearTimeout(this.#partingTimer);
    this.#drop(keep ? undefined : 1000);
    this.#life.abort();
    if (!keep) this.#slot.clear();
    this.#outbox.drop(error);
    this.#end({ code, reason });
    if (this.#opening) {
      this.#opening.reject(error);
      return;
    }
    this.#queue = this.#queue.then(() => {
      this.deliver(new ChannelEvent('closed', { code, reason }));
      this.#readers.end();
    });
  }
}
