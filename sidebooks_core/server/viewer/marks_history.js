/* What can be undone of the marks that one made. A deletion is final, so that what is undone of it are new marks. */

/** @import { Mark, MarkBody } from "./types" */

const MOST_STEPS = 200;

/**
 * `marks`: as they were when they were made, or when they were deleted last.
 * @typedef {{kind: "add", marks: Mark[]} | {kind: "remove", marks: Mark[]}
 *   | {kind: "change", id: string, before: MarkBody, after: MarkBody}} Step
 */

export class MarksHistory {
  /** @type {Step[]} */
  #done = [];
  /** @type {Step[]} */
  #undone = [];
  /** The marks that stand in the place of deleted ones. @type {Map<string, string>} */
  #instead = new Map();

  get canUndo() { return this.#done.length > 0; }
  get canRedo() { return this.#undone.length > 0; }

  /** @param {Step} step */
  note(step) {
    this.#done.push(step);
    if (this.#done.length > MOST_STEPS) this.#done.shift();
    this.#undone = [];
  }

  /** @returns {Step | null} the step to be taken back */
  undo() { return this.#moved(this.#done, this.#undone); }

  /** @returns {Step | null} the step to be done again */
  redo() { return this.#moved(this.#undone, this.#done); }

  /** @param {Step[]} from @param {Step[]} to */
  #moved(from, to) {
    const step = from.pop();
    if (!step) return null;
    to.push(step);
    return step;
  }

  /** A text was written in a mark, which is no step: steps on it leave the text as it is. @param {string} id @param {MarkBody} body */
  keepText(id, body) {
    if (!("text" in body)) return;
    for (const step of [...this.#done, ...this.#undone]) {
      if (step.kind !== "change" || this.idOf(step.id) !== this.idOf(id)) continue;
      step.before = /** @type {MarkBody} */ ({ ...step.before, text: body.text });
      step.after = /** @type {MarkBody} */ ({ ...step.after, text: body.text });
    }
  }

  /** A mark was made anew under another id. @param {string} id @param {string} made */
  replace(id, made) { this.#instead.set(this.idOf(id), made); }

  /** The id under which a mark stands now. @param {string} id */
  idOf(id) {
    let found = id;
    for (let next = this.#instead.get(found); next; next = this.#instead.get(found)) found = next;
    return found;
  }
}
