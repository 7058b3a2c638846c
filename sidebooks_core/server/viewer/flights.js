/* What is on its way, each once, however many wait for it. */

import { either, unlessAborted } from "./requests.js";

/**
 * `waiting`: how many wait that can give it up; Infinity if somebody waits who cannot.
 * @template T
 * @typedef {{control: AbortController, promise: Promise<T>, waiting: number}} Flight
 */

/**
 * Work by a key.
 * @template K, T
 */
export class Flights {
  /** @type {Map<K, Flight<T>>} */
  #flying = new Map();

  /** @param {AbortSignal} closing gives up all of it */
  constructor(closing) { this.closing = closing; }

  /**
   * Wait for what has this key; begin it if nobody did. If all who wait give it up, it is given up.
   * @param {K} key
   * @param {AbortSignal | undefined} signal of whoever waits
   * @param {(signal: AbortSignal) => Promise<T>} does
   * @returns {Promise<T>}
   */
  joined(key, signal, does) {
    const earlier = this.#flying.get(key);
    const flight = earlier && !earlier.control.signal.aborted ? earlier : this.#begin(key, does); // one given up is of no use
    flight.waiting += signal ? 1 : Infinity;
    return unlessAborted(flight.promise, signal).catch((error) => {
      if (signal?.aborted && (flight.waiting -= 1) === 0) flight.control.abort();
      throw error;
    });
  }

  /**
   * Give up all but some.
   * @param {Set<K>} wanted
   */
  keepOnly(wanted) {
    for (const [key, flight] of this.#flying) if (!wanted.has(key)) flight.control.abort();
  }

  /**
   * @param {K} key
   * @param {(signal: AbortSignal) => Promise<T>} does
   * @returns {Flight<T>}
   */
  #begin(key, does) {
    const control = new AbortController();
    const { signal, end } = either(this.closing, control.signal);
    const promise = unlessAborted(does(signal), signal).finally(() => {
      end();
      if (this.#flying.get(key) === flight) this.#flying.delete(key);
    });
    /** @type {Flight<T>} */
    const flight = { control, promise, waiting: 0 };
    promise.catch(() => {}); // who waits is told
    this.#flying.set(key, flight);
    return flight;
  }
}
