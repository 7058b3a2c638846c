/* Brings the marks of one paper to this device, one change after the other. What could not be written is tried again with the next. */

/** @import { Change, MarksDisk } from "./marks_disk.js" */

import { joined } from "./marks_disk.js";

let isAsked = false;

/** Browsers give up first what they were not asked to keep. Some ask their reader about it: not before there is something to keep. */
export function askToKeep() {
  if (isAsked) return;
  isAsked = true;
  globalThis.navigator?.storage?.persist?.().catch(() => {}); // then it stays as long as there is room
}

export class MarksWriter {
  /** What is written next. @type {Change | null} */
  #queued = null;
  /** What could not be written. @type {Change | null} */
  #unkept = null;
  /** Resolves when all that was given has been tried. @type {Promise<void>} */
  written = Promise.resolve();
  /** Whether the device keeps what is written. */
  isKept = true;

  /** @param {{disk: MarksDisk, person: string, paper: string}} given @param {() => void} told `isKept` is to be looked at */
  constructor(given, told) {
    this.given = given;
    this.told = told;
  }

  /** Changes are written in the order in which they are given. @param {Change} change */
  write(change) {
    if (this.#queued) {
      this.#queued = joined(this.#queued, change);
      return;
    }
    this.#queued = change;
    this.written = this.written.then(() => {
      const next = /** @type {Change} */ (this.#queued);
      this.#queued = null;
      return this.#write(next);
    });
  }

  /** What the device does not keep, the page remembers, and the server has. */
  lose() {
    this.isKept = false;
    this.told();
  }

  /** @param {Change} change */
  async #write(change) {
    const { disk, person, paper } = this.given;
    const left = this.#unkept;
    const all = left ? joined(left, change) : change;
    try {
      await disk.write(person, paper, all);
      this.#unkept = null;
      if (this.isKept) return;
      this.isKept = true;
      this.told();
    } catch {
      this.#unkept = all;
      this.lose();
      if (left) await disk.write(person, paper, { ...change, known: undefined }).catch(() => {}); // there may be room for this alone
    }
  }
}
