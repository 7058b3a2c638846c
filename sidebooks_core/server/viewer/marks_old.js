/* The picture of a page as it was when somebody marked it: of the revision in which they did. */

/** @import { Library, Mark, OpenBook } from "./types" */

import { button, h } from "./elements.js";
import { t } from "./words.js";

const LARGE = "1200x1600"; // pixels of a page that is looked at by itself
const SMALL = "480x640";

/**
 * The address of a page of a revision; null: it cannot be shown any more.
 * @param {Library} library
 * @param {OpenBook} book
 * @param {Mark} mark
 */
async function addressOf(library, book, { anchor }) {
  if (!book.paper) return null;
  /** @type {{revisions: import("./api.js").RevisionEntry[]}} */
  const { revisions } = await library.json(`/papers/${encodeURIComponent(book.paper.id)}/revisions`);
  const document = revisions.find((one) => one.number === anchor.revision)?.document?.id;
  return document ? `${library.base}/documents/${document}/pages/${anchor.page + 1}` : null;
}

/**
 * A button that shows the page as it was, in its place.
 * @param {Library} library
 * @param {OpenBook} book
 * @param {Mark} mark
 */
export function oldPage(library, book, mark) {
  const { page, revision } = mark.anchor;
  const name = t("page_as_it_was_of", { n: page + 1, revision });
  const place = h("div", { class: "old-page" });
  const fail = () => { place.replaceChildren(h("p", { class: "error", role: "alert" }, t("page_not_kept"))); };
  const show = async () => {
    asked.disabled = true;
    const address = await addressOf(library, book, mark);
    if (!address) { fail(); return; }
    const image = h("img", { src: `${address}/${SMALL}`, alt: name, decoding: "async", onerror: fail });
    const link = h("a", { href: `${address}/${LARGE}`, target: "_blank", rel: "noopener", "aria-label": name }, image);
    place.replaceChildren(h("figure", {}, link, h("figcaption", { class: "small" }, name)));
    link.focus({ preventScroll: true });
  };
  const asked = button("eye", t("page_as_it_was"), () => { show().catch(fail); });
  place.append(asked);
  return place;
}
