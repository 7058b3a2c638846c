/* Brings the marks of one paper to the server and back: one request at a time, in groups, again after failures. What is to be sent is
   on the device already, so nothing depends on an answer. */

/** @import { Mark, MarkChanges, MarksApi, MarksPushed } from "./types" */
/** @import { MarksClock } from "./marks_clock.js" */

import { isOfNetwork, problem } from "./requests.js";

const GROUP_MS = 400; // strokes follow each other: one request for some of them
const MOST_MARKS = 100;
const MOST_BYTES = 200_000; // of a request, but for one mark alone
const SAMPLE_BYTES = 22;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const SPREAD_MS = 800; // a hundred tablets are told of a change at once
const LEAVING_BYTES = 50_000; // browsers carry no more for a page that goes away

/**
 * The server's side of a paper's marks.
 * @param {import("./client.js").Library} library
 * @param {string} paper
 * @param {string} person whose marks they are: nothing is told to others, or taken from them
 * @returns {MarksApi}
 */
export function marksApi(library, paper, person) {
  const path = `/papers/${encodeURIComponent(paper)}/marks`;
  /** @param {string} address @param {RequestInit} [options] */
  const asked = async (address, options) => {
    const answer = await library.get(address, options);
    if (!answer.ok) throw await problem(answer);
    return answer.json();
  };
  return {
    read: (since, device, next) => asked(`${path}?since=${since}&device=${encodeURIComponent(device)}&person=${encodeURIComponent(person)}${
      next && `&next=${encodeURIComponent(next)}`}`, { cache: "no-store" }),
    push: (device, marks, isLeaving = false) => asked(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ device, person, marks }), keepalive: isLeaving,
    }),
  };
}

/** About how many bytes a mark takes on the way. @param {Mark} mark */
const weightOf = ({ body }) => 400 + (body?.kind === "ink" ? body.samples.length * SAMPLE_BYTES
  : body && "text" in body ? 3 * (body.text?.length ?? 0) : 0) + (body && "quads" in body ? body.quads.length * 80 : 0);

/**
 * The first of some marks that go in one request. Pure.
 * @param {Mark[]} marks
 * @param {number} most_bytes
 * @param {number} most
 */
export function groupOf(marks, most_bytes = MOST_BYTES, most = MOST_MARKS) {
  let bytes = 0;
  const count = marks.slice(0, most).findIndex((one, index) => {
    bytes += weightOf(one);
    return index > 0 && bytes > most_bytes;
  });
  return marks.slice(0, count < 0 ? most : count);
}

/**
 * Those of some marks that were made under one device id. A browser that was cleared, or two tabs of a first start, have several.
 * Pure.
 * @param {Mark[]} marks
 * @param {string} device of this tab, for none
 */
function ofOneDevice(marks, device) {
  const [first] = marks;
  const made = first ? first.stamp[2] : device;
  return { device: made, marks: marks.filter((one) => one.stamp[2] === made) };
}

/**
 * Two answers of one reading as one, of which the second one goes on where the first one ends. Pure.
 * @param {MarkChanges} first
 * @param {MarkChanges} second
 * @returns {MarkChanges}
 */
export function joined(first, second) {
  if (second.is_whole) return second; // it began anew
  const marks = new Map(first.marks.map((one) => [one.id, one]));
  const gone = new Set([...first.gone, ...second.gone]);
  for (const id of second.gone) marks.delete(id);
  for (const one of second.marks) {
    marks.delete(one.id); // it is a later change
    marks.set(one.id, one);
    gone.delete(one.id);
  }
  return { ...second, is_whole: first.is_whole, marks: [...marks.values()], gone: [...gone] };
}

/**
 * How long to wait before the next try. Pure.
 * @param {number} failures so many, one after the other
 * @param {number} asked_s what the server asks for
 * @param {number} chance from 0 to 1
 */
export const pauseAfter = (failures, asked_s, chance) => Math.max(1000 * asked_s,
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(10, failures - 1)) * (0.75 + chance / 2));

/**
 * What it works for. `pending`: what the server is to take; `leaving`: that, and what is held back, when the page goes away; `took`,
 * `heard`: what the server said; `told`: its state is another one; `left`: somebody else is logged in; `isToSend`: nobody looks at these
 * marks: nothing is read.
 * @typedef {{
 *   since: () => number, pending: () => Mark[], leaving: () => Mark[], took: (pushed: MarksPushed, sent: Mark[]) => void,
 *   heard: (changes: MarkChanges) => void, told: () => void, left: () => void, isToSend: () => boolean,
 * }} SyncHost
 */
/** "waiting": the server is not reached, and asked again. "refused": it does not take these marks, or not from whoever asks. */
/** @typedef {"working" | "done" | "waiting" | "refused"} SyncState */

export class MarksSync {
  /** @type {SyncState} */
  state = "working";
  #mustRead = true;
  #isWorking = false;
  #isClosed = false;
  #failures = 0;
  #most = MOST_MARKS;
  /** A reading that is not complete. @type {MarkChanges | null} */
  #begun = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {(() => void)[]} those that wait until there is nothing to do, or until it failed */
  #waiting = [];

  /** @param {MarksApi} api @param {MarksClock} clock @param {SyncHost} host */
  constructor(api, clock, host) {
    this.api = api;
    this.clock = clock;
    this.host = host;
    globalThis.addEventListener?.("online", this.#retry);
    globalThis.document?.addEventListener("visibilitychange", this.#seen);
    globalThis.addEventListener?.("pagehide", this.#leave);
  }

  #retry = () => { this.now(); };
  #seen = () => { if (globalThis.document?.visibilityState === "visible" && this.state === "waiting") this.now(); };

  /* The page goes away: what is small goes with it. What is not, goes when the paper is opened next. */
  #leave = () => {
    const waiting = ofOneDevice(this.host.leaving(), this.clock.device);
    const marks = groupOf(waiting.marks, LEAVING_BYTES);
    const bytes = marks.reduce((sum, one) => sum + weightOf(one), 0);
    if (!marks.length || bytes > LEAVING_BYTES || this.#mustRead || this.state === "refused") return;
    this.api.push(waiting.device, marks, true).catch(() => {}); // they are on the device
  };

  /** There is something to send. It goes soon. */
  send() { if (this.state !== "waiting" && this.state !== "refused") this.#after(GROUP_MS); }

  /** The server has something: it is asked soon. */
  read() {
    this.#mustRead = true;
    if (this.state === "refused") this.state = "waiting";
    this.#after(Math.random() * SPREAD_MS);
  }

  /** Do now what is to be done. Resolves when it is done, or when it failed. @returns {Promise<void>} */
  now() {
    if (this.state === "refused" || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#work();
    });
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("online", this.#retry);
    globalThis.document?.removeEventListener("visibilitychange", this.#seen);
    globalThis.removeEventListener?.("pagehide", this.#leave);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** @param {number} ms */
  #after(ms) {
    clearTimeout(this.#timer);
    if (!this.#isWorking && !this.#isClosed) this.#timer = setTimeout(() => this.#work(), ms);
  }

  async #work() {
    if (this.#isWorking || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#isWorking = true;
    /** @type {SyncState} */
    let after = "done";
    let pause_ms = 0;
    try {
      while (!this.#isClosed && await this.#step()) this.#failures = 0;
    } catch (error) {
      const { status = 0, retry_after_s = 0 } = /** @type {import("./requests.js").Problem} */ (error);
      const isFinal = !isOfNetwork(error) && status >= 400 && status < 500 && ![408, 425, 429].includes(status);
      after = isFinal ? "refused" : "waiting";
      if (isFinal) this.#begun = null;
      if (status === 409) this.host.left();
      this.#failures += 1;
      pause_ms = pauseAfter(this.#failures, retry_after_s, Math.random());
      this.#mustRead = true; // much may have happened by the next time
    }
    this.#isWorking = false;
    if (after === "waiting") this.#after(pause_ms);
    this.state = after;
    this.host.told();
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (after === "done" && (this.#mustRead || this.host.pending().length)) this.#after(GROUP_MS); // it came in the last moment
  }

  /** One request. Gives whether there was anything to do. What comes after the end is not taken: it would be kept of whoever left. */
  async #step() {
    const { api, clock, host } = this;
    const asked_ms = clock.now();
    if (host.isToSend()) {
      this.#mustRead = false;
      this.#begun = null;
    }
    if (this.#mustRead || this.#begun) {
      if (!this.#begun) this.#mustRead = false; // what comes while a long reading lasts is read after it
      const told = await api.read(host.since(), clock.device, this.#begun?.next ?? "");
      if (this.#isClosed) return false;
      clock.hear(told.server_ms, asked_ms);
      const changes = this.#begun ? joined(this.#begun, told) : told;
      this.#begun = changes.next ? changes : null;
      if (!this.#begun) host.heard(changes);
      return true;
    }
    const waiting = ofOneDevice(host.pending(), clock.device);
    const marks = groupOf(waiting.marks, MOST_BYTES, this.#most);
    if (!marks.length) return false;
    try {
      const pushed = await api.push(waiting.device, marks);
      if (this.#isClosed) return false;
      clock.hear(pushed.server_ms, asked_ms);
      host.took(pushed, marks);
    } catch (error) {
      const { status, message } = /** @type {import("./requests.js").Problem} */ (error);
      if (this.#isClosed || ![400, 413, 422].includes(status)) throw error;
      if (marks.length > 1) { this.#most = Math.ceil(marks.length / 4); return true; } // one of them is the reason
      this.#most = MOST_MARKS;
      host.took({ server_ms: 0, marks: [], refused: [{ id: marks[0].id, reason: message }] }, marks);
    }
    return true;
  }
}
