/* What became of the pages of a paper that was replaced. */

/** Where a page of the old revision is in the new one: if it was removed, where the nearest one before it is. Pure. */
export function placeIn(fates, page) {
  const before = fates.filter((one) => one.old_page && one.new_page && one.old_page <= page);
  return before.reduce((best, one) => (one.old_page > best.old_page ? one : best), { old_page: 0, new_page: 1 }).new_page;
}

