// A server that says what a test wants, and a clock that a test moves.

import assert from 'node:assert/strict';
import { beforeEach, mock } from 'node:test';

import { ChannelError, createChannel } from '../transport.js';
import { memory } from './server.js';

export const SERVER = 'wss://channels.example/base/';

// fakeNetwork returns a WebSocket class and what it has made. Each line is a WebSocket and the server's end of it.
export function fakeNetwork() {
  const lines = [];
  class FakeWebSocket {
    bufferedAmount = 0;
    sent = []; // frames, parsed in version 2
    closed = null; // what the client closed it with

    constructor(url) {
      this.url = url;
      lines.push(this);
      this.v2 = url.includes('/v2/');
    }

    send(text) {
      this.sent.push(this.v2 ? JSON.parse(text) : text);
    }

    close(...args) {
      this.closed ??= args;
    }

    // What the server does.

    accept() {
      this.onopen({});
      return this;
    }

    say(frame) {
      this.onmessage({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
      return this;
    }

    shut(code = 1006, reason = '') {
      this.onerror({});
      this.onclose({ code, reason, wasClean: code !== 1006 });
    }
  }
  return { WebSocket: FakeWebSocket, lines, get last() { return lines.at(-1); } };
}

export const ID = 'b7ZHsuZ9RIWVYKJDxqmAOg';

// welcome is the frame of that name.
export const welcome = more => ({
  type: 'welcome', channelid: ID, link: `/v2/ws/${ID}`, member: 1, resume: '1QIfY8OAA8TSmsSLBgcZ0w', expires_in_ms: 300_000,
  limits: { max_exchanges: 10, max_data: 0, max_message_size: 100, max_channel_connections: 3, conn_lifespan_ms: 300_000, resume_timeout_ms: 300_000 },
  members: [], self: { ua: 'me' }, n: 0, ...more,
});

// settle lets everything happen that needs no clock and no network.
export async function settle() {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

// FakePage is a window with its document.
export class FakePage extends EventTarget {
  document = Object.assign(new EventTarget(), { visibilityState: 'visible' });

  tell(type) {
    this.dispatchEvent(new Event(type));
  }

  show(visibilityState) {
    this.document.visibilityState = visibilityState;
    this.document.dispatchEvent(new Event('visibilitychange'));
  }
}

// record notes all events of a channel, each as its type and what is told with it.
export function record(channel) {
  const events = [];
  for (const type of ['message', 'joined', 'away', 'back', 'left', 'delivered', 'ending', 'reconnecting', 'open', 'closed']) {
    channel.addEventListener(type, event => {
      const told = Object.entries(event).filter(([name, value]) => name !== 'isTrusted' && value !== undefined);
      events.push(told.length ? [type, Object.fromEntries(told)] : [type]);
    });
  }
  return events;
}

// reason tells what a promise is rejected with, which must be a ChannelError.
export const reason = promise => promise.then(() => 'none', error => {
  assert.ok(error instanceof ChannelError, error);
  return `${error.code} ${error.reason}`;
});

// useFakes gives each test of a file its own network, storage, page and clock, which stands at 1,000,000.
export function useFakes() {
  const world = {
    // pass lets time pass.
    async pass(ms) {
      mock.timers.tick(ms);
      await settle();
    },

    // opened returns a channel that is open, and has begun to tell.
    async opened(more, options) {
      const opening = createChannel(SERVER, { ...world.options, ...options });
      await settle();
      world.network.last.accept().say(welcome(more));
      const channel = await opening;
      await world.pass(1);
      return channel;
    },

    // welcomed lets the newest connection succeed.
    async welcomed(more) {
      world.network.last.accept().say(welcome(more));
      await settle();
    },

    saved: () => JSON.parse(world.storage.getItem('channel')),
  };
  beforeEach(() => {
    mock.reset();
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
    mock.method(Math, 'random', () => 0.5);
    world.network = fakeNetwork();
    world.storage = memory();
    world.window = new FakePage();
    world.options = { WebSocket: world.network.WebSocket, storage: world.storage, window: world.window };
  });
  return world;
}
