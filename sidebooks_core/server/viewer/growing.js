/* Long lists: the first rows are there at once, the others come a few in each frame. Rows that are there already stay. The focus
   stays, too: if its row is made anew, the same control of the new row has it. */

export const FIRST_ROWS = 40;
export const ROWS_A_FRAME = 60;

/**
 * A list, and what its rows are made of.
 * @template T
 * @typedef {{
 *   list: HTMLElement, items: readonly T[], keyOf(item: T): string, shown(item: T): unknown, make(item: T): HTMLElement,
 * }} Part
 */

/** Fills lists one after the other. */
export class Growing {
  /** @type {(Part<unknown> & {next: number, before: HTMLElement | null})[]} `before`: the row that stands where the next one goes */
  #left = [];
  #frame = 0;
  /** @type {{list: HTMLElement, key: string, index: number} | null} the control of a row that has the focus */
  #focus = null;

  /** @param {Kept} kept */
  constructor(kept) { this.kept = kept; }

  /**
   * @param {Part<unknown>[]} parts
   * @param {number} [first] rows to be there when this returns
   */
  fill(parts, first = FIRST_ROWS) {
    cancelAnimationFrame(this.#frame);
    this.#focus = focusIn(parts) || this.#focus;
    this.#left = parts.map((part) => {
      const wanted = new Set(part.items.map(part.keyOf));
      for (const row of rowsOf(part.list)) if (!wanted.has(row.dataset.key || "")) row.remove();
      return { ...part, next: 0, before: rowsOf(part.list)[0] || null };
    });
    this.#step(first);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#left = [];
    this.#focus = null;
  }

  /** @param {number} most rows to make */
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
      if (row === part.before) part.before = rowAfter(row);
      else part.list.insertBefore(row, part.before);
    }
    while (this.#left.length && this.#left[0].next === this.#left[0].items.length) this.#end(this.#left[0]);
    this.#keepFocus();
    if (this.#left.length) this.#frame = requestAnimationFrame(() => this.#step(ROWS_A_FRAME));
  }

  #keepFocus() {
    if (!this.#focus) return;
    const { list, key, index } = this.#focus;
    if (document.activeElement === document.body) {
      const row = rowsOf(list).find((one) => one.dataset.key === key);
      if (row) controlsOf(row)[index]?.focus({ preventScroll: true });
    }
    if (!this.#left.length) this.#focus = null;
  }

  /** Rows of items that show something else by now go. @param {{before: HTMLElement | null}} part */
  #end(part) {
    while (part.before) {
      const next = rowAfter(part.before);
      part.before.remove();
      part.before = next;
    }
    this.#left.shift();
  }
}

/** @param {HTMLElement} row @returns {HTMLElement[]} */
const controlsOf = (row) => [...row.querySelectorAll("a, button")].map((one) => /** @type {HTMLElement} */ (one));

/** @param {readonly {list: HTMLElement}[]} parts */
function focusIn(parts) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  for (const { list } of focused && focused !== document.body ? parts : []) {
    const row = rowsOf(list).find((one) => one.contains(focused));
    if (row && focused) return { list, key: row.dataset.key || "", index: controlsOf(row).indexOf(focused) };
  }
  return null;
}

/** @param {HTMLElement} list */
const rowsOf = (list) => /** @type {HTMLElement[]} */ ([...list.children]);
/** @param {HTMLElement} row */
const rowAfter = (row) => /** @type {HTMLElement | null} */ (row.nextElementSibling);

/** Elements by what they show: what did not change is not made again. */
export class Kept {
  /** @type {Map<string, {told: string, made: unknown}>} */
  #made = new Map();

  clear() { this.#made.clear(); }

  /**
   * @template T
   * @param {string} key
   * @param {unknown} shown
   * @param {() => T} make
   */
  row(key, shown, make) {
    const told = JSON.stringify(shown);
    const known = this.#made.get(key);
    if (known?.told === told) return { row: /** @type {T} */ (known.made), isNew: false };
    const made = make();
    this.#made.set(key, { told, made });
    return { row: made, isNew: true };
  }

  /**
   * As `row`, but gives what was made, which may be several elements.
   * @template T
   * @param {string} key
   * @param {unknown} shown
   * @param {() => T} make
   */
  get(key, shown, make) { return this.row(key, shown, make).row; }
}
