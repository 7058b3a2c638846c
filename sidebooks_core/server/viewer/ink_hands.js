/* Which pointers draw, and which turn and zoom: a value, and what each event makes of it. Pure.

   A mouse draws, and a pen. A finger draws until a pen was seen; from then on it only turns and zooms, since a palm lies on the screen
   where a pen writes. While a pen is down, and until they are lifted, fingers that lay there do nothing. A finger that is followed by
   another one at once pinches: what it drew is taken back. */

/** @import { PointerKind } from "./types" */

const TOGETHER_MS = 400; // fingers that go down within this pinch

/**
 * `drawing`: the pointer that draws; `touches`: fingers that are down; `idle`: those that shall do nothing.
 * @typedef {{
 *   drawing: {id: number, pointer: PointerKind, t_ms: number} | null, touches: readonly number[], idle: readonly number[],
 *   isPenSeen: boolean,
 * }} Hands
 */
/** What is to be done: begin a stroke, go on with it, end it, take it back; nothing.
    @typedef {"begin" | "extend" | "end" | "discard" | ""} Act */
/** `isAlone`: nothing else hears of the event. @typedef {{hands: Hands, act: Act, isAlone: boolean}} Handled */

/** @param {boolean} isPenSeen @returns {Hands} */
export const noHands = (isPenSeen) => ({ drawing: null, touches: [], idle: [], isPenSeen });

/** @param {Hands} hands @param {{id: number, pointer: PointerKind, t_ms: number}} event @returns {Handled} */
export function wentDown(hands, { id, pointer, t_ms }) {
  if (pointer === "touch") return touched({ ...hands, touches: [...hands.touches, id] }, id, t_ms);
  const isPen = pointer === "pen";
  if (hands.drawing && (hands.drawing.pointer !== "touch" || !isPen)) return { hands, act: "", isAlone: true }; // a second pen
  const drawing = { id, pointer, t_ms };
  const idle = isPen ? hands.touches : hands.idle;
  // A palm that drew before its pen came.
  return { hands: { ...hands, drawing, idle, isPenSeen: hands.isPenSeen || isPen }, act: "begin", isAlone: true };
}

/** @param {Hands} hands @param {number} id @param {number} t_ms @returns {Handled} */
function touched(hands, id, t_ms) {
  const { drawing, touches, isPenSeen } = hands;
  if (drawing && drawing.pointer !== "touch") return { hands: { ...hands, idle: [...hands.idle, id] }, act: "", isAlone: false };
  if (isPenSeen) return { hands, act: "", isAlone: false };
  if (!drawing) {
    const isOnly = touches.length === 1;
    return { hands: isOnly ? { ...hands, drawing: { id, pointer: "touch", t_ms } } : hands, act: isOnly ? "begin" : "", isAlone: false };
  }
  if (t_ms - drawing.t_ms > TOGETHER_MS) return { hands: { ...hands, idle: [...hands.idle, id] }, act: "", isAlone: false };
  return { hands: { ...hands, drawing: null }, act: "discard", isAlone: false };
}

/** @param {Hands} hands @param {number} id @returns {Handled} */
export function moved(hands, id) {
  const isDrawing = hands.drawing?.id === id;
  return { hands, act: isDrawing ? "extend" : "", isAlone: isDrawing && hands.drawing?.pointer !== "touch" };
}

/**
 * It was lifted, or the browser took it away, as bad pens do in the middle of a line.
 * @param {Hands} hands @param {number} id @returns {Handled}
 */
export function wentUp(hands, id) {
  const { drawing } = hands;
  const isDrawing = drawing?.id === id;
  /** @param {readonly number[]} all */
  const without = (all) => all.filter((one) => one !== id);
  const after = { ...hands, drawing: isDrawing ? null : drawing, touches: without(hands.touches), idle: without(hands.idle) };
  return { hands: after, act: isDrawing ? "end" : "", isAlone: isDrawing && drawing.pointer !== "touch" };
}

/**
 * Whether what fingers mean, or the wheel, holds.
 * @param {Hands} hands
 * @param {string} effect
 * @param {"fingers" | "wheel"} by
 */
export function mayMean({ drawing, idle, touches, isPenSeen }, effect, by) {
  if (drawing || idle.length) return false;
  if (by === "wheel" || isPenSeen) return true;
  return effect === "pinch" && touches.length > 1;
}
