/* Pointers and wheel of one stage: they run the machine of gestures.js, and their effects are called. Places in CSS pixels. */

import { IDLE, next, STILL, wheeled } from "./gestures.js";

const DOUBLE_WAIT_MS = 310; // a tap is one when no second one has come

/** does: {scene(), edge(side), tap(), doubleTap(x, y), follow(dx), letGo(dx, turns), move(dx, dy, pull), unpull(), fling(vx, vy),
    pinch(factor, x, y, dx, dy), turn(step), towards(side), zoom(factor, x, y), touched()}. */
export function watch(stage, does) {
  let state = IDLE;
  let stroke = STILL;
  let waiting = 0;
  let isDragged = false;

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const selects = () => !document.getSelection().isCollapsed;
  const scene = () => ({ ...does.scene(), width: stage.clientWidth, height: stage.clientHeight, selects: selects() });
  const kindOf = (target) => (target.closest("a") ? "link" : target.closest(".text span") ? "text" : "page");

  function run(effects) {
    for (const [name, ...given] of effects) {
      if (name === "tap") waiting = setTimeout(() => does.tap(...given), DOUBLE_WAIT_MS);
      else {
        clearTimeout(waiting);
        does[name](...given);
      }
    }
  }

  function feed(kind, event) {
    const before = state.name;
    const told = { kind, id: event.pointerId, ...place(event), t_ms: event.timeStamp, on: kindOf(event.target), pointer: event.pointerType || "mouse" };
    const [after, effects] = next(state, told, scene());
    state = after;
    if (before !== state.name && ["swiping", "panning", "pinching"].includes(state.name)) {
      isDragged = true;
      if (stage.setPointerCapture) try { stage.setPointerCapture(event.pointerId); } catch { /* it is up already */ }
    }
    run(effects);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || event.altKey || event.target.closest("button, input, summary")) return;
    isDragged = false;
    does.touched();
    feed("down", event);
    if (event.pointerType === "mouse" && state.name === "pressed" && kindOf(event.target) === "text") event.preventDefault();
  });
  // A mouse that moves a page must not select on its way.
  stage.addEventListener("mousedown", (event) => {
    if (state.name === "pressed" && !event.target.closest("a, button, input, summary")) event.preventDefault();
    if (state.name === "pressed") stage.focus({ preventScroll: true });
  });
  stage.addEventListener("pointermove", (event) => feed("move", event));
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
    const isNotch = event.deltaMode !== 0 || (event.wheelDeltaY !== 0 && event.wheelDeltaY % 120 === 0 && Math.abs(event.deltaY) >= 50);
    const told = { dx: event.deltaX * lines, dy: event.deltaY * lines, t_ms: event.timeStamp, ctrl: event.ctrlKey, ...place(event), isNotch };
    const [after, effects] = wheeled(stroke, told, scene());
    stroke = after;
    run(effects);
  }, { passive: false });
}
