/* The screens beside the reader: the shelf, and the ways in. main.js asks for them when one is to be shown. */

/** @import { App, EntryWay, Marks, Shelf, ShelfPlace } from "./types" */

import { TOP } from "./client.js";
import { h, need } from "./elements.js";
import { makeShelf, styled } from "./shelf.js";
import { takeWay } from "./shelf_memory.js";

/** @type {Promise<Shelf> | null} */
let making = null;

/** @param {App} app */
function theShelf(app) {
  making ||= app.afterwards().then(({ tools }) => {
    /** @param {Marks} found */
    const mark = (found) => { app.marks = found; };
    const logIn = (/** @type {string | undefined} */ why) => app.showEntry("login", why);
    app.shelf = makeShelf(need("shelf"), { library: app.library, logIn, mark, tools, meetings: () => meetingsOf(app) });
    return app.shelf;
  }).catch((error) => {
    making = null; // the line was cut meanwhile
    throw error;
  });
  return making;
}

/** The place for the meetings that one can join. @param {App} app */
function meetingsOf(app) {
  const place = h("div", { class: "wide" });
  import("./meetings_list.js").then(({ meetingsSection }) => {
    const { element, look } = meetingsSection(app);
    place.append(element);
    return look();
  }).catch(() => {}); // there is no connection: it comes with the next screen
  return place;
}

/** @param {App} app @param {ShelfPlace} place */
export async function showShelf(app, place) {
  const way = place.folder === TOP ? takeWay() : "";
  if (way) location.replace(way); // a login elsewhere leads here, whence it was asked for
  else await (await theShelf(app)).show(place);
}

/** @param {App} app @param {EntryWay} way @param {string | undefined} told the token of a link, or why one has to log in */
export async function showEntry(app, way, told) {
  const mine = app.entry;
  const shelf = await theShelf(app);
  const { showEntry: show } = await import("./entry.js");
  await styled;
  const { tools } = await app.afterwards();
  if (app.entry !== mine) return; // somebody went elsewhere meanwhile
  shelf.giveUp();
  const { api } = shelf;
  app.entry = () => show(need("shelf"), api, way, told, tools);
  await app.entry();
}
