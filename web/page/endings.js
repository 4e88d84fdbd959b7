/** How a pairing can end, and what to do then. The reasons are those of docs/protocol.md section 4 and of channel.js. */

/** The first part of the keys of the words for each reason. */
const ENDINGS = {
  'bye': 'left',
  'peer-left': 'peer-left',
  'stopped': 'stopped',
  'differ': 'differ',
  'channel-ended': 'peer-left',
  'channel-expired': 'expired',
  'no-such-channel': 'gone',
  'bad-link': 'bad-link',
  'bad-channel-id': 'bad-link',
  'wrong-secret': 'wrong-secret',
  'already-paired': 'taken',
  'channel-full': 'full',
  'address-refused': 'address',
  'messages-missing': 'withheld',
  'too-many-messages': 'used-up',
  'too-much-data': 'used-up',
  'missed-messages': 'lost',
  'client-timeout': 'lost',
  'slow': 'lost',
  'lost': 'lost',
  'restart': 'restart',
  'shutdown': 'restart',
  'unreachable': 'unreachable',
  'busy': 'busy',
  'replaced': 'replaced',
  'insecure-context': 'insecure',
};

/** What may work when it is tried once more. */
const PASSING = ['unreachable', 'busy', 'restart', 'shutdown', 'channel-full', 'address-refused', 'insecure-context'];

/**
 * @param {string} reason
 * @returns {{title: string, text: string}} keys of the words; text may have {reason}
 */
export function ending(reason) {
  const name = Object.hasOwn(ENDINGS, reason) ? ENDINGS[reason] : 'broken';
  return { title: `${name}-title`, text: `${name}-text` };
}

/** Whether the same attempt may succeed later. */
export function passes(reason) {
  return PASSING.includes(reason);
}

/**
 * Finds out why no connection could be opened. A browser does not tell a page how a server has refused it.
 * @param {URL} server
 * @returns {Promise<'unreachable' | 'restart' | 'busy'>}
 */
export async function whyNotOpen(server) {
  try {
    const answer = await fetch(new URL('__heartbeat__', server), { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    const { checks } = await answer.json();
    return checks.channels === 'draining' ? 'restart' : 'busy';
  } catch {
    return 'unreachable';
  }
}
