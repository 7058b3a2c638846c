/* Texts of a matter beside those of every screen: they come with its screens. */

import { matters, speakIn, spoken } from "./words.js";

/** @type {Map<string, Promise<void>>} */
const loads = new Map();

/**
 * Load the texts of a matter, too, from now on. Whoever asks while they come waits for the same; if they do not come, it is tried anew.
 * @param {"meeting" | "notes" | "ink" | "changes"} matter
 */
export function speakAlsoOf(matter) {
  const known = loads.get(matter);
  if (known) return known;
  matters.add(matter);
  const load = speakIn(spoken()).catch((error) => {
    loads.delete(matter);
    throw error;
  });
  loads.set(matter, load);
  return load;
}
