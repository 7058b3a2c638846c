/* The marks of what readers show: they come after the first page, with the desk that paints them. */

/** @import { FullApp } from "./types" */
/** @import { Marking } from "./marking.js" */

import { becomeMarks } from "./bookmarks.js";
import { deskFor } from "./desks.js";
import { h } from "./elements.js";
import { addSelectionBar } from "./marks_bar.js";
import { Desk } from "./marks_desk.js";
import { isPainted } from "./marks_groups.js";
import { speakAlsoOf } from "./matters.js";

/** @type {Promise<() => void> | null} */
let ready = null;

/** Words and style of marks, and the bar at selected words. Gives what looks anew whether words are selected. @param {FullApp} app */
function prepare(app) {
  ready ||= (async () => {
    document.head.append(h("link", { rel: "stylesheet", href: "viewer/marks.css" }));
    await speakAlsoOf("notes");
    return addSelectionBar(app);
  })().catch((error) => {
    ready = null;
    throw error;
  });
  return ready;
}

/**
 * Make the desk of what a reader shows, when its marks are here.
 * @param {FullApp} app
 * @param {Marking} marking of the reader
 */
export async function openDesk(app, marking) {
  const { reader } = marking;
  const { book } = reader.state;
  const [look] = await Promise.all([prepare(app), marking.opening]);
  const { marks } = marking;
  if (!marks || reader.state.book !== book || deskFor(reader)) return;
  const desk = new Desk(app, reader, marks);
  marking.layer.setFilter(isPainted);
  const unsubscribe = marking.subscribe((change) => {
    if (change !== null) return; // the marks are those of another book, or of none
    unsubscribe();
    desk.close();
  });
  for (const one of ["marks_sheet", "marks_panel"]) import(`./${one}.js`).catch(() => {}); // an outage may come: they are asked for again
  look(); // somebody may have selected words before their desk was there
  await becomeMarks(app.library, desk);
}
