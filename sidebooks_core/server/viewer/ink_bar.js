/* The tool bar for drawing, over the page. */

/** @import { IconName } from "./types" */
/** @import { Drawing } from "./drawing.js" */

import { button, h, icon } from "./elements.js";
import { MARKERS, PENS, WIDTHS } from "./ink_tools.js";
import { toolButtons } from "./marks_choice.js";
import { t } from "./words.js";

/** @type {[name: import("./ink_tools.js").ToolName, image: IconName][]} */
const TOOLS = [["pen", "pen"], ["marker", "marker"], ["eraser", "eraser"]];

/**
 * The bar of a drawing. It goes with `end`.
 * @param {Drawing} drawing
 * @param {() => void} leave
 */
export function makeInkBar(drawing, leave) {
  const bar = h("div", { id: "inkbar", role: "toolbar" });
  let isLow = false;
  let isMore = false; // on small screens, other tools take the place of the colours
  const told = h("p", { class: "told waiting", role: "status", hidden: true });
  const state = { undo: h("button"), redo: h("button") };

  /** @param {string} text @param {boolean} isChosen @param {() => void} does @param {Node} sign @param {string} id */
  const choice = (text, isChosen, does, sign, id) => h("button", {
    type: "button", class: "tool", "data-ink": id, "aria-pressed": String(isChosen), onclick: does,
  }, sign, h("span", {}, text));

  /** @param {import("./ink_tools.js").ToolName} tool */
  const take = (tool) => {
    isMore = false;
    drawing.choose({ tool });
  };
  /** @param {string} colour */
  const swatch = (colour) => h("span", { class: "swatch", style: `background:${colour}`, "aria-hidden": "true" });
  /** @param {number} width_pt */
  const line = (width_pt) => h("span", { class: "width", "aria-hidden": "true" }, h("span", { style: `height:${Math.max(2, width_pt * 2)}px` }));

  function details() {
    const { tool, pen, width, marker } = drawing.choice;
    if (tool === "pen") {
      return [
        h("div", { role: "group", class: "details", "aria-label": t("ink_colour") }, Object.entries(PENS).map(([name, colour]) => (
          choice(t(`ink_${name}`), name === pen, () => drawing.choose({ pen: name }), swatch(colour), name)))),
        h("div", { role: "group", class: "details", "aria-label": t("ink_width") }, Object.entries(WIDTHS).map(([name, width_pt]) => (
          choice(t(`ink_${name}`), name === width, () => drawing.choose({ width: name }), line(width_pt), name)))),
      ];
    }
    if (tool === "marker") {
      return [h("div", { role: "group", class: "details", "aria-label": t("ink_colour") }, Object.entries(MARKERS).map(([name, colour]) => (
        choice(t(`ink_${name}`), name === marker, () => drawing.choose({ marker: name }), swatch(colour), name))))];
    }
    return [h("p", { class: "told details" }, t("ink_eraser_told"))];
  }

  /* In a meeting, for whoever may show something. */
  function sharing() {
    const { audience, isShown } = drawing;
    if (!audience) return [];
    const turn = () => {
      drawing.show(!isShown);
      audience.app.extras?.say(t(isShown ? "ink_shown_ends" : "ink_shown_told"));
    };
    return [h("div", {}, choice(t("ink_show"), isShown, turn, icon("eye"), "show"))];
  }

  function fill() {
    const focused = document.activeElement instanceof HTMLElement && bar.contains(document.activeElement)
      ? document.activeElement.dataset.ink : undefined;
    const act = (/** @type {IconName} */ image, /** @type {string} */ text, /** @type {() => void} */ does, /** @type {string} */ id) => (
      button(image, t(text), does, { class: "tool", "data-ink": id }));
    state.undo = act("back", "ink_undo", () => drawing.marking.undo(), "undo");
    state.redo = act("forth", "ink_redo", () => drawing.marking.redo(), "redo");
    const more = act("list", "ink_more", () => { isMore = !isMore; fill(); }, "more");
    more.setAttribute("aria-expanded", String(isMore));
    bar.classList.toggle("more", isMore);
    bar.setAttribute("aria-label", t("draw"));
    bar.replaceChildren(
      h("div", { role: "group", "aria-label": t("tools") }, TOOLS.map(([name, image]) => (
        choice(t(`ink_${name}`), drawing.choice.tool === name, () => take(name), icon(image), name)))),
      ...details(), ...sharing(),
      h("div", { role: "group", class: "others", "aria-label": t("marks_here") }, toolButtons(drawing.marking.app, leave, { class: "tool" })),
      h("div", { class: "last" }, state.undo, state.redo, more,
        act(isLow ? "up" : "down", isLow ? "ink_up" : "ink_down", move, "move"), act("done", "ink_done", leave, "done")), told,
    );
    update();
    /** @type {HTMLElement | null} */
    const again = focused ? bar.querySelector(`[data-ink="${focused}"]:not(:disabled)`) : null;
    if (again) again.focus({ preventScroll: true });
    else if (focused) drawing.reader.stage.focus({ preventScroll: true });
  }

  /* The marks have changed: buttons stay, since one of them may be pressed at this moment. */
  function update() {
    const { marks } = drawing.marking;
    state.undo.disabled = !marks?.canUndo;
    state.redo.disabled = !marks?.canRedo;
    const text = unsavedText(marks);
    if (told.textContent !== text) told.textContent = text;
    told.hidden = !text;
  }

  /* What lies under the bar can be written on, too. */
  function move() {
    isLow = !isLow;
    bar.classList.toggle("low", isLow);
    fill();
  }

  drawing.onchange = fill;
  fill();
  return { element: bar, fill, update, end() { drawing.onchange = () => {}; bar.remove(); } };
}

/** What is to be said of marks that are only here. @param {import("./marks_store.js").PageMarks | null} marks */
function unsavedText(marks) {
  if (!marks) return "";
  if (!marks.isKept) return t("ink_not_kept");
  const { count, state } = marks.unsent;
  return count && state === "waiting" ? t("ink_waiting") : count && state === "refused" ? t("ink_refused") : "";
}
