/* Files with the marks of a paper, for those who may have them. */

/** @import { Library, OpenBook } from "./types" */

/** @param {OpenBook} book */
export const mayExport = ({ paper }) => Boolean(paper?.may.includes("export_marks"));

/**
 * The address of the paper as a PDF with marks.
 * @param {Library} library
 * @param {OpenBook} book of a paper
 * @param {"mine" | "all"} whose
 */
export const marksAddress = ({ base }, { paper }, whose) => (
  `${base}/papers/${encodeURIComponent(paper?.id ?? "")}/marks.pdf?revision=${paper?.revision}&whose=${whose}`);
