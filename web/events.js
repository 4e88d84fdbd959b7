/**
 * What a channel tells, and why it cannot do what is asked.
 *
 * @module
 */

/** Why something is not possible, or not any more. */
export class ChannelError extends Error {
  /**
   * @param {string} reason one of docs/protocol.md section 4; "unreachable" when no connection could be made
   * @param {number} [code] the close code that came with it
   * @param {string} [detail] for the developer
   */
  constructor(reason, code, detail = reason) {
    super(detail);
    this.name = 'ChannelError';
    this.reason = reason;
    this.code = code;
  }
}

/** What a Channel tells. It has the properties that belong to its type; see Channel. */
export class ChannelEvent extends Event {
  /**
   * @param {string} type
   * @param {object} [properties]
   */
  constructor(type, properties) {
    super(type);
    Object.assign(this, properties);
  }
}
