/* Which screen is shown: the shelf, a way in, or the reader, as the address says. What the first page does not need comes after it. */

/** @import { App, Extras, PaperDetails, Problem } from "./types" */

import { aboutOf, choices, ofBook } from "./choices.js";
import { Library } from "./client.js";
import { addressOf, keyOf, parsePlace } from "./place.js";
import { Reader } from "./reader.js";

const AFTERWARDS_MS = 1500;
const AGAIN_MS = 3000;

/** @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const library = new Library(location.pathname.replace(/\/$/, ""));
const reader = new Reader($("stage"), library, choices);

/** @type {App} */
const app = {
  library, reader, choices,
  active: reader,
  shelf: null, entry: null, extras: null, marks: null, meeting: null, hash: "", isNobody: false, person: "",
  showEntry, showShelf, showBook, leaveReader, afterwards, places, endWaiting() {},
};

/* All that comes after the first page: words on the buttons, panels, thumbnails, text, the stream of events. */
/** @type {Promise<Extras> | null} */
let coming = null;
function afterwards() {
  coming ||= import("./extras.js").then(({ addExtras }) => addExtras(app)).catch((error) => {
    coming = null; // the line was cut meanwhile
    setTimeout(() => { afterwards().catch(() => {}); }, AGAIN_MS);
    throw error;
  });
  return coming;
}

const screens = () => Promise.all([import("./screens.js"), afterwards()]).then(([loaded]) => loaded);

function leaveReader() {
  app.extras?.positions.leave();
  app.extras?.panels.close(); // it saves what is being written
  reader.close();
  app.extras?.leave();
  $("reader").hidden = true;
  document.getElementById("early")?.remove();
  $("shelf").hidden = false;
}

/** @type {App["showShelf"]} */
async function showShelf(place) {
  leaveReader();
  await (await screens()).showShelf(app, place);
}

/** @type {App["showEntry"]} */
async function showEntry(way, told) {
  app.entry = () => {};
  leaveReader();
  await (await screens()).showEntry(app, way, told);
}

/**
 * Open a document, of a paper perhaps, at a page or where its reader left off.
 * @type {App["showBook"]}
 */
async function showBook(id, page, paper = null) {
  $("shelf").hidden = true;
  $("reader").hidden = false;
  app.active = reader;
  const key = keyOf(paper ? "paper" : "document", paper?.id ?? id);
  if (!reader.state.book) app.extras?.bars.announce(key, page, paper);
  await reader.open(id, page || Number(ofBook("page", key)) || 1, aboutOf(key, paper));
  document.title = paper?.name || reader.book.name;
  $("stage").focus({ preventScroll: true });
}

/** @param {string} id @param {number | null} page */
async function showPaper(id, page) {
  const asked = library.json(`/papers/${encodeURIComponent(id)}`);
  /** @type {[PaperDetails, number | null]} */
  const [paper, kept] = await Promise.all([
    asked,
    page ? null : import("./left_off.js").then(({ keptPage }) => keptPage(app, id, asked)).catch(() => null), // this device may know it
  ]);
  if (location.hash !== app.hash) return; // somewhere else by now
  if (!paper.document) {
    location.hash = addressOf({ kind: "folder", id: paper.folder });
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
  try {
    if (kind !== "paper" && kind !== "document") await (await import("./elsewhere.js")).goElsewhere(app, place);
    else if (reader.state.book?.key === keyOf(kind, id)) {
      reader.giveUpOpening();
      if (page && page !== reader.state.page) reader.goto(page);
    }
    else if (kind === "paper") await showPaper(id, page);
    else await showBook(id, page);
    if (location.hash === hash) await app.extras?.arrived(place);
  } catch (thrown) {
    const error = /** @type {Problem} */ (thrown);
    if (location.hash === hash && error.name !== "AbortError") await (await import("./elsewhere.js")).giveUp(app, kind, error);
  }
}

document.documentElement.lang = choices.language;
addEventListener("hashchange", route);
window.sidebooks = reader.state; // for tests and for the curious
const begin = () => { afterwards().catch(() => {}); }; // it tries again
reader.addEventListener("sharpened", begin, { once: true });
route();
setTimeout(begin, AFTERWARDS_MS); // at once when the first page is there
globalThis.sidebooksStarted = true; // old.js watches it
