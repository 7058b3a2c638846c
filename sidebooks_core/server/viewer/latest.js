/* What somebody read last, to go on with: the first thing on the shelf. */

import { keyOf, parsePlace } from "./place.js";
import { pathOf } from "./rows.js";
import { withoutEnding } from "./shelf_list.js";
import { opened, pageOf } from "./shelf_memory.js";

const LATEST = 5; // papers to look up

/** @typedef {import("./rows.js").Latest} Latest */

/**
 * Papers: as the server knows it of somebody, or this device of anybody.
 * @param {import("./api.js").Api} api
 * @param {import("./api.js").LeftOff[]} reading
 */
export async function latestPapers(api, reading) {
  const here = opened().filter((one) => one.key.startsWith("paper="));
  const known = reading.length ? reading.filter((one) => one.at_s)
    : here.map(({ key }) => ({ paper: parsePlace(key).id, page: pageOf(key) || 1 }));
  const wanted = known.filter((one) => one.page > 1).slice(0, LATEST);
  const papers = await Promise.all(wanted.map((one) => api.paper(one.paper).catch(() => null)));
  /** @type {Latest[]} */
  const made = [];
  for (const [index, one] of papers.entries()) {
    if (!one?.document || one.withdrawn_s !== null) continue;
    const preview = pathOf(one.document.preview);
    made.push({ key: keyOf("paper", one.id), name: one.name, page: wanted[index].page, count: one.page_count, preview });
  }
  return made;
}

/**
 * Documents of a served folder, as this device knows it.
 * @param {string} base
 * @param {import("./api.js").DocumentSummary[]} documents
 * @returns {Latest[]}
 */
export function latestDocuments(base, documents) {
  const known = new Map(documents.map((one) => [keyOf("document", one.id), one]));
  return opened().flatMap(({ key }) => {
    const one = known.get(key);
    if (!one) return [];
    const preview = `${base}/documents/${one.id}/pages/1/preview`;
    return [{ key, name: withoutEnding(one.name), page: pageOf(key) || 1, count: one.page_count, preview }];
  });
}
