/** Finds the web addresses in a text, so that they can be followed. */

// Neither quotes, nor punctuation of Chinese and Japanese, nor what changes the direction of text.
const ADDRESS = /https?:\/\/[^\s<>"'`\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u3000-\u303f\uff00-\uff65]+/giu;
const TRAILING = '.,;:!?…*_~]}';

/**
 * Splits a text into parts. Put together they are the text again; those with an href are addresses, always http or
 * https.
 * @param {string} text
 * @returns {{text: string, href?: string}[]}
 */
export function findLinks(text) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    const href = safe(address);
    if (!href) continue;
    if (match.index > done) parts.push({ text: text.slice(done, match.index) });
    parts.push({ text: address, href });
    done = match.index + address.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done) });
  return parts;
}

/** Takes off what belongs to the sentence around the address: its full stop, or the closing bracket of an aside. */
function trim(address) {
  let unopened = address.split(')').length - address.split('(').length;
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    if (last === ')' && unopened > 0) unopened--;
    else if (!TRAILING.includes(last)) break;
  }
  return address.slice(0, end);
}

function safe(address) {
  try {
    const url = new URL(address);
    return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname ? url.href : '';
  } catch {
    return '';
  }
}
