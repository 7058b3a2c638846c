/* Somebody leaves a device that others use. The server gets what it can take of their marks, and the device keeps nothing of theirs but
   the marks that the server does not have, which wait for them and are shown to nobody else. The browser is not told to forget all: it
   would do that to these marks as well. */

/** @import { App, Library } from "./types" */

import { keys, remove, write } from "./keeping.js";
import { LEAVING, PERSON, UNSENT, UNTOLD } from "./left_off.js";
import { attempt, read } from "./storage.js";

const ALL = "sidebooks ";
/** What is of the device, and of nobody in particular. */
const OF_DEVICE = [...["device", "clock", "language", "light", "hint", "view"].map((name) => ALL + name), UNSENT, LEAVING];

/* What is kept of whoever was here, but for places that the server is to be told of: they have their owner's name. */
function forgetHere() {
  for (const key of keys(ALL)) if (!OF_DEVICE.includes(key) && !key.startsWith(UNTOLD)) remove(key);
  const ofTab = attempt(() => Object.keys(sessionStorage), /** @type {string[]} */ ([]));
  for (const key of ofTab) if (key.startsWith(ALL)) attempt(() => sessionStorage.removeItem(key), undefined);
}

/** @param {Library} library @param {string} person */
async function forget(library, person) {
  forgetHere();
  for (const key of keys(UNTOLD)) remove(key);
  if (!globalThis.indexedDB) return;
  const { forgetMarks } = await import("./marks_left.js");
  await forgetMarks(library, person);
}

/**
 * Log out. Rejects with a Problem if the server does not answer: then whoever asked is logged in still. A tab that is killed meanwhile
 * leaves the rest to `finishLeaving`.
 * @param {import("./api.js").Api} api
 * @param {import("./api.js").Me} me
 */
export async function leave(api, me) {
  const { sendBeforeLeaving } = await import("./marks_left.js");
  write(LEAVING, me.id);
  if (me.role !== "guest") await sendBeforeLeaving(api.library, me.id); // a guest's marks end with their login
  await api.send("POST", "/logout");
  await forget(api.library, me.id).then(() => remove(LEAVING), () => {}); // it is tried again at the next start
}

/** What a tab that was killed did not get to, and what is left of somebody after whom another person logged in. @param {App} app */
export async function finishLeaving(app) {
  const person = read(LEAVING);
  if (!person) return;
  const { id } = await app.library.json("/me");
  if (id !== person) await forget(app.library, person);
  remove(LEAVING);
}

/**
 * Somebody logs in, perhaps after another person whose login has ended.
 * @param {string} person by the server's name of them; "": it will tell
 */
export function follow(person) {
  const before = read(PERSON);
  if (before && !person) write(LEAVING, before);
  else if (before && before !== person) forgetHere();
  remove(PERSON); // who it is, the server will tell
}
