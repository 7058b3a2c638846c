/* Marks that are still on this device when their paper is not open: they are sent, and those of somebody who leaves are taken away. */

/** @import { Library } from "./types" */
/** @import { PageMarks } from "./marks_store.js" */

import { remove, write } from "./keeping.js";
import { UNSENT } from "./left_off.js";
import { diskOf, keptClock } from "./marks_device.js";
import { createMarks } from "./marks_store.js";
import { marksApi } from "./marks_sync.js";
import { pause } from "./requests.js";
import { read } from "./storage.js";

const LEAVE_MS = 5000; // whoever logs out waits no longer for the server
const GUEST = /^guest-[0-9a-f]{24}$/; // whose marks end with their login

/** What is closed, but not sent yet. @type {Set<Promise<void>>} */
const closing = new Set();
/** Those of which something is under way. @type {Set<PageMarks>} */
const underWay = new Set();
let stopping = new AbortController();

/** Keep in mind that there are marks on this device that the server has not taken. @param {PageMarks} marks */
export function noteUnsent(marks) {
  if (marks.unsent.count && marks.given.api && !read(UNSENT)) write(UNSENT, "yes");
}

/**
 * Nobody looks at these marks any more: what the server has not taken is sent now, or else when the viewer starts next.
 * @param {PageMarks} marks
 */
export function sendAndClose(marks) {
  const send = async () => {
    await Promise.resolve(); // a panel that closes with them saves what is being written
    marks.given.isToSend = true;
    if (marks.unsent.count) await marks.flush();
    noteUnsent(marks);
    marks.close();
  };
  underWay.add(marks);
  const sent = send().finally(() => {
    closing.delete(sent);
    underWay.delete(marks);
  });
  closing.add(sent);
}

/**
 * Send what the server has not taken of a person's marks. What it does not take now stays.
 * @param {Library} library
 * @param {string} person
 * @param {string[]} [open] papers that are open: whoever shows them sends theirs
 */
export async function sendUnsent(library, person, open = []) {
  const { signal } = stopping;
  const disk = diskOf(library.base);
  const papers = (await disk.unsent(person)).filter((paper) => !open.includes(paper));
  let left = 0;
  for (const paper of papers) {
    if (signal.aborted) break;
    const marks = createMarks({
      paper, revision: 0, pageCount: 0, person, disk, clock: keptClock(disk), api: marksApi(library, paper, person), fatesOf: async () => null,
      isToSend: true,
    });
    underWay.add(marks);
    await marks.flush();
    left += marks.unsent.count;
    marks.close();
    underWay.delete(marks);
  }
  if (!left && !open.length && !signal.aborted && !await disk.hasUnsent()) remove(UNSENT); // others who use this device may have some
  disk.close();
}

/** There is a connection: whoever asks now is asked for, and what is theirs is sent. @param {import("./types").App} app */
export async function sendLeft(app) {
  const { id } = await app.library.json("/me");
  const open = (app.extras?.readers ?? []).flatMap(({ state: { book } }) => (book?.paper ? [book.paper.id] : []));
  if (id) await sendUnsent(app.library, id, open);
}

/**
 * Send a person's marks, as far as the server takes them soon: they are about to leave.
 * @param {Library} library
 * @param {string} person
 */
export async function sendBeforeLeaving(library, person) {
  const sent = Promise.all([...closing, sendUnsent(library, person)]).catch(() => {}); // they stay here, for their owner alone
  await Promise.race([sent, pause(LEAVE_MS)]);
}

/** Nothing more is sent of what is closed. When this resolves, nothing of it is written to the device any more. */
export async function stopSending() {
  stopping.abort();
  stopping = new AbortController();
  for (const marks of underWay) marks.close();
  await Promise.all([...underWay].map((marks) => marks.writer.written));
}

/**
 * Keep none of a person's marks but those that the server does not have; of a guest, none at all.
 * @param {Library} library
 * @param {string} person
 */
export async function forgetMarks(library, person) {
  if (!globalThis.indexedDB) return;
  const disk = diskOf(library.base);
  await disk.forget(person, GUEST.test(person)).finally(() => disk.close());
}
