/* Somebody leaves a device that others use. The server gets what it can take of their marks, and the device keeps nothing of theirs but
   the marks that the server does not have, which wait for them and are shown to nobody else. The browser is not told to forget all: it
   would do that to these marks as well. */

/** @import { App } from "./types" */

import { keys, remove, write } from "./keeping.js";
import { LEAVING, leavers, noteLeavers, PERSON, UNSENT, UNTOLD, untoldOf } from "./left_off.js";
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

/* What is kept of whoever was here, and places that the server was not told of: theirs, and those of nobody. */
/** @param {string} person */
function forgetAllHere(person) {
  forgetHere();
  for (const key of keys(UNTOLD)) if ([person, "", undefined].includes(untoldOf(read(key))?.person)) remove(key);
}

/**
 * Log out. Rejects with a Problem if the server does not answer: then whoever asked is logged in still. What comes late is not kept:
 * `finishLeaving` looks again at the next start.
 * @param {import("./api.js").Api} api
 * @param {import("./api.js").Me} me
 */
export async function leave(api, me) {
  const { forgetMarks, sendBeforeLeaving, stopSending } = await import("./marks_left.js");
  noteLeavers(leavers().set(me.id, true));
  if (me.role !== "guest") await sendBeforeLeaving(api.library, me.id); // a guest's marks end with their login
  await stopSending();
  await api.send("POST", "/logout");
  forgetAllHere(me.id);
  await forgetMarks(api.library, me.id).catch(() => {}); // it is tried again at the next start
}

/** What is left of those who are here no more: they logged out, or another person logged in after them. @param {App} app */
export async function finishLeaving(app) {
  if (!leavers().size) return;
  const { id } = await app.library.json("/me");
  const { forgetMarks } = await import("./marks_left.js");
  for (const [person, isHere] of leavers()) {
    if (person !== id) {
      if (isHere) forgetAllHere(person);
      noteLeavers(leavers().set(person, false)); // what is here from now on is of whoever came
      await forgetMarks(app.library, person);
    }
    const left = leavers();
    left.delete(person);
    noteLeavers(left);
  }
}

/** The server says that somebody else is here than before, who did not log in by this viewer. @param {App} app @param {string} person */
export async function handOver(app, person) {
  forgetHere();
  write(PERSON, person);
  await finishLeaving(app);
}

/**
 * Somebody logs in, perhaps after another person whose login has ended.
 * @param {string} person by the server's name of them; "": it will tell
 */
export function follow(person) {
  const before = read(PERSON);
  if (before && before !== person) {
    noteLeavers(leavers().set(before, !person));
    if (person) forgetHere();
  }
  remove(PERSON); // who it is, the server will tell
}
