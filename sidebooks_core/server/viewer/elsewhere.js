/* What an address names beside papers and documents, and what is shown if something cannot be. */

/** @import { Address, App, Problem } from "./types" */

import { TOP } from "./client.js";

/** @param {App} app @param {Address} place */
export async function goElsewhere(app, place) {
  const { kind, id, query, token } = place;
  if (kind === "join" || kind === "setup") await app.showEntry(kind, token);
  else if (kind === "search") await app.showShelf({ query });
  else if (kind === "shelf" || kind === "folder") await app.showShelf({ folder: kind === "folder" ? id : TOP });
  else if (kind === "meeting" || kind === "code") await (await import("./arriving.js")).arrive(app, place);
  else await (await import("./plain.js")).showUnknown(app);
}

/** What an address names cannot be shown. @param {App} app @param {Address["kind"]} kind @param {Problem} error */
export async function giveUp(app, kind, error) {
  const logIn = () => app.showEntry("login");
  if (error.status === 401) { await logIn(); return; }
  if ((!error.status || error.status >= 500) && await (await import("./plain.js")).isOffline(app)) return;
  if (kind !== "shelf") {
    await app.showShelf({ folder: TOP }).catch((other) => (other.status === 401 ? logIn() : null)); // the first fault is told
  }
  (await app.afterwards()).fail(error, kind);
}
