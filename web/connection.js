/**
 * One WebSocket, with what a browser leaves out: a time limit for its opening, and notice of its silence.
 *
 * @module
 */

/** How long it may take to connect and to be welcomed, in milliseconds. */
const OPENING = 20_000;
/** How often a connection is looked at. One that has been silent at four looks is over. */
const LOOK = 10_000;

/** What may be a channel's id. The server knows better which ids there are. */
export const ID = /^[\w-]{1,64}$/;

/** Returns where a channel is joined, or with an empty id minted. */
export function urlOf(server, version, id) {
  const url = new URL(server);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v${version}/ws/${id}`;
  return url.href;
}

/** Whether a close says that there is no point in connecting again. */
export const isFinal = code => [1000, 1002, 1007, 1008, 1009].includes(code) || code >= 4000 && code !== 4010;

/** A connection that tells what comes of it until it is closed, and that it has ended at most once. */
export class Connection {
  /** When it was begun. */
  began = Date.now();

  #ws;
  #ended;
  #over = false;
  #timer;
  #quiet = 0; // looks since something came
  #buffered = 0; // bufferedAmount at the last look

  /**
   * @param {new (url: string) => WebSocket} WebSocket
   * @param {string} url
   * @param {{opened: () => void, text: (text: string) => void,
   *   ended: (code: number, reason: string, refused: boolean) => void}} on refused: the handshake was answered, or no
   *   server was there to do so, which a page cannot tell apart
   * @throws what the WebSocket does: a page on https must not open ws, for example
   */
  constructor(WebSocket, url, on) {
    const ws = new WebSocket(url);
    let opened = false;
    this.#ws = ws;
    this.#ended = on.ended;
    this.#timer = setTimeout(() => this.#end(1006, 'unreachable'), OPENING);
    ws.onopen = () => {
      opened = true;
      if (!this.#over) on.opened();
    };
    ws.onmessage = ({ data }) => {
      this.#quiet = 0;
      if (!this.#over && typeof data === 'string') on.text(data);
    };
    ws.onerror = () => {}; // a close follows
    ws.onclose = ({ code, reason }) => this.#end(code, reason || (opened ? 'lost' : 'unreachable'), !opened);
  }

  send(text) {
    this.#ws.send(text);
  }

  /** Ends the time limit of the opening. With probe(), which is to make the server speak, silence is the end from now on. */
  watch(probe) {
    clearTimeout(this.#timer);
    if (!probe) return;
    this.#timer = setTimeout(() => {
      const { bufferedAmount } = this.#ws;
      if (bufferedAmount !== this.#buffered) this.#quiet = 0; // something is on its way
      this.#buffered = bufferedAmount;
      if (++this.#quiet > 3) return this.#end(1006, 'lost');
      probe();
      this.watch(probe);
    }, LOOK);
  }

  /** Closes it without a word to those who use it. Only the code 1000 gives the seat up. */
  close(code) {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#ws.close(code);
  }

  #end(...how) {
    if (this.#over) return;
    this.close();
    this.#ended(...how);
  }
}
