/* Plain pages in the place of a screen: what they say is in connection.js. */

/** @import { App } from "./types" */

import { isReachable, showOffline, showUnknown as show } from "./connection.js";
import { need } from "./elements.js";
import { styled } from "./shelf.js";

const host = () => need("shelf");

/** @param {App} app */
async function cleared(app) {
  app.entry = () => {};
  app.leaveReader();
  await Promise.all([app.afterwards(), styled]);
  app.shelf?.giveUp();
}

/** The address names nothing. @param {App} app */
export async function showUnknown(app) {
  await cleared(app);
  app.entry = async () => show(host(), () => { location.hash = ""; });
  await app.entry();
}

/** Whether the server cannot be reached; then a page says so, and begins anew, with the newest viewer, when it can. @param {App} app */
export async function isOffline(app) {
  if (await isReachable(app.library.base)) return false;
  await cleared(app);
  app.entry = async () => {
    app.endWaiting();
    app.endWaiting = showOffline(host(), app.library.base, () => location.reload());
  };
  await app.entry();
  return true;
}
