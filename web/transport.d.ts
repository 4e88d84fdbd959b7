/** Why something is not possible, or not any more. */
export class ChannelError extends Error {
  constructor(reason: string, code?: number, detail?: string);
  /** One of docs/protocol.md section 4, or "unreachable" when no connection could be made. */
  reason: string;
  /** The close code that came with it. */
  code?: number;
}

/** What a Channel tells. It has the properties of its type; see ChannelEvents. */
export class ChannelEvent<P = {}> extends Event {
  constructor(type: string, properties?: P);
}

/**
 * What is known about a member (docs/protocol.md section 1): what its software claims, and where its address is
 * registered. Show it to people, never decide by it. What is not known is missing.
 */
export interface Sender {
  ua?: string;
  remote?: string;
  city?: string;
  region?: string;
  country?: string;
}

/** Another member that has a seat. */
export interface Member {
  sender: Sender;
  /** Whether it has a connection. */
  present: boolean;
  /** The seq of the last message that it has processed. */
  delivered: number;
}

/** The server's limits; 0 is none. */
export interface Limits {
  max_exchanges?: number;
  max_data?: number;
  max_message_size?: number;
  max_channel_connections?: number;
  conn_lifespan_ms?: number;
  resume_timeout_ms?: number;
}

/** A message from another member; from and seq are 0 in version 1. */
export interface Message {
  text: string;
  /** The number of the member that sent it. */
  from: number;
  /** Undefined when that is not known any more. */
  sender: Sender | undefined;
  /** Its number in the channel, from 1. */
  seq: number;
}

/** How a Channel ended: a close code of docs/protocol.md section 4 with its word, or 1006 "lost". */
export interface End {
  code: number;
  reason: string;
}

/** Presence of another member. The reason is missing from "joined", "back" and what was missed. */
export interface Presence {
  member: number;
  sender: Sender | undefined;
  reason?: string;
}

type Told<P> = ChannelEvent<P> & Readonly<P>;

/** The events of a Channel. */
export interface ChannelEvents {
  message: Told<Message>;
  joined: Told<Presence>;
  away: Told<Presence>;
  back: Told<Presence>;
  left: Told<Presence>;
  /** The member has processed all messages through seq. */
  delivered: Told<{ member: number; sender: Sender | undefined; seq: number }>;
  /** The channel is about to end. */
  ending: Told<{ inMs: number; reason: string }>;
  /** The connection is being replaced. */
  reconnecting: ChannelEvent;
  /** The connection has been replaced. */
  open: ChannelEvent;
  closed: Told<End>;
}

/** What a Channel is saved in, such as sessionStorage. */
export interface KeptIn {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** How a Channel is opened. */
export interface Options {
  /** Where it is saved for resumeChannel; sessionStorage by default, null for nowhere. */
  storage?: KeptIn | null;
  /** The key in storage; "channel" by default. Two Channels of one page need two. */
  name?: string;
  /** How many messages a new channel should carry, as far as the server allows more than usual. */
  maxExchanges?: number;
  /** Ends the opening, not the Channel. */
  signal?: AbortSignal;
  /** The WebSocket to use, where there is none in globalThis. */
  WebSocket?: new (url: string) => any;
  /** What tells of "online", "pagehide", "pageshow", and by its document of "visibilitychange"; globalThis by default. */
  window?: object;
  /** The class of the Channel, for a layer above. */
  Channel?: typeof Channel;
}

/** A Channel of the class that is asked for. */
type Made<O> = O extends { Channel: new (...args: any) => infer C } ? C : Channel;

/** Mints a channel and takes its first seat. It tries once. Rejected with a ChannelError, or with the signal's reason. */
export function createChannel<O extends Options>(server: string | URL, options?: O): Promise<Made<O>>;

/**
 * Takes a seat in a channel, by the url of a Channel or its server and id. It tries once. Rejected with a ChannelError,
 * or with the signal's reason.
 */
export function joinChannel<O extends Options>(
  link: string | URL | { server: string | URL; id: string },
  options?: O,
): Promise<Made<O>>;

/**
 * Goes on with the seat that the page had before it was reloaded, or gives null when there is none. It tries until it is
 * known what has become of the seat, or the signal is aborted: then it can be called again. Rejected with a ChannelError
 * when the seat is gone.
 */
export function resumeChannel<O extends Options>(options?: O): Promise<Made<O> | null>;

/**
 * A seat in a channel. It is made by createChannel, joinChannel and resumeChannel.
 *
 * Iterating over a Channel gives its "message" events from then on, and ends when it is closed. Each counts as
 * processed when the next is asked for.
 */
export class Channel extends EventTarget {
  constructor(options?: Options);

  /** The channel's id. Whoever knows it can join: it is a secret of the members. */
  readonly id: string;
  /** The ws URL to join by, as secret as the id. */
  readonly url: string;
  /** The version that is spoken. */
  readonly version: 1 | 2;
  /** The number of this member, from 1; 0 in version 1. */
  readonly member: number;
  /** Whether this member opened the channel. */
  readonly creator: boolean;
  /** What the others are told about this member; null in version 1. */
  readonly self: Sender | null;
  /** The others who have seats, by number. */
  readonly members: ReadonlyMap<number, Readonly<Member>>;
  /** Empty in version 1. */
  readonly limits: Limits;
  /** When the channel ends at the latest, as Date.now() counts; null without a limit, and in version 1. */
  readonly expires: number | null;
  /** Messages may be sent unless it is closed. */
  readonly state: 'open' | 'reconnecting' | 'closed';

  /**
   * Sends a message to the others. While the connection is lost it waits for the next one, also over a reload.
   * The seq is the message's number in the channel, when the server has it; 0 in version 1. Rejected with a
   * ChannelError when this message is refused, or when the Channel is closed before; the latter need not be caught,
   * since "closed" tells it too.
   */
  send(text: string): Promise<{ seq: number }>;

  /**
   * Gives the seat up, after what was sent before. Nothing is received from now on but "closed". It tells how the
   * Channel ended: 1000 "bye", or 1006 "lost" when the server could not be told. It is never rejected.
   */
  close(): Promise<End>;

  /**
   * Ends the channel for all, after what was sent before: 4015 "channel-ended". Rejected with a ChannelError for
   * others than the creator in version 2.
   */
  end(): Promise<End>;

  /** For a layer above: whatever is to be there after a reload, as JSON can tell it. It is saved with the rest. */
  protected extra: any;

  /**
   * For a layer above: called once, when the seat is taken or taken back, and before anything is told. It can set
   * extra, which is saved when it first waits, and it can send. The Channel is open when it is done; if it is
   * rejected, so is the opening.
   */
  protected begin(): void | Promise<void>;

  /**
   * For a layer above: called for each message, one after the other. The message counts as processed when it is
   * done; until then it comes again after a reload. An error does not change that, and is reported.
   */
  protected receive(message: Message): void | Promise<void>;

  /** For a layer above: dispatches an event, "message" to those who iterate as well; done when they ask for the next. */
  protected deliver(event: Event): Promise<void>;

  /** For a layer above: gives the seat up at once, with a reason for "closed". */
  protected fail(reason: string): void;

  /** For a layer above: saves extra now, and the rest. */
  protected save(): void;

  [Symbol.asyncIterator](): AsyncGenerator<ChannelEvents['message'], void, void>;

  addEventListener<K extends keyof ChannelEvents>(
    type: K,
    listener: ((this: this, event: ChannelEvents[K]) => any) | { handleEvent(event: ChannelEvents[K]): any } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof ChannelEvents>(
    type: K,
    listener: ((this: this, event: ChannelEvents[K]) => any) | { handleEvent(event: ChannelEvents[K]): any } | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}
