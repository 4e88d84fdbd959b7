/**
 * Those who iterate over a channel.
 *
 * @module
 */

/** Gives events to every iterator, each at its own pace. */
export class Readers {
  #readers = new Set();
  #over = false;

  /** Gives an event to all; the promise is kept when they ask for the next. */
  give(event) {
    return Promise.all([...this.#readers].map(reader => new Promise(done => reader(event, done))));
  }

  /** Ends all iterators, after what they were given. */
  end() {
    this.#over = true;
    this.give();
  }

  async *iterate() {
    const events = [];
    let wake;
    let done;
    const reader = (...event) => {
      events.push(event);
      wake?.();
    };
    this.#readers.add(reader);
    try {
      while (!this.#over || events.length) {
        if (!events.length) await new Promise(resolve => (wake = resolve));
        let event;
        [event, done] = events.shift();
        if (event) yield event;
        done();
      }
    } finally {
      done?.();
      this.#readers.delete(reader);
    }
  }
}
