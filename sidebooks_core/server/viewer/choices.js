/* What its reader has chosen, as this device keeps it. choosing.js changes it. */

/** @import { FitMode, SpreadChoice } from "./types" */

import { read } from "./storage.js";

const DEFAULTS = { light: "", fit: "page", spread: "auto", cover: "yes", edges: "yes", bars: "", language: "" };

/** @param {keyof typeof DEFAULTS} name */
const kept = (name) => read(`sidebooks ${name}`) || DEFAULTS[name];

/** The choices: light ("day", "night", "" as the system), fit ("page", "width"), spread ("auto", "one", "two"), cover and edges
    (true, false), bars ("none" or ""), language ("en", "ja"). */
export const choices = {
  get light() { return kept("light"); },
  get fit() { return /** @type {FitMode} */ (kept("fit")); },
  get spread() { return /** @type {SpreadChoice} */ (kept("spread")); },
  get cover() { return kept("cover") === "yes"; },
  get edges() { return kept("edges") === "yes"; },
  get bars() { return kept("bars"); },
  get language() { return kept("language") || (navigator.language.startsWith("ja") ? "ja" : "en"); },
};

/** @typedef {"page" | "offset" | "direction" | "bookmarks"} BookMatter */

/**
 * What is kept of one document or paper; key: as in its address.
 * @param {BookMatter} name
 * @param {string} key
 */
export const ofBook = (name, key) => read(`sidebooks ${name} ${key}`);

/** The direction that its reader has chosen for it, if any. @param {string} key */
export function directionOf(key) {
  const kept = ofBook("direction", key);
  return kept === "rtl" || kept === "ltr" ? kept : undefined;
}
