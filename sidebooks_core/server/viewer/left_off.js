/* The page at which somebody left off in a paper. The server keeps it, for all their devices. What it has not taken yet, since there
   was no connection, stays on this device, and the later of the two holds. */

/** @import { App } from "./types" */

import { keys, remove, write } from "./keeping.js";
import { problem } from "./requests.js";
import { read } from "./storage.js";

const MOST_MS = 400; // an opening waits so long after the paper itself is there; then this device's own page will do
export const UNTOLD = "sidebooks untold ";
export const PERSON = "sidebooks person"; // who was known here last, by the server's name of them
export const LEAVING = "sidebooks leaving"; // those who leave the device, or have left it
export const UNSENT = "sidebooks unsent marks"; // whether there are any on this device
const OLDEST_MS = 30 * 24 * 3600 * 1000;
const REFUSED = [400, 403, 404, 409]; // the server will not take it later, either

/** A place that the server has not taken yet. @typedef {{page: number, revision: number, at_ms: number, person: string}} Untold */

/** @param {string} paper */
const addressOf = (paper) => `/papers/${encodeURIComponent(paper)}/position`;

/** @param {string | null} text @returns {Untold | null} */
export function untoldOf(text) {
  try { return JSON.parse(text || "null"); } catch { return null; } // somebody else's writing
}

/** Whether the server knows who reads here, or did until a moment ago. @param {App} app */
export const isKnown = (app) => Boolean(app.person || app.shelf?.me?.is_logged_in || app.meeting?.about?.participant);

/** Those who leave, and whether all that is kept outside the database is still theirs. @returns {Map<string, boolean>} */
export function leavers() {
  try { return new Map(Object.entries(JSON.parse(read(LEAVING) || "{}"))); } catch { return new Map(); } // somebody else's writing
}

/** @param {Map<string, boolean>} all */
export function noteLeavers(all) {
  if (all.size) write(LEAVING, JSON.stringify(Object.fromEntries(all)));
  else remove(LEAVING);
}

/** The server says who is here. Whoever was known before has left. @param {App} app @param {string} person */
export function meet(app, person) {
  const before = read(PERSON);
  if (before === person) return;
  write(PERSON, person);
  if (!before) return;
  noteLeavers(leavers().set(before, false));
  import("./leaving.js").then(({ handOver }) => handOver(app, person)).catch(() => {}); // it is tried again at the next start
}

/** @param {App} app @param {string} person */
function know(app, person) {
  app.person = person;
  meet(app, person);
}

/**
 * Tell the server of the place that is kept here. Gives the page that holds, of the present revision.
 * @param {App} app
 * @param {string} paper
 * @param {boolean} isNow it is the place of this moment
 * @returns {Promise<number | null>}
 */
async function send(app, paper, isNow) {
  const text = read(UNTOLD + paper);
  const untold = untoldOf(text);
  if (!untold) return null;
  const { page, revision, at_ms } = untold;
  const age_s = isNow ? undefined : Math.max(0, Date.now() - at_ms) / 1000;
  /** @type {RequestInit & {priority: "low"}} */
  const options = { method: "PUT", headers: { "Content-Type": "application/json" }, keepalive: true, priority: "low",
    body: JSON.stringify({ page, revision, age_s }) };
  const answer = await app.library.get(addressOf(paper), options);
  const isOver = answer.ok || REFUSED.includes(answer.status) || (answer.status === 401 && !untold.person);
  if (isOver && read(UNTOLD + paper) === text) remove(UNTOLD + paper);
  if (!answer.ok) {
    app.isNobody ||= answer.status === 401;
    throw await problem(answer);
  }
  const told = await answer.json();
  know(app, told.person);
  return told.page;
}

/**
 * The page at which whoever asks left off, as the server has it, after it was told what this device knows.
 * @param {App} app
 * @param {string} paper
 * @returns {Promise<number | null>}
 */
async function agreed(app, paper) {
  /** @type {{page: number | null, person: string}} */
  const found = await app.library.json(addressOf(paper)).catch((error) => {
    app.isNobody ||= error.status === 401;
    throw error;
  });
  know(app, found.person);
  const untold = untoldOf(read(UNTOLD + paper));
  return untold?.person === found.person ? send(app, paper, false) : found.page;
}

/**
 * The page at which whoever asks left off, on whatever device; null if that is not known soon: this device may know it.
 * @param {App} app
 * @param {string} paper
 * @param {Promise<unknown>} [opening] what the opening waits for as well: a slow line is slow for both
 * @returns {Promise<number | null>}
 */
export async function keptPage(app, paper, opening = Promise.resolve()) {
  if (app.isNobody) return null;
  const asked = agreed(app, paper).catch(() => null);
  return Promise.race([asked, opening.then(() => new Promise((done) => { setTimeout(done, MOST_MS, null); }))]);
}

/**
 * Keep the page at which somebody is now. It is kept here when this returns, and by the server when the promise resolves.
 * @param {App} app
 * @param {string} paper
 * @param {number} page
 * @param {number} revision
 */
export async function keepPage(app, paper, page, revision) {
  if (app.isNobody && !app.person) return;
  /** @type {Untold} */
  const untold = { page, revision, at_ms: Date.now(), person: app.person || read(PERSON) || "" };
  write(UNTOLD + paper, JSON.stringify(untold));
  if (!app.isNobody) await send(app, paper, true);
}

/** There is a connection again: tell the server what it does not know. Gives whether there was anything. @param {App} app */
export async function catchUp(app) {
  if (read(UNSENT)) import("./marks_left.js").then(({ sendLeft }) => sendLeft(app)).catch(() => {}); // they stay until the next time
  if (read(LEAVING)) import("./leaving.js").then(({ finishLeaving }) => finishLeaving(app)).catch(() => {}); // likewise
  const waiting = keys(UNTOLD);
  for (const key of waiting) {
    const paper = key.slice(UNTOLD.length);
    const untold = untoldOf(read(key));
    if (!untold || Date.now() - untold.at_ms > OLDEST_MS) { remove(key); continue; }
    if (app.isNobody) return false; // who logs in later tells it
    await agreed(app, paper).catch((error) => {
      if (!error.status) throw error; // there is no connection
      if (REFUSED.includes(error.status) && untold.person === app.person) remove(key);
    });
  }
  return waiting.length > 0;
}
