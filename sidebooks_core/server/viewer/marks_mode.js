/* While a tool is on, a pointer uses it on the page; two fingers zoom and move the page as always, and buttons and keys turn it. */

/** @import { FullApp, Reader } from "./types" */
/** @import { Tool } from "./marks_tools.js" */

import { button, h, icon, need } from "./elements.js";
import { showOwn } from "./marks_groups.js";
import { pointUnder } from "./rectangles.js";
import { t } from "./words.js";

const FAR_PX = 12; // of CSS: a finger that goes farther does not tap

/** Effects of gestures that one pointer has: the tool has it instead. */
const OF_ONE = ["tap", "edge", "doubleTap", "follow", "letGo", "move", "unpull", "fling"];

/** @type {(() => void) | null} */
let endPresent = null;

/** Put the tool away. */
export function endTool() { endPresent?.(); }

/**
 * Let pointers use a tool on what is read, until it is put away.
 * @param {FullApp} app
 * @param {Tool} tool
 * @param {string} about what one does with it
 * @param {{isOnce?: boolean, tools?: HTMLElement[]}} options isOnce: it is put away when it was used; tools: more for its bar
 */
export function useTool(app, tool, about, { isOnce = false, tools = [] } = {}) {
  endTool();
  showOwn(app);
  const reader = app.active;
  const { stage } = reader;
  const ending = new AbortController();
  const { signal } = ending;
  /** Pointers that are down, and of which kind they are. @type {Map<number, string>} */
  const down = new Map();
  /** Fingers that lay there when a pen came, or came while it was down: a palm, as ink_hands.js has it. @type {Set<number>} */
  const idle = new Set();
  let used = -1;
  let [x0, y0] = [0, 0];
  let isFar = false;
  const end = () => {
    if (signal.aborted) return; // another tool may be used by now
    if (endPresent === end) endPresent = null;
    ending.abort();
    if (used >= 0) tool.cancel();
    stage.classList.remove("marking");
    const hadFocus = bar.contains(document.activeElement);
    bar.remove();
    if (hadFocus) stage.focus({ preventScroll: true });
  };
  endPresent = end;
  const lift = button("up", t("move_up"), () => { // what lies under the bar can be marked, too
    const isHigh = bar.classList.toggle("high");
    lift.replaceChildren(icon(isHigh ? "down" : "up"), h("span", {}, t(isHigh ? "move_down" : "move_up")));
  });
  const bar = h("div", { id: "toolbar-marks", role: "toolbar", "aria-label": about },
    h("span", { role: "status", class: "about" }, about), tools, lift, button("done", t("tool_done"), end, { class: "main" }));
  need("panes").append(bar);
  stage.classList.add("marking");
  document.getSelection()?.removeAllRanges();

  /** @param {PointerEvent} event */
  const pointOf = (event) => {
    const frame = stage.getBoundingClientRect();
    const { ratio } = reader.view();
    const found = pointUnder(reader, { x: (event.clientX - frame.left) * ratio, y: (event.clientY - frame.top) * ratio });
    return found ? { page: found.page, x_pt: found.point_pt[0], y_pt: found.point_pt[1] } : null;
  };
  const fail = (/** @type {Error} */ error) => app.extras.fail(error);
  /** @param {string} name @param {(event: PointerEvent) => void} does */
  const on = (name, does) => stage.addEventListener(name, (event) => does(/** @type {PointerEvent} */ (event)), { signal });

  on("pointerdown", (event) => {
    if (event.button > 0 || (event.target instanceof Element && event.target.closest("button, a, summary"))) return;
    if (event.isPrimary) for (const [id, kind] of down) if (kind === event.pointerType) down.delete(id); // lifted where nobody saw it
    if (event.pointerType === "touch" && down.get(used) === "pen") { idle.add(event.pointerId); return; }
    if (event.pointerType === "pen") {
      for (const [id, kind] of down) {
        if (kind !== "touch") continue;
        down.delete(id);
        idle.add(id);
      }
      if (idle.has(used)) {
        tool.cancel();
        used = -1;
      }
    }
    down.set(event.pointerId, event.pointerType);
    if (down.size > 1) { // two fingers move the page
      if (used >= 0) tool.cancel();
      used = -1;
      return;
    }
    const at = pointOf(event);
    if (!at) return;
    [used, x0, y0, isFar] = [event.pointerId, event.clientX, event.clientY, false];
    try { stage.setPointerCapture(event.pointerId); } catch { /* it is up already */ }
    Promise.resolve(tool.down(reader, at)).then((isUsed) => { if (!isUsed && used === event.pointerId) used = -1; }, fail);
  });
  on("pointermove", (event) => {
    if (event.pointerId !== used) return;
    isFar ||= Math.hypot(event.clientX - x0, event.clientY - y0) > FAR_PX;
    const at = pointOf(event);
    if (at) tool.move(at);
  });
  /** @param {PointerEvent} event @param {boolean} isGiven */
  const goUp = (event, isGiven) => {
    down.delete(event.pointerId);
    idle.delete(event.pointerId);
    if (event.pointerId !== used) return;
    used = -1;
    if (!isGiven || (tool.isOfPoint && isFar)) { tool.cancel(); return; }
    Promise.resolve(tool.up()).then(() => { if (isOnce) end(); }, fail);
  };
  on("pointerup", (event) => goUp(event, true));
  on("pointercancel", (event) => goUp(event, !tool.isOfPoint));
  stage.addEventListener("touchmove", (event) => { if (event.cancelable) event.preventDefault(); }, { passive: false, signal });
  reader.addEventListener("meant", (event) => {
    const { effect, by } = /** @type {CustomEvent<{effect: string, by: string}>} */ (event).detail;
    if (by === "fingers" && (idle.size || OF_ONE.includes(effect))) event.preventDefault();
  }, { signal });
  for (const name of ["opened", "closed"]) reader.addEventListener(name, end, { signal });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    end();
  }, { signal, capture: true });
}
