/* The desk of each reader: its marks. It comes after the first page, and may not be there. */

/** @import { Reader } from "./types" */
/** @import { Desk } from "./marks_desk.js" */

/** @type {WeakMap<Reader, Desk>} */
const desks = new WeakMap();

/** @param {Reader} reader @param {Desk | null} desk */
export function setDesk(reader, desk) {
  if (desk) desks.set(reader, desk);
  else desks.delete(reader);
}

/** The desk of what a reader shows; undefined: nothing is open in it, or its marks are not here yet. @param {Reader} reader */
export function deskFor(reader) {
  const desk = desks.get(reader);
  return desk && desk.book === reader.state.book ? desk : undefined;
}
