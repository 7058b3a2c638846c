/* Where the marks of a paper stand in the revision that is open: by page, and also those of older revisions. Pages count from 1. */

/** @import { MarkRecord, PageFate, PlacedMark } from "./types" */
/** @import { Fates } from "./marks_merge.js" */

import { compared } from "./marks_clock.js";
import { fatesByPage, placed } from "./marks_merge.js";

const FEW = 20;

/**
 * What is different. `added`: marks that are to be painted, `removed`: those that were; both have the ones that changed. `isPlaced`:
 * other marks may stand elsewhere as well.
 * @typedef {{added: PlacedMark[], removed: PlacedMark[], isPlaced: boolean}} MarksChange
 */

/**
 * `revision`, `pageCount`: of what is open. `fatesOf`: what became of the pages of an older revision; null: it cannot be said.
 * @typedef {{revision: number, pageCount: number, fatesOf: (revision: number) => Promise<PageFate[] | null>}} Shown
 */

export class MarksPlaces {
  /** Those that there are, by their ids; also deleted ones that the server does not know. @type {Map<string, MarkRecord>} */
  records = new Map();
  /** @type {Map<number, PlacedMark[]> | null} */
  #byPage = null;
  /** By revision; null: nobody can say; not there: it is asked for. @type {Map<number, Fates | null>} */
  #fates = new Map();
  /** @type {Set<number>} */
  #asked = new Set();
  #isClosed = false;

  /** @param {Shown} shown @param {() => void} moved it is known where marks of another revision stand */
  constructor(shown, moved) {
    this.shown = shown;
    this.moved = moved;
  }

  /** Those on a page, in the order in which they were made. @param {number} page @returns {PlacedMark[]} */
  of(page) {
    if (!this.#byPage) {
      this.#byPage = new Map();
      for (const one of this.all()) {
        if (one.page === null) continue;
        const there = this.#byPage.get(one.page);
        if (there) there.push(one);
        else this.#byPage.set(one.page, [one]);
      }
    }
    return this.#byPage.get(page) || [];
  }

  /** All, also those of pages that were removed; none of which it is not known yet where they stand. @returns {PlacedMark[]} */
  all() {
    const found = [...this.records.values()].map((one) => this.#placed(one)).filter((one) => one !== null);
    return /** @type {PlacedMark[]} */ (found).sort((a, b) => (a.mark.id < b.mark.id ? -1 : 1));
  }

  /** @param {string} id @returns {PlacedMark | null} null: there is none, or not any more */
  get(id) {
    const record = this.records.get(id);
    return record ? this.#placed(record) : null;
  }

  /** What holds from now on. @param {MarkRecord[]} records @param {string[]} gone */
  apply(records, gone) {
    /** @type {MarksChange} */
    const change = { added: [], removed: [], isPlaced: false };
    /** @type {PlacedMark[]} */
    const same = []; // as before, but for what the server says of them
    for (const id of gone) {
      const before = this.get(id);
      if (before) change.removed.push(before);
      this.records.delete(id);
    }
    for (const one of records) {
      const before = this.records.get(one.id);
      const isSame = before && compared(before.mark.stamp, one.mark.stamp) === 0 && (before.mark.body === null) === (one.mark.body === null);
      const was = isSame ? null : this.get(one.id);
      this.records.set(one.id, isSame ? { ...one, mark: { ...one.mark, body: before.mark.body } } : one); // a body is known by itself
      const is = this.get(one.id);
      if (was) change.removed.push(was);
      if (is) (isSame ? same : change.added).push(is);
    }
    this.#keep(change.removed, [...same, ...change.added]);
    this.#askFates();
    return change;
  }

  close() { this.#isClosed = true; }

  /* A few changes go through their own pages only; the marks of the other pages are not sorted anew. */
  /** @param {PlacedMark[]} removed @param {PlacedMark[]} added */
  #keep(removed, added) {
    if (added.length + removed.length > FEW) this.#byPage = null;
    if (!this.#byPage) return;
    for (const [all, isAdded] of /** @type {[PlacedMark[], boolean][]} */ ([[removed, false], [added, true]])) {
      for (const one of all) {
        if (one.page === null) continue;
        const others = (this.#byPage.get(one.page) || []).filter(({ mark }) => mark.id !== one.mark.id);
        const later = others.findIndex(({ mark }) => mark.id > one.mark.id);
        if (isAdded) others.splice(later < 0 ? others.length : later, 0, one);
        this.#byPage.set(one.page, others);
      }
    }
  }

  /** @param {MarkRecord} record */
  #placed(record) {
    if (!record.mark.body) return null;
    return placed(record, this.shown.revision, this.#fates.get(record.mark.anchor.revision), this.shown.pageCount);
  }

  /* Where marks of other revisions stand now. */
  #askFates() {
    const revisions = new Set([...this.records.values()].map((one) => one.mark.anchor.revision));
    for (const revision of revisions) {
      if (revision === this.shown.revision || this.#asked.has(revision)) continue;
      this.#asked.add(revision);
      this.shown.fatesOf(revision).then((fates) => {
        if (this.#isClosed) return;
        this.#fates.set(revision, fates && fatesByPage(fates));
        this.#byPage = null;
        this.moved();
      }, () => { this.#asked.delete(revision); }); // there is no connection: it is asked for with the next change
    }
  }
}
