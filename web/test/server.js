// What the tests of the library share: the server, and what a browser has and Node.js has not.

export { buildServer, startServer } from '../../interop/server.js';
export { WebSocket } from 'ws';

// limit is how long a test may hang, in milliseconds, as an option of test.
export const limit = { timeout: 120_000 };

// memory is a storage such as sessionStorage.
export function memory() {
  const items = new Map();
  return {
    getItem: key => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, String(value)),
    removeItem: key => void items.delete(key),
  };
}

// next waits for an event of a type, for which a condition holds.
export function next(target, type, condition = () => true) {
  return new Promise(resolve => {
    target.addEventListener(type, function listener(event) {
      if (!condition(event)) return;
      target.removeEventListener(type, listener);
      resolve(event);
    });
  });
}

// random makes a generator of numbers in [0, 1) that a seed determines (mulberry32).
export function random(seed) {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}
