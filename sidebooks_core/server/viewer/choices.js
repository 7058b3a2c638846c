/* What its reader has chosen, as this device keeps it. choosing.js changes it. */

/** @import { About, FitMode, PaperDetails, SpreadChoice, Turns } from "./types" */

import { read } from "./storage.js";

const DEFAULTS = { light: "", fit: "page", spread: "auto", cover: "yes", edges: "yes", keys: "yes", bars: "", language: "" };

/** @param {keyof typeof DEFAULTS} name */
const kept = (name) => read(`sidebooks ${name}`) || DEFAULTS[name];

/** The choices: light ("day", "night", "" as the system), fit ("page", "width"), spread ("auto", "one", "two"), cover, edges and
    keys of one character (true, false), bars ("none" or ""), language ("en", "ja"). */
export const choices = {
  get light() { return kept("light"); },
  get fit() { return /** @type {FitMode} */ (kept("fit")); },
  get spread() { return /** @type {SpreadChoice} */ (kept("spread")); },
  get cover() { return kept("cover") === "yes"; },
  get edges() { return kept("edges") === "yes"; },
  get keys() { return kept("keys") === "yes"; },
  get bars() { return kept("bars"); },
  get language() { return kept("language") || (navigator.language.startsWith("ja") ? "ja" : "en"); },
};

/** @typedef {"page" | "offset" | "direction" | "bookmarks" | "turns"} BookMatter */

/**
 * What is kept of one document or paper; key: as in its address.
 * @param {BookMatter} name
 * @param {string} key
 */
export const ofBook = (name, key) => read(`sidebooks ${name} ${key}`);

/** By how many quarters its reader has turned single pages of it. @param {string} key @returns {Turns} */
export function turnsOf(key) {
  try { return JSON.parse(ofBook("turns", key) || "{}").pages || {}; } catch { return {}; } // somebody else's writing
}

/**
 * With what a reader is opened.
 * @param {string} key
 * @param {PaperDetails | null} paper
 * @returns {About}
 */
export function aboutOf(key, paper) {
  const kept = ofBook("direction", key);
  return { key, paper, chosen: kept === "rtl" || kept === "ltr" ? kept : undefined, turns: turnsOf(key) };
}
