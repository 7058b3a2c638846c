/* What this device keeps for its reader. A browser may refuse to keep anything (blocked, full, private): then the page itself
   remembers for as long as it is open, and nobody is stopped from reading. keeping.js writes it. */

/** @type {Map<string, string>} what could not be kept */
export const passing = new Map();
/* Even to name it may throw. */
export const storage = () => globalThis.localStorage;

/** @template T @param {() => T} does @param {T} otherwise @returns {T} */
export function attempt(does, otherwise) {
  try { return does(); } catch { return otherwise; }
}

/** @param {string} key @returns {string | null} */
export function read(key) {
  return passing.get(key) ?? attempt(() => storage().getItem(key), null);
}
