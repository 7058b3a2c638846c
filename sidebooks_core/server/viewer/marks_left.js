/* Marks that are still on this device when their paper is not open: they are sent, and those of somebody who leaves are taken away. */

/** @import { Library } from "./types" */

import { remove } from "./keeping.js";
import { UNSENT } from "./left_off.js";
import { diskOf, keptClock } from "./marks_device.js";
import { createMarks } from "./marks_store.js";
import { marksApi } from "./marks_sync.js";

/**
 * Send what the server has not taken of a person's marks. What it does not take now stays.
 * @param {Library} library
 * @param {string} person
 * @param {string[]} [open] papers that are open: whoever shows them sends theirs
 */
export async function sendUnsent(library, person, open = []) {
  const disk = diskOf(library.base);
  const papers = (await disk.unsent(person)).filter((paper) => !open.includes(paper));
  let left = 0;
  for (const paper of papers) {
    const marks = createMarks({
      paper, revision: 0, pageCount: 0, person, disk, clock: keptClock(), api: marksApi(library, paper), fatesOf: async () => null,
    });
    await marks.flush();
    left += marks.unsent.count;
    marks.close();
  }
  disk.close();
  if (!left && !open.length) remove(UNSENT);
}

/** There is a connection: whoever asks now is asked for, and what is theirs is sent. @param {import("./types").App} app */
export async function sendLeft(app) {
  const { id } = await app.library.json("/me");
  const open = (app.extras?.readers ?? []).flatMap(({ state: { book } }) => (book?.paper ? [book.paper.id] : []));
  if (id) await sendUnsent(app.library, id, open);
}

/**
 * Somebody leaves a device that others use: the server has their marks, and the device keeps none but those that it does not have.
 * @param {Library} library
 * @param {string} person
 */
export async function forgetMarks(library, person) {
  const disk = diskOf(library.base);
  await disk.forget(person);
  disk.close();
}
