import * as transport from './transport.js';
import { ChannelError, ChannelEvent } from './transport.js';
import type { End, KeptIn, Limits, Member, Presence, Sender } from './transport.js';

export { ChannelError, ChannelEvent };
export type { End, KeptIn, Limits, Member, Presence, Sender };

/** How a Channel is opened. */
export type Options = Omit<transport.Options, 'Channel' | 'maxExchanges'>;

/** How a Channel is created. */
export interface CreateOptions extends Options {
  /** How many messages the channel should carry, as far as the server allows it; 1000 by default. */
  maxExchanges?: number;
  /** URL of the page that the link opens, which calls joinChannel; that of the server by default. */
  page?: string | URL;
}

/** How a Channel is joined. */
export interface JoinOptions extends Options {
  /** URL of the server, for links that open a page elsewhere. */
  server?: string | URL;
}

/** A message from the paired device. */
export interface Message {
  /** As it was sent: a text or octets. */
  data: string | Uint8Array;
  /** The number of the member that sent it; 0 in version 1. */
  from: number;
  sender: Sender | undefined;
  /** Its number in the channel, from 1; 0 in version 1. */
  seq: number;
}

/** Both devices have their keys. */
export interface Paired {
  /** Six digits, such as "123 456". Let people compare them on both devices before anything else is done. */
  shortString: string;
  /** What is known about the other device. */
  sender: Sender | undefined;
  /** The member that it is; 0 in version 1. */
  from: number;
}

/** Somebody has come whom the creator did not pair with. */
export interface Refused {
  /** "already-paired" when the creator is paired with another device. */
  reason: 'wrong-secret' | 'already-paired';
  sender: Sender | undefined;
  from: number;
}

type Told<P> = ChannelEvent<P> & Readonly<P>;

/**
 * The events of a Channel. The reason of "closed" may also be "wrong-secret", "already-paired" or
 * "messages-missing": the server has withheld something. The code is 0 then.
 */
export interface ChannelEvents extends Omit<transport.ChannelEvents, 'message'> {
  message: Told<Message>;
  paired: Told<Paired>;
  refused: Told<Refused>;
}

/**
 * Mints a channel and waits in it for another device; show it the channel's link. It tries once. Rejected with a
 * ChannelError, "insecure-context" where the page is not on https or localhost, or with the signal's reason.
 */
export function createChannel(server: string | URL, options?: CreateOptions): Promise<Channel>;

/**
 * Joins the channel of a link and pairs with its creator; "paired" tells when that is done. It tries once. Rejected
 * with a ChannelError, "bad-link" if it is no such link, or with the signal's reason.
 */
export function joinChannel(link: string | URL, options?: JoinOptions): Promise<Channel>;

/**
 * Goes on with the channel that the page had before it was reloaded, paired or not, or gives null when there is none.
 * It tries until it is known what has become of the channel, or the signal is aborted: then it can be called again.
 * Rejected with a ChannelError when the channel is gone.
 */
export function resumeChannel(options?: Options): Promise<Channel | null>;

type Seat = Omit<
  transport.Channel,
  'send' | 'addEventListener' | 'removeEventListener' | typeof Symbol.asyncIterator
>;
declare const Seat: new () => Seat;

/**
 * A seat in a channel from which this device is paired with another. It is made by createChannel, joinChannel and
 * resumeChannel.
 *
 * Iterating over a Channel gives its "message" events from then on, and ends when it is closed. Each counts as
 * processed when the next is asked for.
 */
export class Channel extends Seat implements EventTarget {
  private constructor();

  /** Whether both devices have their keys. Only then can messages be sent. */
  readonly paired: boolean;
  /** Six digits that are the same on both devices and on no others; null before they are paired. */
  readonly shortString: string | null;
  /** The member that the other device is; null before they are paired, 0 in version 1. */
  readonly peer: number | null;
  /** The link to show to the other device, and to nobody else; null on the side that joined. */
  readonly link: string | null;
  /** How many octets fit in one message; a text counts in UTF-8. */
  readonly maxData: number;

  /**
   * Sends a text or octets to the other device. Messages arrive in the order of the calls. While the connection is
   * lost they wait for the next one, also over a reload. The seq is the message's number in the channel, when the
   * server has it; 0 in version 1. Rejected with a ChannelError: "not-paired", "message-too-big", or why the channel
   * was closed.
   */
  send(data: string | ArrayBuffer | ArrayBufferView): Promise<{ seq: number }>;

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
