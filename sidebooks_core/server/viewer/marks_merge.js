/* Which version of a mark holds, and where a mark stands in the revision that is open: as marks/merge.py and marks/placing.py say it.
   Pure. */

/** @import { Mark, MarkRecord, PageFate, PlacedMark } from "./types" */

import { compared } from "./marks_clock.js";

/**
 * The version that holds of two of the same mark. A deleted one wins, else the greater stamp, and of equal ones the second: the server,
 * which decides about them by their bytes, has said it last.
 * @param {Mark} one
 * @param {Mark} other
 */
export function merged(one, other) {
  const isGone = [one, other].map(({ body }) => Number(body === null));
  return isGone[0] - isGone[1] > 0 || (isGone[0] === isGone[1] && compared(one.stamp, other.stamp) > 0) ? one : other;
}

/** Whether this device alone has it: it waits, the server did not take it, or no server keeps it. @param {MarkRecord} record */
export const isUnsent = ({ isPending, refused, isLocal }) => isPending || refused !== undefined || isLocal === true;

/**
 * What became of the pages of an older revision: by page of that one, from 1.
 * @typedef {Map<number, PageFate>} Fates
 */

/** @param {PageFate[]} fates @returns {Fates} */
export const fatesByPage = (fates) => new Map(fates.flatMap((one) => (one.old_page ? [[one.old_page, one]] : [])));

/**
 * Where a mark stands; null: that is not known yet.
 * @param {MarkRecord} record
 * @param {number} revision that is open
 * @param {Fates | null | undefined} fates of the pages of its anchor's revision; null: nobody can say; not needed if both are the same
 * @param {number} pageCount of the revision that is open
 * @returns {PlacedMark | null}
 */
export function placed({ mark, isMine, isPending, refused }, revision, fates, pageCount) {
  const page = mark.anchor.page + 1;
  /** @type {(kind: PlacedMark["kind"], at: number | null) => PlacedMark} */
  const at = (kind, there) => ({ mark, kind, page: there, isMine, isPending, ...(refused ? { refused } : {}) });
  if (mark.anchor.revision === revision) return at("exact", page);
  if (fates === undefined) return null;
  if (fates === null) return page <= pageCount ? at("changed", page) : at("removed", null);
  const fate = fates.get(page);
  if (!fate?.new_page) return at("removed", null);
  return at(fate.kind === "same" || fate.kind === "moved" ? "exact" : "changed", fate.new_page);
}
