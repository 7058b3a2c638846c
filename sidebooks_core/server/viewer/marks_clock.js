/* The hybrid logical clock of marks on this device, as marks/clock.py has it; and ids of marks. */

/** @import { Stamp } from "./types" */

const COUNTERS = 1 << 16;
const MOST_AHEAD_MS = 5 * 60_000; // a stamp that is further ahead of the server is not believed

/** @type {Stamp} */
export const NO_STAMP = [0, 0, ""];

/** Less than 0: the first is earlier. Pure. @param {Stamp} one @param {Stamp} other */
export function compared(one, other) {
  return one[0] - other[0] || one[1] - other[1] || (one[2] < other[2] ? -1 : Number(one[2] > other[2]));
}

/**
 * The stamp of what a device does now. It is greater than the last, the greatest that it has made or seen. Pure.
 * @param {Stamp} last
 * @param {number} now_ms by the server's clock, as far as it is known
 * @param {string} device
 * @returns {Stamp}
 */
export function ticked(last, now_ms, device) {
  if (now_ms > last[0]) return [now_ms, 0, device];
  if (last[1] + 1 < COUNTERS) return [last[0], last[1] + 1, device];
  return [last[0] + 1, 0, device];
}

/**
 * By how much the server's clock is ahead of this one. The server told its time between asking and its answer. Pure.
 * @param {number} server_ms
 * @param {number} asked_ms
 * @param {number} answered_ms
 */
export const offsetOf = (server_ms, asked_ms, answered_ms) => Math.round(server_ms - (asked_ms + answered_ms) / 2);

export class MarksClock {
  /** The greatest that was made or seen. @type {Stamp} */
  #last = NO_STAMP;

  /**
   * @param {string} device
   * @param {number | null} offset_ms what the server's clock was ahead at the last contact; null: there was none
   * @param {() => number} now
   */
  constructor(device, offset_ms, now = Date.now) {
    this.device = device;
    this.offset_ms = offset_ms;
    this.now = now;
  }

  /** Whether the server's time is known. */
  get isSure() { return this.offset_ms !== null; }

  /** @param {Stamp} stamp */
  see(stamp) { if (compared(stamp, this.#last) > 0) this.#last = stamp; }

  /** The server has told its time. What it would not believe is forgotten. @param {number} server_ms @param {number} asked_ms */
  hear(server_ms, asked_ms) {
    this.offset_ms = offsetOf(server_ms, asked_ms, this.now());
    if (this.#last[0] > server_ms + MOST_AHEAD_MS) this.#last = [server_ms, 0, this.device];
  }

  /** The stamp of what is done now. @param {Stamp} [after] it is greater than that one, too, which may be of a clock that was ahead */
  tick(after = NO_STAMP) {
    const now_ms = Math.max(0, Math.round(this.now() + (this.offset_ms ?? 0)));
    this.#last = ticked(this.#last, now_ms, this.device);
    return compared(this.#last, after) > 0 ? this.#last : ticked(after, now_ms, this.device); // others need not be ahead
  }

  /**
   * A stamp that was made before the server's time was known, as it would have been made after it.
   * @param {Stamp} stamp
   * @returns {Stamp}
   */
  corrected(stamp) {
    /** @type {Stamp} */
    const made = [Math.max(0, stamp[0] + (this.offset_ms ?? 0)), stamp[1], stamp[2]];
    this.see(made);
    return made;
  }
}

/** Two hexadecimal digits. @param {number} byte */
const hex = (byte) => byte.toString(16).padStart(2, "0");

/**
 * The id of a mark: a UUID of version 7, so that ids of a device are in the order of their stamps. Pages that came without encryption have
 * no `randomUUID`.
 * @param {Stamp} stamp with which the mark is made
 */
export function newMarkId([at_ms, counter]) {
  const random = crypto.getRandomValues(new Uint8Array(10));
  const time = at_ms.toString(16).padStart(12, "0").slice(-12);
  random[0] = 0x70 | ((counter >> 8) & 15);
  random[1] = counter & 255;
  random[2] = 0x80 | (random[2] & 63);
  const text = time + [...random].map(hex).join("");
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}
