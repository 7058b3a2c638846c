/* What became of the pages of a paper that was replaced. */

/** @import { Library, PageFate, PaperDetails } from "./types" */

/**
 * Where a page of the old revision is in the new one: if it was removed, where the nearest one before it is. Pure.
 * @param {{old_page: number | null, new_page: number | null}[]} fates
 * @param {number} page
 */
export function placeIn(fates, page) {
  let best = { old_page: 0, new_page: 1 };
  for (const { old_page, new_page } of fates) {
    if (old_page && new_page && old_page <= page && old_page > best.old_page) best = { old_page, new_page };
  }
  return best.new_page;
}

/**
 * What became of the pages of a paper since a revision; null if they are the same, or if it cannot be said.
 * @param {Library} library
 * @param {PaperDetails | null} paper
 * @param {number | null | undefined} revision null: of a document
 * @returns {Promise<PageFate[] | null>}
 */
export async function fatesSince(library, paper, revision) {
  if (!paper || !revision || revision === paper.revision) return null;
  return library.json(`/papers/${encodeURIComponent(paper.id)}/diff/${revision}-${paper.revision}`).then((found) => found.pages, (error) => {
    if (![404, 409].includes(error.status)) throw error;
    return null;
  });
}
