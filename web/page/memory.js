/** What the page remembers over a reload, beside the state of the channel itself: the tab's own storage. */

const NAME = 'conversation';

/** @returns {object | null} */
export function recall() {
  try {
    const saved = JSON.parse(sessionStorage.getItem(NAME));
    return saved && typeof saved.channel === 'string' && Array.isArray(saved.items) ? saved : null;
  } catch {
    return null;
  }
}

/** @param {object} state */
export function remember(state) {
  try {
    sessionStorage.setItem(NAME, JSON.stringify(state));
  } catch {
    forget(); // no room: nothing is better than what is not true any more
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
}
