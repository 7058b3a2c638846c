/* What a page asked for before its modules were there: `globalThis.early`, a Map of promised answers by address. */

/**
 * The answer that was asked for already, once; undefined if there is none.
 * @param {string} address
 * @returns {Promise<Response> | undefined}
 */
export function takeEarly(address) {
  /** @type {Map<string, Promise<Response>> | undefined} */
  const early = /** @type {any} */ (globalThis).early;
  const answer = early?.get(address);
  early?.delete(address);
  return answer;
}
