/* Pointers and wheel of one stage: they run the machine of gestures.js, and their effects are called. Places in CSS pixels. */

/** @import { Effect, FingerEvent, GestureState, Handlers, PointerKind, Scene, Stroke, Under } from "./types" */

import { IDLE, next, STILL, wheeled } from "./gestures.js";

const DOUBLE_WAIT_MS = 310; // a tap is one when no second one has come

/** @param {HTMLElement} stage @param {Handlers} does its `touched` tells whether the touch means the page */
export function watch(stage, does) {
  /** @type {GestureState} */
  let state = IDLE;
  /** @type {Stroke} */
  let stroke = STILL;
  let waiting = 0;
  let isDragged = false;

  /** @param {MouseEvent} event */
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const selects = () => document.getSelection()?.isCollapsed === false;
  /** @returns {Scene} */
  const scene = () => ({ ...does.scene(), width: stage.clientWidth, height: stage.clientHeight, selects: selects() });
  /** @param {MouseEvent} event */
  const targetOf = (event) => /** @type {Element} */ (event.target);
  /** @param {Element} target @returns {Under} */
  const kindOf = (target) => (target.closest("a") ? "link" : target.closest(".text span") ? "text" : "page");

  /** @param {Effect[]} effects @param {"fingers" | "wheel"} by */
  function run(effects, by) {
    for (const [name, ...given] of effects) {
      if (!does.means(name, by)) continue;
      const act = () => /** @type {(...given: unknown[]) => unknown} */ (does[name])(...given);
      if (name === "tap") waiting = setTimeout(act, DOUBLE_WAIT_MS);
      else {
        clearTimeout(waiting);
        act();
      }
    }
  }

  /** @param {FingerEvent["kind"]} kind @param {PointerEvent} event */
  function feed(kind, event) {
    const before = state.name;
    const pointer = /** @type {PointerKind} */ (event.pointerType || "mouse");
    const told = { kind, id: event.pointerId, ...place(event), t_ms: event.timeStamp, on: kindOf(targetOf(event)), pointer };
    const [after, effects] = next(state, told, scene());
    state = after;
    if (before !== state.name && ["swiping", "panning", "pinching"].includes(state.name)) {
      isDragged = true;
      if (stage.setPointerCapture) try { stage.setPointerCapture(event.pointerId); } catch { /* it is up already */ }
    }
    run(effects, "fingers");
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || event.altKey || targetOf(event).closest("button, input, summary")) return;
    isDragged = !does.touched();
    if (isDragged) return; // it closed what lay over the page, and means nothing else
    feed("down", event);
    if (event.pointerType === "mouse" && state.name === "pressed" && kindOf(targetOf(event)) === "text") event.preventDefault();
  });
  // A mouse that moves a page must not select on its way.
  stage.addEventListener("mousedown", (event) => {
    if (state.name === "pressed" && !targetOf(event).closest("a, button, input, summary")) event.preventDefault();
    if (state.name === "pressed") stage.focus({ preventScroll: true });
  });
  stage.addEventListener("pointermove", (event) => { if (state.down && event.pointerId in state.down) feed("move", event); });
  stage.addEventListener("pointerup", (event) => feed("up", event));
  stage.addEventListener("pointercancel", (event) => feed("cancel", event));
  // Else a browser may take it for a scroll that runs on, and the next tap for its end: the button under that tap would do nothing.
  stage.addEventListener("touchmove", (event) => { if (isDragged && event.cancelable) event.preventDefault(); }, { passive: false });
  stage.addEventListener("click", (event) => {
    if (!isDragged) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  stage.addEventListener("dragstart", (event) => event.preventDefault()); // of links
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    does.touched();
    const lines = event.deltaMode === 0 ? 1 : 20;
    const { wheelDeltaY } = /** @type {WheelEvent & {wheelDeltaY: number}} */ (event);
    const isNotch = event.deltaMode !== 0 || (wheelDeltaY !== 0 && wheelDeltaY % 120 === 0 && Math.abs(event.deltaY) >= 50);
    const [dx, dy] = [event.deltaX * lines, event.deltaY * lines];
    const told = { dx, dy, t_ms: event.timeStamp, ctrl: event.ctrlKey, ...place(event), isNotch };
    const [after, effects] = wheeled(stroke, told, scene());
    stroke = after;
    run(effects, "wheel");
  }, { passive: false });
}
