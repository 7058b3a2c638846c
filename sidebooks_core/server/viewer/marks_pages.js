/* On which pages somebody has marks of their own. It is kept with each change, so that nobody who turns pages pays for it. */

/** @import { MarksChange } from "./marks_places.js" */
/** @import { PageMarks } from "./marks_store.js" */

export class OwnPages {
  /** @type {Set<number>} */
  #pages = new Set();

  /** @param {PageMarks} marks */
  constructor(marks) {
    this.marks = marks;
    this.#fill();
  }

  get count() { return this.#pages.size; }

  /** @param {number} page */
  has(page) { return this.#pages.has(page); }

  /** The marks have changed. Gives whether these pages may be others. @param {MarksChange} change */
  note({ added, removed, isPlaced }) {
    if (isPlaced) {
      this.#fill();
      return true;
    }
    let isNew = false;
    for (const page of new Set([...added, ...removed].map((one) => one.page))) {
      if (page === null) continue;
      const isOwn = this.marks.of(page).some((one) => one.isMine);
      if (isOwn === this.#pages.has(page)) continue;
      isNew = true;
      if (isOwn) this.#pages.add(page);
      else this.#pages.delete(page);
    }
    return isNew;
  }

  #fill() { this.#pages = new Set(this.marks.all().flatMap(({ page, isMine }) => (isMine && page !== null ? [page] : []))); }
}
