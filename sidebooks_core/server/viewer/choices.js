/* What its reader has chosen, as this device keeps it. choosing.js changes it. */

import { read } from "./storage.js";

const DEFAULTS = { light: "", fit: "page", spread: "auto", cover: "yes", edges: "yes", bars: "", language: "" };

const kept = (name) => read(`sidebooks ${name}`) || DEFAULTS[name];

/** The choices: light ("day", "night", "" as the system), fit ("page", "width"), spread ("auto", "one", "two"), cover and edges
    (true, false), bars ("none" or ""), language ("en", "ja"). */
export const choices = {
  get light() { return kept("light"); },
  get fit() { return kept("fit"); },
  get spread() { return kept("spread"); },
  get cover() { return kept("cover") === "yes"; },
  get edges() { return kept("edges") === "yes"; },
  get bars() { return kept("bars"); },
  get language() { return kept("language") || (navigator.language.startsWith("ja") ? "ja" : "en"); },
};

/** What is kept of one document or paper: name is "page", "offset", "direction", "bookmarks"; key: as in its address. */
export const ofBook = (name, key) => read(`sidebooks ${name} ${key}`);
