/* What this device remembers of the shelf: the page at which somebody was, what was opened last, when the shelf was seen, where
   somebody was who logs in elsewhere. */

import { write } from "./keeping.js";
import { attempt, read } from "./storage.js";

const VISIT_S = 1800; // a pause as long as this begins another visit
const MOST_OPENED = 30;
const [VISIT, OPENED, ORDER, WAY] = ["visit", "opened", "order", "way"].map((name) => `sidebooks ${name}`);

/**
 * What was stored as JSON; `otherwise` if it is not there or cannot be read.
 * @template T
 * @param {string} key
 * @param {T} otherwise
 * @returns {T}
 */
export function readJson(key, otherwise) {
  try { return JSON.parse(read(key) || "null") ?? otherwise; } catch { return otherwise; }
}

/** The page at which this device left off; null: none. @param {string} key "paper=ID", or a document's id */
export const pageOf = (key) => Number(read(`sidebooks page ${key}`)) || null;

/** When the visit before this one ended, in seconds since 1970; null on the first one. Call it again and again: it notes that
    somebody is here. */
export function visitBefore(now_s = Date.now() / 1000) {
  const kept = readJson(VISIT, /** @type {{before_s: number | null, last_s: number} | null} */ (null));
  const isSame = kept && now_s - kept.last_s < VISIT_S;
  const before_s = isSame ? kept.before_s : kept?.last_s ?? null;
  write(VISIT, JSON.stringify({ before_s, last_s: now_s }));
  return before_s;
}

/** What was opened here, the latest first. */
export const opened = () => readJson(OPENED, /** @type {{key: string, at_s: number}[]} */ ([]));

/** @param {string} key */
export function noteOpened(key, at_s = Date.now() / 1000) {
  const others = opened().filter((one) => one.key !== key);
  write(OPENED, JSON.stringify([{ key, at_s }, ...others].slice(0, MOST_OPENED)));
}

/** A document stands in the place of another one. @param {string} from a key @param {string} to */
export function renameOpened(from, to) {
  const all = opened();
  if (!all.some((one) => one.key === from)) return;
  const others = all.filter((one) => one.key !== to);
  write(OPENED, JSON.stringify(others.map((one) => (one.key === from ? { ...one, key: to } : one))));
}

/** The order of lists that was chosen here: "agenda", "name" or "newest". */
export const orderChosen = () => read(ORDER) || "agenda";
/** @param {string} order */
export const chooseOrder = (order) => write(ORDER, order);

/** Somebody leaves this page to log in: keep the address at which they are, until this tab is closed. @param {string} hash */
export function keepWay(hash) { attempt(() => sessionStorage.setItem(WAY, hash), undefined); }

/** The address that was kept, once; empty if there is none. */
export function takeWay() {
  return attempt(() => {
    const kept = sessionStorage.getItem(WAY);
    sessionStorage.removeItem(WAY);
    return kept;
  }, null) || "";
}
