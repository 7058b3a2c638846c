/* A small bar at the selected words: to highlight or to underline them, to write a note about them, or to copy them. */

/** @import { FullApp, Reader } from "./types" */

import { button, h, need } from "./elements.js";
import { deskFor } from "./desks.js";
import { selectedIn } from "./marks_selection.js";
import { piecesBetween, quoteOf } from "./marks_words.js";
import { t } from "./words.js";

const AWAY_PX = 14; // from the selection: on a tablet its handles are there

/** Gives what looks anew whether something is selected. @param {FullApp} app @returns {() => void} */
export function addSelectionBar(app) {
  /** @type {Reader | null} */
  let reader = null;
  let isDown = false;
  let frame = 0;
  /** @param {() => unknown} does */
  const once = (does) => async () => {
    try {
      await does();
    } catch (error) { app.extras.fail(/** @type {Error} */ (error)); }
  };
  /** What was selected when a button was touched: tablets may let go of it before the button is pressed.
      @type {{words: import("./marks_selection.js").Selected[], text: string} | null} */
  let held = null;
  const hold = () => ({ words: reader ? selectedIn(reader) : [], text: document.getSelection()?.toString() || "" });
  const selected = () => (held || hold()).words;
  const end = () => {
    held = null;
    document.getSelection()?.removeAllRanges();
    bar.hidden = true;
    reader?.stage.focus({ preventScroll: true });
  };
  /** @param {"highlight" | "underline"} kind */
  const mark = (kind) => once(() => {
    const desk = reader && deskFor(reader);
    const made = desk?.markWords(selected(), kind) || [];
    end();
    if (made.length) app.extras.say(t(kind === "highlight" ? "kind_highlight" : "kind_underline"));
  });
  const write = once(async () => {
    const desk = reader && deskFor(reader);
    const [mark] = desk?.markWords(selected(), "highlight") || [];
    end();
    if (desk && mark) await desk.show(mark.id, "write");
  });
  const copy = once(async () => {
    const text = selected().map(({ lines, from, to }) => quoteOf(piecesBetween(lines, from, to))).join("\n");
    const plain = (held || hold()).text || text;
    if (navigator.clipboard) await navigator.clipboard.writeText(plain);
    else document.execCommand("copy"); // a page without encryption has no other way
    app.extras.say(t("text_copied"));
    end();
  });
  const bar = h("div", { id: "wordbar", role: "toolbar", hidden: true });
  bar.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the selection stays
    const now = hold();
    if (now.words.length) held = now;
  });
  bar.addEventListener("mousedown", (event) => event.preventDefault());
  need("panes").append(bar);

  function fill() {
    bar.setAttribute("aria-label", t("selection_tools"));
    bar.replaceChildren(
      button("highlight", t("do_highlight"), mark("highlight")), button("underline", t("do_underline"), mark("underline")),
      button("note", t("do_note"), write), button("copy", t("copy_text"), copy));
  }

  /** Below the selected words, else at the foot of the page. @param {Range} range */
  function place(range) {
    const panes = need("panes").getBoundingClientRect();
    const rects = [...range.getClientRects()].filter((one) => one.width && one.height);
    const last = rects.length ? rects.reduce((low, one) => (one.bottom > low.bottom ? one : low)) : range.getBoundingClientRect();
    const { width, height } = bar.getBoundingClientRect();
    const top = Math.min(last.bottom + AWAY_PX - panes.top, panes.height - height - 8);
    const left = Math.max(8, Math.min(panes.width - width - 8, (last.left + last.right - width) / 2 - panes.left));
    Object.assign(bar.style, { top: `${Math.max(8, top)}px`, left: `${left}px` });
  }

  function look() {
    frame = 0;
    if (held) return;
    const selection = document.getSelection();
    const isNothing = isDown || !selection || selection.isCollapsed;
    const found = isNothing ? undefined : app.extras.readers.find((one) => one.state.book && deskFor(one) && selectedIn(one).length);
    if (!found || !selection) {
      if (!bar.contains(document.activeElement)) bar.hidden = true;
      return;
    }
    reader = found;
    if (bar.hidden) fill();
    bar.hidden = false;
    place(selection.getRangeAt(0));
  }
  const soon = () => { frame ||= requestAnimationFrame(look); };
  document.addEventListener("selectionchange", soon);
  document.addEventListener("pointerdown", (event) => {
    const isOutside = event.target instanceof Node && !bar.contains(event.target);
    isDown = event.pointerType === "mouse" && isOutside;
    if (isOutside) held = null;
  }, true);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => { isDown = false; soon(); }, true);
  addEventListener("resize", soon);
  return soon;
}
