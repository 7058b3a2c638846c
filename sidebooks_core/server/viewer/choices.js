/* What its reader has chosen, kept on this device. */

import { read, write } from "./storage.js";

const KEYS = { light: "", fit: "page", spread: "auto", cover: "yes", edges: "yes", bars: "", language: "" };

const kept = (name) => read(`sidebooks ${name}`) || KEYS[name];

const preferred = matchMedia("(prefers-color-scheme: dark)");

/** The choices: light ("day", "night", "" as the system), fit ("page", "width"), spread ("auto", "one", "two"), cover and edges
    (true, false), bars ("none" or ""), language ("en", "ja"). Read as properties; `choose` changes them. */
export const choices = {
  get light() { return kept("light"); },
  get fit() { return kept("fit"); },
  get spread() { return kept("spread"); },
  get cover() { return kept("cover") === "yes"; },
  get edges() { return kept("edges") === "yes"; },
  get bars() { return kept("bars"); },
  get language() { return kept("language") || (navigator.language.startsWith("ja") ? "ja" : "en"); },
};

export function choose(name, value) { write(`sidebooks ${name}`, value === true ? "yes" : value === false ? "no" : value); }

/** Whether it is night on the screen. */
export const isNight = () => (choices.light ? choices.light === "night" : preferred.matches);

/** Let the screen follow the choice of light, and the system if there is none. */
export function applyLight() {
  document.documentElement.toggleAttribute("data-night", isNight());
  if (choices.light) document.documentElement.dataset.light = choices.light;
  else delete document.documentElement.dataset.light;
}

export function followSystem(changed) { preferred.addEventListener("change", changed); }

/** What is kept of one document or paper: name is "page", "offset", "direction", "bookmarks"; key: as in its address. */
export const ofBook = (name, key) => read(`sidebooks ${name} ${key}`);
export const keepOfBook = (name, key, value) => write(`sidebooks ${name} ${key}`, value);

/** How many pages come before the printed page 1 of a document; null if nobody has said it. */
export function offsetOf(key) {
  const kept = ofBook("offset", key);
  return kept ? Number(kept) : null;
}
