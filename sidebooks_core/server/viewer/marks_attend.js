/* The marks of what readers show: they come after the first page, with the desk that paints them. */

/** @import { FullApp, Reader } from "./types" */

import { write } from "./keeping.js";
import { speakAlsoOf } from "./matters.js";
import { h } from "./elements.js";
import { becomeMarks } from "./bookmarks.js";
import { addSelectionBar } from "./marks_bar.js";
import { MarksClock } from "./marks_clock.js";
import { deskFor } from "./desks.js";
import { Desk } from "./marks_desk.js";
import { MarksDisk } from "./marks_disk.js";
import { createMarks } from "./marks_store.js";
import { marksApi } from "./marks_sync.js";
import { fatesSince } from "./fates.js";
import { read } from "./storage.js";

const DEVICE = "sidebooks device";
const DATABASE = "sidebooks";

/** @type {Promise<unknown> | null} */
let ready = null;
/** @type {MarksDisk | null} */
let disk = null;
/** @type {MarksClock | null} */
let clock = null;

/** Words and style of marks, and what is there once. @param {FullApp} app */
function prepare(app) {
  ready ||= (async () => {
    document.head.append(h("link", { rel: "stylesheet", href: "viewer/marks.css" }));
    await speakAlsoOf("notes");
    addSelectionBar(app);
  })().catch((error) => {
    ready = null;
    throw error;
  });
  return ready;
}

function device() {
  const known = read(DEVICE);
  if (known) return known;
  const made = [...crypto.getRandomValues(new Uint8Array(8))].map((one) => one.toString(16).padStart(2, "0")).join("");
  write(DEVICE, made);
  return made;
}

/**
 * Open the marks of what a reader shows.
 * @param {FullApp} app
 * @param {Reader} reader
 */
export async function openMarks(app, reader) {
  const { book } = reader;
  await prepare(app);
  if (reader.state.book !== book || deskFor(reader)) return;
  const { paper } = book;
  const person = paper ? (await app.library.json("/me")).id : "";
  if (reader.state.book !== book || deskFor(reader)) return;
  disk ||= new MarksDisk(DATABASE);
  clock ||= new MarksClock(device(), null);
  const isShared = Boolean(paper?.may.includes("keep_marks"));
  const marks = createMarks({
    paper: paper?.id ?? book.key, revision: paper?.revision ?? 1, pageCount: book.pages.length, person, disk, clock,
    api: isShared && paper ? marksApi(app.library, paper.id) : null, fatesOf: (revision) => fatesSince(app.library, paper, revision),
  });
  const desk = new Desk(app, reader, marks);
  reader.addEventListener("opened", () => end(), { once: true });
  reader.addEventListener("closed", () => end(), { once: true });
  const end = () => {
    desk.close();
    marks.close();
  };
  await marks.ready;
  await becomeMarks(app.library, desk);
}
