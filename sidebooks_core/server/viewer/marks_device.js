/* What the marks of this device have in common: where they are kept, how stamps name it, and its clock. */

import { write } from "./keeping.js";
import { MarksClock } from "./marks_clock.js";
import { MarksDisk } from "./marks_disk.js";
import { read } from "./storage.js";

const DEVICE = "sidebooks device";
const NAME = /^[0-9A-Za-z_-]{1,40}$/;
const CLOCK = "sidebooks clock"; // what the server's clock was ahead at the last contact

/** @param {string} base of the library: other servers at this origin keep theirs apart */
export const diskOf = (base) => new MarksDisk(base ? `sidebooks ${base}` : "sidebooks");

const made = [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
/** When it is known from both places. @type {Promise<string> | null} */
let settled = null;

/** This device, as stamps name it: the server remembers what it has by that. */
function deviceId() {
  const kept = read(DEVICE) || "";
  return NAME.test(kept) ? kept : made;
}

/**
 * The same, when the database was asked as well: the name is in both, so that it stays when one of them is emptied. Where nothing is
 * kept, a page has a name of its own.
 * @param {MarksDisk} disk
 */
async function settle(disk) {
  const known = deviceId();
  const held = await disk.device(known === made ? "" : known, made).catch(() => known); // then it is in one place
  const name = NAME.test(held) ? held : known;
  if (read(DEVICE) !== name) write(DEVICE, name);
  return name;
}

/** A clock that this device keeps. @param {MarksDisk} disk */
export function keptClock(disk) {
  const text = read(CLOCK);
  const offset_ms = text === null ? null : Number(text);
  const clock = new MarksClock(deviceId(), Number.isFinite(offset_ms) ? offset_ms : null);
  settled ??= settle(disk);
  settled.then((name) => { clock.device = name; });
  const { hear } = clock;
  clock.hear = (server_ms, asked_ms) => {
    hear.call(clock, server_ms, asked_ms);
    if (read(CLOCK) !== String(clock.offset_ms)) write(CLOCK, clock.offset_ms);
  };
  return clock;
}
