/* What changed between two revisions of a paper: the fates of its pages in words, with both pages side by side. */

import { cover, dialog, h, icon } from "./elements.js";
import { runs } from "./shelf_list.js";
import { summary, t } from "./words.js";

const LARGE = "1200x1600"; // pixels of a page that is looked at by itself

/** Show it in a dialog. */
export async function showChanges(api, paper, old, now) {
  const [fates, { revisions }] = await Promise.all([api.difference(paper.id, old, now), api.get(`/papers/${paper.id}/revisions`)]);
  const documentOf = (number) => revisions.find((one) => one.number === number)?.document?.id;
  await dialog(`${t("what_changed")}: ${paper.name}`, () => (fates
    ? [h("p", { class: "lead" }, summary(fates)), changeList(fates, api.base, documentOf(old), documentOf(now))]
    : h("p", {}, t("no_map"))), { class: "wide" });
}

/** The list. before, after: the ids of the documents of both revisions. */
export function changeList(fates, base, before, after) {
  const page = (document, number, text) => {
    if (!number || !document) return h("span", { class: "nothing" });
    const address = `${base}/documents/${document}/pages/${number}`;
    const name = t(text, { n: number });
    return h("figure", {},
      h("a", { href: `${address}/${LARGE}`, target: "_blank", rel: "noopener", "aria-label": name }, cover(`${address}/preview`)),
      h("figcaption", {}, name));
  };
  return h("ol", { class: "changes" }, runs(fates).map((one) => {
    const isSame = one.kind === "same";
    return h("li", { "data-kind": one.kind }, h("p", {}, words(one)),
      !isSame && h("div", { class: "both" }, page(before, one.old_page, "map_old"), icon("next"), page(after, one.new_page, "map_new")));
  }));
}

/* A run of pages in words. */
function words({ kind, old_page: old, new_page: now, count }) {
  if (kind === "same") {
    const values = { from: now, to: now + count - 1, old, end: old + count - 1 };
    const key = count === 1 ? "fate_same_one" : "fate_same";
    return t(old === now ? key : `${key}_as`, values);
  }
  if (kind === "changed" && old !== now) return t("fate_changed_from", { old, new: now });
  return t(`fate_${kind}`, { old, new: now });
}
