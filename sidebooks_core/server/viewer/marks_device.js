/* What the marks of this device have in common: where they are kept, how stamps name it, and its clock. */

import { write } from "./keeping.js";
import { MarksClock } from "./marks_clock.js";
import { MarksDisk } from "./marks_disk.js";
import { read } from "./storage.js";

const DEVICE = "sidebooks device";
const CLOCK = "sidebooks clock"; // what the server's clock was ahead at the last contact

/** @param {string} base of the library: other servers at this origin keep theirs apart */
export const diskOf = (base) => new MarksDisk(base ? `sidebooks ${base}` : "sidebooks");

/** This device, as stamps name it. */
function deviceId() {
  const known = read(DEVICE);
  if (known && /^[0-9A-Za-z_-]{1,40}$/.test(known)) return known;
  const made = [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
  write(DEVICE, made);
  return made;
}

/** A clock that this device keeps. */
export function keptClock() {
  const text = read(CLOCK);
  const offset_ms = text === null ? null : Number(text);
  const clock = new MarksClock(deviceId(), Number.isFinite(offset_ms) ? offset_ms : null);
  const { hear } = clock;
  clock.hear = (server_ms, asked_ms) => {
    hear.call(clock, server_ms, asked_ms);
    if (read(CLOCK) !== String(clock.offset_ms)) write(CLOCK, clock.offset_ms);
  };
  return clock;
}
