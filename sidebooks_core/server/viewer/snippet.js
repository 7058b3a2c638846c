/* What a hit shows of its text, in both searches. */

import { h } from "./elements.js";

/**
 * A text with what was searched for in bold, as far as it stands there letter by letter.
 * @param {string} text
 * @param {string} query
 * @returns {(string | HTMLElement)[]}
 */
export function snippet(text, query) {
  /** @param {string} one */
  const folded = (one) => one.normalize("NFKC").toLowerCase();
  const at = folded(text).length === text.length ? folded(text).indexOf(folded(query)) : text.indexOf(query);
  if (at < 0) return [text];
  return [text.slice(0, at), h("mark", {}, text.slice(at, at + query.length)), text.slice(at + query.length)];
}
