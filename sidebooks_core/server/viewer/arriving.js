/* The ways into a meeting: its address, the page on which its code is typed, and this tab's own memory of it, after it was loaded
   again. */

/** @import { Address, App } from "./types" */

import { TOP } from "./client.js";
import { attempt } from "./storage.js";

const KEPT = "sidebooks meeting"; // of this tab: two tabs may be in two meetings

/** The meeting that this tab was in; "" if in none. */
export const keptMeeting = () => attempt(() => sessionStorage.getItem(KEPT), null) || "";

/** @param {string} id "": none any more */
export function keepMeeting(id) {
  attempt(() => (id ? sessionStorage.setItem(KEPT, id) : sessionStorage.removeItem(KEPT)), undefined);
}

/**
 * Take part in the meeting that an address names, or ask for a code. Resolves when there is something to see.
 * @param {App} app
 * @param {Address} place its token: "projector", "code=ABCD-EFGH", or ""
 */
export async function arrive(app, { kind, id, token }) {
  const [, code] = /^code=(.*)$/.exec(token) || [];
  if (kind === "code" || (code !== undefined && !await isOurs(app, id))) {
    const { showCode } = await import("./code_page.js");
    await showCode(app, code || token);
    return;
  }
  const isProjector = token === "projector";
  await enter(app, id, isProjector).catch((error) => {
    if (error.name !== "AbortError") app.meeting?.leave();
    throw error;
  });
  if (!app.reader.state.book && !isProjector) await app.showShelf({ folder: TOP }); // no paper is open yet
}

/** Whether somebody may be in a meeting as who they are. @param {App} app @param {string} id */
async function isOurs(app, id) {
  return app.library.json(`/meetings/${encodeURIComponent(id)}`).then(() => true, (error) => {
    if ([401, 403, 404].includes(error.status)) return false;
    throw error;
  });
}

/**
 * Take part in a meeting. Rejects with a Problem if there is none, or if it is not for whoever asks.
 * @param {App} app
 * @param {string} id
 * @param {boolean} [isProjector] a screen that shows the presenter's page and nothing else
 */
export async function enter(app, id, isProjector = false) {
  const { Participation } = await import("./participation.js");
  if (app.meeting?.id !== id || app.meeting.isProjector !== isProjector) {
    app.meeting?.leave();
    app.meeting = new Participation(app, id, isProjector);
    if (!isProjector) keepMeeting(id);
  } else app.meeting.comeBack();
  await app.meeting.arrived();
}

/** After this tab was loaded again: take part in the meeting that it was in. @param {App} app */
export async function resume(app) {
  const id = keptMeeting();
  if (!id || app.meeting) return;
  await enter(app, id).catch((error) => {
    if ([401, 403, 404].includes(error.status)) app.meeting?.leave(); // it is over, or not for us any more
  });
}
