/* Page numbers as people say them: the label that the document gives, the number that is printed on the paper, or the count. Pure. */

/** @typedef {{label: string}} Labelled */

/** @param {string} text */
const folded = (text) => text.normalize("NFKC").trim().toLowerCase();

/** @type {WeakMap<Labelled[], boolean>} */
const known = new WeakMap(); // each turn asks

/** Whether a document has labels of its own, other than the count. @param {Labelled[]} pages the same list each time */
export function hasLabels(pages) {
  if (!known.has(pages)) known.set(pages, pages.some((one, index) => one.label && one.label !== String(index + 1)));
  return known.get(pages);
}

/**
 * What stands on a page: its label, or the printed number.
 * @param {number} page
 * @param {Labelled[]} pages
 * @param {number | null} offset how many pages come before the printed 1; null: not known
 */
export function printedOf(page, pages, offset) {
  if (offset !== null) return page > offset ? String(page - offset) : "";
  return hasLabels(pages) ? pages[page - 1].label : "";
}

/**
 * "12 / 143", "12–13 / 143", or with what is printed: "6 (12 / 143)".
 * @param {number[]} spread
 * @param {Labelled[]} pages
 * @param {number | null} offset
 */
export function placeText(spread, pages, offset, of = "/") {
  const [first, last] = [Math.min(...spread), Math.max(...spread)];
  /** @type {(one: number | string, other: number | string) => string} */
  const range = (one, other) => (one === other ? `${one}` : `${one}–${other}`);
  const count = `${range(first, last)} ${of} ${pages.length}`;
  const [from, to] = [printedOf(first, pages, offset), printedOf(last, pages, offset)];
  return from || to ? `${range(from || to, to || from)} (${count})` : count;
}

/**
 * The page that somebody means by a text, or null. A label or a printed number comes before the count; "#12" is always the count.
 * @param {string} text
 * @param {Labelled[]} pages
 * @param {number | null} offset
 */
export function pageMeant(text, pages, offset) {
  const meant = folded(text).replace(/^(p\.?|ページ|第)\s*/, "").replace(/\s*(ページ|頁)$/, "").replace(/^[-―—–\s]+|[-―—–\s]+$/g, "");
  if (!meant) return null;
  /** @param {number} page */
  const within = (page) => (Number.isInteger(page) && page >= 1 && page <= pages.length ? page : null);
  if (meant.startsWith("#")) return within(Number(meant.slice(1)));
  if (offset !== null && /^\d+$/.test(meant)) return within(Number(meant) + offset);
  const labelled = pages.findIndex((one) => folded(one.label || "") === meant);
  return labelled >= 0 ? labelled + 1 : within(Number(meant));
}
