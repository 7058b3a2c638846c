/* Fingers, mouse and wheel on the stage, told as what the reader means. All places in CSS pixels of the stage. */

const SWIPE_PX = 40;
const SWIPE_PX_PER_MS = 0.4;
const TAP_PX = 8;
const WHEEL_EVERY_MS = 180;

/** `does`: {isZoomed(), tap(x, y), doubleTap(x, y), follow(dx), let go(dx, turns), move(dx, dy), zoom(factor, x, y), turn(step)}. */
export function watch(stage, does) {
  const fingers = new Map();
  let gesture = null;
  let wheel_ms = 0;

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const span = () => {
    const [a, b] = [...fingers.values()];
    return Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));
  };
  const selects = () => Boolean(stage.ownerDocument.getSelection()?.toString());

  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || event.target.closest("a, button, input")) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 1) {
      const onText = event.target.closest("#text span") !== null;
      // A mouse that goes down on a word may select; fingers swipe, and select by holding.
      gesture = { x: event.clientX, at_ms: event.timeStamp, kind: "", mayBeText: onText && event.pointerType === "mouse", had: selects() };
      if (!gesture.mayBeText) stage.setPointerCapture(event.pointerId);
    } else if (fingers.size === 2 && gesture) {
      if (gesture.kind === "swipe") does.letGo(0, false);
      gesture.kind = "pinch";
      gesture.span = span();
    }
  });

  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before || !gesture) return;
    fingers.set(event.pointerId, event);
    if (gesture.kind === "pinch") {
      if (fingers.size < 2) return;
      const [a, b] = [...fingers.values()];
      const now = span();
      does.zoom(now / gesture.span, ...place({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }));
      gesture.span = now;
      return;
    }
    if (gesture.mayBeText) return;
    if (does.isZoomed()) {
      gesture.kind = "move";
      does.move(event.clientX - before.clientX, event.clientY - before.clientY);
      return;
    }
    const across = event.clientX - gesture.x;
    if (gesture.kind === "" && Math.abs(across) > TAP_PX && !selects()) gesture.kind = "swipe";
    if (gesture.kind === "swipe") does.follow(across);
  });

  const ended = (event) => {
    if (!fingers.delete(event.pointerId) || fingers.size || !gesture) return;
    const { x, at_ms, kind, had, mayBeText } = gesture;
    gesture = null;
    const across = event.clientX - x;
    if (kind === "swipe") {
      const isFast = Math.abs(across) / Math.max(1, event.timeStamp - at_ms) > SWIPE_PX_PER_MS && Math.abs(across) > 2 * TAP_PX;
      does.letGo(across, event.type === "pointerup" && (Math.abs(across) > SWIPE_PX || isFast));
    } else if (kind === "" && event.type === "pointerup" && Math.abs(across) <= TAP_PX && !had && !(mayBeText && selects())) {
      does.tap(...place(event));
    }
  };
  stage.addEventListener("pointerup", ended);
  stage.addEventListener("pointercancel", ended);
  stage.addEventListener("dblclick", (event) => { if (!event.target.closest("a")) does.doubleTap(...place(event)); });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) does.zoom(Math.exp(-event.deltaY / 200), ...place(event));
    else if (does.isZoomed()) does.move(-event.deltaX, -event.deltaY);
    else if (Math.abs(event.deltaY) > 3 && event.timeStamp - wheel_ms > WHEEL_EVERY_MS) { // a touchpad sends dozens for one stroke
      wheel_ms = event.timeStamp;
      does.turn(event.deltaY > 0 ? 1 : -1);
    }
  }, { passive: false });
}
