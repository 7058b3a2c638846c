/* Which screen is shown: the shelf, a way in, or the reader, as the address says. What the first page does not need comes after it. */

/** @import { App, Extras, Marks, PaperDetails, Problem, Shelf } from "./types" */

import { choices, directionOf, ofBook } from "./choices.js";
import { Library, TOP } from "./client.js";
import { parsePlace } from "./place.js";
import { Reader } from "./reader.js";

const AFTERWARDS_MS = 1500;
const MOST_POSITION_MS = 400;

/** @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const library = new Library(location.pathname.replace(/\/$/, ""));
const reader = new Reader($("stage"), library, choices);

/** @type {App} */
const app = {
  library, reader, choices,
  active: reader,
  shelf: null, entry: null, extras: null, marks: null, hash: "", isNobody: false,
  showEntry, showShelf, showBook, leaveReader, afterwards, places, keyOf, hashOf, endWaiting() {},
};

/** @type {App["keyOf"]} */
function keyOf(id, paper) { return paper ? `paper=${paper.id}` : id; }
/** @type {App["hashOf"]} */
function hashOf(folder) { return folder === TOP ? "" : `folder=${folder}`; }

/* All that comes after the first page: words on the buttons, panels, thumbnails, text, the stream of events. */
/** @type {Promise<Extras> | null} */
let coming = null;
function afterwards() {
  coming ||= import("./extras.js").then(({ addExtras }) => addExtras(app));
  return coming;
}

/** @type {Promise<Shelf> | null} */
let making = null;
function theShelf() {
  making ||= Promise.all([import("./shelf.js"), afterwards()]).then(([{ makeShelf }, extras]) => {
    /** @param {Marks} found */
    const mark = (found) => { app.marks = found; };
    app.shelf = makeShelf($("shelf"), { library, logIn: () => showEntry("login"), mark, tools: extras.tools });
    return app.shelf;
  });
  return making;
}

function leaveReader() {
  app.extras?.positions.leave();
  reader.close();
  app.extras?.leave();
  $("reader").hidden = true;
  document.getElementById("early")?.remove();
  $("shelf").hidden = false;
}

/** @type {App["showShelf"]} */
async function showShelf(place) {
  leaveReader();
  await (await theShelf()).show(place);
}

/** @type {App["showEntry"]} */
async function showEntry(way, token) {
  app.entry = () => {};
  leaveReader();
  const { api } = await theShelf();
  const [{ showEntry: show }, { styled }] = await Promise.all([import("./entry.js"), import("./shelf.js")]);
  await styled;
  const { tools } = await afterwards();
  app.entry = () => show($("shelf"), api, way, token, tools);
  await app.entry();
}

/**
 * The page at which whoever asks left off, on whatever device; null if that is not known soon.
 * @param {string} id
 * @returns {Promise<number | null> | null}
 */
function keptPage(id) {
  if (app.isNobody) return null;
  const asked = library.json(`/papers/${id}/position`).then((found) => found.page, (error) => {
    app.isNobody ||= error.status === 401;
    return null; // this device may know it
  });
  return Promise.race([asked, new Promise((done) => { setTimeout(done, MOST_POSITION_MS, null); })]);
}

/**
 * Open a document, of a paper perhaps, at a page or where its reader left off.
 * @type {App["showBook"]}
 */
async function showBook(id, page, paper = null) {
  $("shelf").hidden = true;
  $("reader").hidden = false;
  app.active = reader;
  const key = keyOf(id, paper);
  await reader.open(id, page || Number(ofBook("page", key)) || 1, { key, paper, chosen: directionOf(key) });
  document.title = paper?.name || reader.book.name;
  document.documentElement.toggleAttribute("data-no-print", reader.book.may_print === false);
  $("stage").focus({ preventScroll: true });
}

/** @param {string} id @param {number | null} page */
async function showPaper(id, page) {
  /** @type {[PaperDetails, number | null]} */
  const [paper, kept] = await Promise.all([library.json(`/papers/${id}`), page ? null : keptPage(id)]);
  if (location.hash !== app.hash) return; // somewhere else by now
  if (!paper.document) {
    location.hash = hashOf(paper.folder);
    return;
  }
  await showBook(paper.document.id, page || kept, paper);
}

/** The place that the address names. */
function places() { return parsePlace(location.hash); }

async function route() {
  const { hash } = location;
  app.hash = hash;
  app.entry = null;
  app.endWaiting();
  const place = places();
  const { kind, id, page } = place;
  const key = kind === "paper" ? `paper=${id}` : id;
  try {
    if (kind === "join" || kind === "setup") await showEntry(kind, place.token);
    else if (kind === "search") await showShelf({ query: place.query });
    else if (kind === "shelf" || kind === "folder") await showShelf({ folder: kind === "folder" ? id : TOP });
    else if (kind === "unknown") await (await import("./plain.js")).showUnknown(app);
    else if (reader.state.book?.key === key) { if (page && page !== reader.state.page) reader.goto(page); }
    else if (kind === "paper") await showPaper(id, page);
    else await showBook(id, page);
    if (location.hash === hash) await app.extras?.arrived(place);
  } catch (thrown) {
    const error = /** @type {Problem} */ (thrown);
    if (location.hash !== hash) return;
    if (error.status === 401) { await showEntry("login"); return; }
    if (!error.status && await (await import("./plain.js")).isOffline(app)) return;
    if (kind !== "shelf") {
      await showShelf({ folder: TOP }).catch((other) => { if (other.status !== 401) throw other; return showEntry("login"); });
    }
    (await afterwards()).fail(error, kind);
  }
}

document.documentElement.lang = choices.language;
addEventListener("hashchange", route);
window.sidebooks = reader.state; // for tests and for the curious
reader.addEventListener("sharpened", afterwards, { once: true });
route();
setTimeout(afterwards, AFTERWARDS_MS); // at once when the first page is there
globalThis.sidebooksStarted = true; // old.js watches it
