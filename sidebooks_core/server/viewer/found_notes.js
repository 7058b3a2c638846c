/* What a search over all papers finds in one's own notes. */

/** @import { Mark } from "./types" */

import { h, icon } from "./elements.js";
import { textOf } from "./marks_groups.js";
import { speakAlsoOf } from "./matters.js";
import { addressOf } from "./place.js";
import { snippet } from "./snippet.js";
import { t } from "./words.js";

const MOST = 20;
const NOBODY = [401, 403, 404]; // who keeps no marks finds none

/** @typedef {{paper: string, name: string, folder: string, mark: Mark}} FoundMark `name`: of the paper */

/**
 * Fill a place with what is found. It stays empty if there is nothing.
 * @param {HTMLElement} place
 * @param {string} query
 * @param {import("./api.js").Api} api
 * @param {AbortSignal} signal
 */
export async function fillNotes(place, query, api, signal) {
  /** @type {FoundMark[]} */
  const marks = await api.get(`/marks?query=${encodeURIComponent(query)}&limit=${MOST}`, signal).then((found) => found.marks, (error) => {
    if (NOBODY.includes(error.status)) return [];
    throw error;
  });
  if (!marks.length || signal.aborted) return;
  await speakAlsoOf("notes");
  const rows = marks.map(({ paper, name, mark }) => {
    const page = mark.anchor.page + 1;
    const text = textOf(mark.body) || mark.anchor.quote || "";
    return h("li", {}, h("a", { href: `#${addressOf({ kind: "paper", id: paper, page })}` }, icon("note"), h("span", { class: "about" },
      h("strong", {}, name), " ", h("small", {}, `${t("page", { n: page })} `, ...snippet(text, query)))));
  });
  place.hidden = false;
  place.replaceChildren(h("ol", { class: "found" }, h("li", {}, h("h2", {}, t("found_in_notes")), h("ul", {}, rows))));
}
