/* What changed between two revisions of a paper: the fates of its pages in words, with both pages side by side. */

import { cover, dialog, h, icon } from "./elements.js";
import { speakAlsoOf } from "./matters.js";
import { runs } from "./shelf_list.js";
import { summary, t } from "./words.js";

const LARGE = "1200x1600"; // pixels of a page that is looked at by itself
const SMALL = "480x640"; // and of one in the list, where its words can be compared

/**
 * Show it in a dialog.
 * @param {import("./api.js").Api} api
 * @param {import("./api.js").PaperEntry} paper
 * @param {number} old
 * @param {number} now
 */
export async function showChanges(api, paper, old, now) {
  const [fates, revisions] = await Promise.all([api.difference(paper.id, old, now), api.revisions(paper.id), speakAlsoOf("changes")]);
  /** @param {number} number */
  const documentOf = (number) => revisions.find((one) => one.number === number)?.document?.id;
  await dialog(`${t("what_changed")}: ${paper.name}`, () => (fates
    ? [h("p", { class: "lead" }, summary(fates)), changeList(fates, api.base, documentOf(old), documentOf(now))]
    : h("p", {}, t("no_map"))), { class: "wide" });
}

/**
 * The list.
 * @param {import("./api.js").PageFate[]} fates
 * @param {string} base
 * @param {string | undefined} before the ids of the documents of both revisions
 * @param {string | undefined} after
 */
export function changeList(fates, base, before, after) {
  /** @type {(document: string | undefined, number: number | null, text: string) => HTMLElement} */
  const page = (document, number, text) => {
    if (!number || !document) return h("span", { class: "nothing" });
    const address = `${base}/documents/${document}/pages/${number}`;
    const name = t(text, { n: number });
    return h("figure", {},
      h("a", { href: `${address}/${LARGE}`, target: "_blank", rel: "noopener", "aria-label": name }, cover(`${address}/${SMALL}`)),
      h("figcaption", {}, name));
  };
  return h("ol", { class: "changes" }, runs(fates).map((one) => {
    const isSame = one.kind === "same";
    return h("li", { "data-kind": one.kind }, h("p", {}, words(one)),
      !isSame && h("div", { class: "both" }, page(before, one.old_page, "map_old"), icon("next"), page(after, one.new_page, "map_new")));
  }));
}

/** A run of pages in words. @param {ReturnType<typeof runs>[0]} run */
function words({ kind, old_page, new_page, count }) {
  const [old, now] = [old_page || 0, new_page || 0]; // the texts name only pages that there are
  if (kind === "same") {
    const values = { from: now, to: now + count - 1, old, end: old + count - 1 };
    const key = count === 1 ? "fate_same_one" : "fate_same";
    return t(old === now ? key : `${key}_as`, values);
  }
  if (kind === "changed" && old !== now) return t("fate_changed_from", { old, new: now });
  return t(`fate_${kind}`, { old, new: now });
}
