/* What became of the pages of a paper that was replaced. */

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

