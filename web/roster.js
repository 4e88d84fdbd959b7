/**
 * Who else is in a channel.
 *
 * @module
 */

/** The others, as the program has been told over all connections. */
export class Roster {
  /** Those who have seats. @type {Map<number, {sender: object, present: boolean, delivered: number}>} */
  members = new Map();

  #gone = new Set(); // numbers, which are not used again

  add(member, sender, present) {
    this.members.set(member, { sender, present, delivered: 0 });
  }

  /** Takes in a frame, and returns what it tells that is new. After a resume the server tells again what it is not sure of. */
  read({ type, member, sender, reason, seq }) {
    if (!(member > 0) || this.#gone.has(member)) return;
    const other = this.members.get(member);
    const present = type === 'back';
    if (type === 'joined') {
      if (other) return;
      this.add(member, sender, true);
    } else if (type === 'left') {
      this.#gone.add(member);
      this.members.delete(member);
    } else if (type === 'delivered') {
      if (!(seq > other?.delivered)) return;
      other.delivered = seq;
    } else if (type === 'away' || present) {
      if (!other || other.present === present) return;
      other.present = present;
    } else {
      return; // for later clients
    }
    return { member, sender: sender ?? other?.sender, reason, seq };
  }
}
