/* Writes what this device keeps for its reader. */

import { attempt, passing, read, storage } from "./storage.js";

export const PLACE = "sidebooks page "; // what may go first when there is no room: a page that costs a few turns
const ORDER = "sidebooks pages"; // their keys, the one written last at the end
const MOST_PLACES = 1000;
const GIVEN_UP = 20; // places at a time, so that room is not sought again at each turn

let lasts = true;

/** Whether what is written now is there on the next start. @returns {boolean} */
export const isKept = () => lasts && attempt(() => Boolean(storage()), false);

/** Keep a text. If that cannot be, this page remembers it. @param {string} key @param {unknown} value */
export function write(key, value) {
  const text = String(value);
  lasts = put(key, text) || (giveUpPlaces(key) && put(key, text));
  if (lasts) passing.delete(key);
  else passing.set(key, text);
  if (lasts && key.startsWith(PLACE)) noteLatest(key);
}

/** @param {string} key */
export function remove(key) {
  passing.delete(key);
  attempt(() => storage().removeItem(key), undefined);
}

/** The keys that begin so. @param {string} prefix @returns {string[]} */
export function keys(prefix) {
  const kept = attempt(() => Object.keys(storage()), /** @type {string[]} */ ([]));
  return [...new Set([...kept, ...passing.keys()])].filter((key) => key.startsWith(prefix));
}

/** @param {string} key @param {string} text */
function put(key, text) {
  return attempt(() => { storage().setItem(key, text); return true; }, false);
}

/* Places, the one written longest ago first: those of which the order does not tell are older than it. */
function placesByAge() {
  const written = read(ORDER);
  const order = /** @type {string[]} */ (attempt(() => JSON.parse(written || "[]").map(String), []));
  const known = new Set(order);
  const there = new Set(keys(PLACE));
  return [...[...there].filter((key) => !known.has(key)), ...order.filter((key) => there.has(key))];
}

/** @param {string} key */
function noteLatest(key) {
  const written = read(ORDER);
  if (written?.endsWith(`${JSON.stringify(key)}]`)) return; // a turn in the same document
  const places = [...placesByAge().filter((one) => one !== key), key];
  for (const old of places.splice(0, places.length - MOST_PLACES)) remove(old);
  put(ORDER, JSON.stringify(places));
}

/** Whether something was given up. @param {string} but the key that stays */
function giveUpPlaces(but) {
  const oldest = placesByAge().filter((key) => key !== but && !passing.has(key)).slice(0, GIVEN_UP);
  oldest.forEach(remove);
  return oldest.length > 0;
}
