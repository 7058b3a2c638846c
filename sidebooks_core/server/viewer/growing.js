/* Long lists: the first rows are there at once, the others come a few in each frame. Rows that are there already stay, with their
   focus. */

export const FIRST_ROWS = 40;
export const ROWS_A_FRAME = 60;

/** Fills lists one after the other. `made`: called with a key, what the row shows, and what makes it, gives the row: see Kept. */
export class Growing {
  #left = [];
  #frame = 0;

  constructor(kept) { this.kept = kept; }

  /** parts: [{list, items, keyOf(item), shown(item), make(item)}…]. first: rows to be there when this returns. */
  fill(parts, first = FIRST_ROWS) {
    cancelAnimationFrame(this.#frame);
    this.#left = parts.map((part) => {
      const wanted = new Set(part.items.map(part.keyOf));
      for (const row of [...part.list.children]) if (!wanted.has(row.dataset.key)) row.remove();
      return { ...part, next: 0, before: part.list.firstChild };
    });
    this.#step(first);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#left = [];
  }

  #step(most) {
    let built = 0;
    while (this.#left.length && built < most) {
      const [part] = this.#left;
      if (part.next === part.items.length) {
        this.#end(part);
        continue;
      }
      const item = part.items[part.next];
      part.next += 1;
      const key = part.keyOf(item);
      const { row, isNew } = this.kept.row(key, part.shown(item), () => part.make(item));
      row.dataset.key = key;
      if (isNew) built += 1;
      if (row === part.before) part.before = row.nextSibling;
      else part.list.insertBefore(row, part.before);
    }
    while (this.#left.length && this.#left[0].next === this.#left[0].items.length) this.#end(this.#left[0]);
    if (this.#left.length) this.#frame = requestAnimationFrame(() => this.#step(ROWS_A_FRAME));
  }

  #end(part) { // rows of items that show something else by now
    while (part.before) {
      const { nextSibling } = part.before;
      part.before.remove();
      part.before = nextSibling;
    }
    this.#left.shift();
  }
}

/** Elements by what they show: what did not change is not made again. */
export class Kept {
  #made = new Map();

  clear() { this.#made.clear(); }

  row(key, shown, make) {
    const told = JSON.stringify(shown);
    const known = this.#made.get(key);
    if (known?.told === told) return { row: known.made, isNew: false };
    const made = make();
    this.#made.set(key, { told, made });
    return { row: made, isNew: true };
  }

  /** As `row`, but gives what was made, which may be several elements. */
  get(key, shown, make) { return this.row(key, shown, make).row; }
}
