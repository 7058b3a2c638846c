/* Plain pages in the place of a screen: what they say is in connection.js. */

import { isReachable, showOffline, showUnknown as show } from "./connection.js";
import { styled } from "./shelf.js";

const host = () => document.getElementById("shelf");

async function cleared(app) {
  app.entry = () => {};
  app.leaveReader();
  await Promise.all([app.afterwards(), styled]);
}

/** The address names nothing. */
export async function showUnknown(app) {
  await cleared(app);
  app.entry = async () => show(host(), () => { location.hash = ""; });
  await app.entry();
}

/** Whether the server cannot be reached; then a page says so, and begins anew, with the newest viewer, when it can. */
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
