/* The search in a document, step by step. */

/** @typedef {import("./book.js").Hit} Hit */

/**
 * All places where a text occurs, in page order.
 * @param {(path: string) => Promise<{hits: Hit[], next: number | null}>} ask what the server says of the document at a path
 * @param {number} count of its pages
 * @param {string} query
 * @param {((hits: Hit[], about: {page: number, of: number}) => void) | undefined} onhits see `Book.search`
 * @returns {Promise<Hit[]>}
 */
export async function searched(ask, count, query, onhits) {
  /** @type {Hit[]} */
  const all = [];
  for (let page = 1; page; ) {
    const { hits, next } = await ask(`/search/${encodeURIComponent(query)}?start=${page}`);
    for (const hit of hits) all.push(hit);
    onhits?.(hits, { page: next ? next - 1 : count, of: count });
    page = next ?? 0;
  }
  return all;
}
