/* Ink: how a stroke of a pen is painted and found. Pure. Units are points of the page. */

/** @import { Corners, InkBody, Sample } from "./types" */

const STEADY = 0.5; // the pressure of what tells none
const WIDTHS = 16; // between no pressure and the most: a change below one of these is not seen

/** How wide a stroke is at a pressure. @param {number} width_pt at a pressure of 0.5 @param {number} pressure */
export const widthAt = (width_pt, pressure) => width_pt * (0.4 + 1.2 * pressure);

/** @param {number} pressure */
const stepOf = (pressure) => Math.round(pressure * WIDTHS);

/** Whether all of a stroke is of one width. What shines through is: parts that overlap would be darker. @param {InkBody} body */
export const isEven = (body) => (body.opacity ?? 1) < 1 || body.samples.every((one) => stepOf(one[2]) === stepOf(body.samples[0][2]));

/**
 * Paint a part of a stroke: from the middle before its sample `from` to its last one, which is drawn to straight.
 * @param {CanvasRenderingContext2D} context of which the colour is set
 * @param {Sample[]} samples
 * @param {number} from
 * @param {number} width_pt
 * @param {boolean} isEvenly all of it is of one width
 */
export function paintPart(context, samples, from, width_pt, isEvenly) {
  context.lineCap = context.lineJoin = "round";
  const last = samples.length - 1;
  if (last === 0) {
    const [x, y, pressure] = samples[0];
    context.beginPath();
    context.arc(x, y, widthAt(width_pt, isEvenly ? STEADY : pressure) / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  let index = Math.max(1, from);
  let [x, y] = index === 1 ? samples[0] : middle(samples[index - 2], samples[index - 1]);
  while (index <= last) {
    const step = stepOf(samples[index][2]);
    context.beginPath();
    context.moveTo(x, y);
    context.lineWidth = widthAt(width_pt, isEvenly ? STEADY : step / WIDTHS);
    for (; index <= last && (isEvenly || stepOf(samples[index][2]) === step); index += 1) {
      const before = samples[index - 1];
      [x, y] = middle(before, samples[index]);
      context.quadraticCurveTo(before[0], before[1], x, y);
    }
    if (index > last) context.lineTo(samples[last][0], samples[last][1]);
    context.stroke();
  }
}

/** @param {Sample} one @param {Sample} other @returns {[number, number]} */
const middle = (one, other) => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];

/** @param {CanvasRenderingContext2D} context @param {InkBody} body */
export function paint(context, body) {
  context.strokeStyle = context.fillStyle = body.colour;
  context.globalAlpha = body.opacity ?? 1;
  const evenly = isEven(body);
  const steady = evenly && (body.opacity ?? 1) === 1 ? widthAt(body.width_pt, stepOf(body.samples[0][2]) / WIDTHS) : body.width_pt;
  paintPart(context, body.samples, 0, steady, evenly);
  context.globalAlpha = 1;
}

/** @type {WeakMap<InkBody, Corners>} */
const boxes = new WeakMap();

/** The rectangle that a stroke lies in, with its width. @param {InkBody} body @returns {Corners} */
export function box(body) {
  let found = boxes.get(body);
  if (!found) {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of body.samples) {
      x0 = Math.min(x0, x);
      y0 = Math.min(y0, y);
      x1 = Math.max(x1, x);
      y1 = Math.max(y1, y);
    }
    const reach = widthAt(body.width_pt, 1) / 2;
    found = [x0 - reach, y0 - reach, x1 + reach, y1 + reach];
    boxes.set(body, found);
  }
  return found;
}

/**
 * Whether a circle touches a stroke.
 * @param {InkBody} body
 * @param {number} x
 * @param {number} y
 * @param {number} radius_pt
 */
export function hits(body, x, y, radius_pt) {
  const [x0, y0, x1, y1] = box(body);
  if (x < x0 - radius_pt || x > x1 + radius_pt || y < y0 - radius_pt || y > y1 + radius_pt) return false;
  const { samples } = body;
  const near = radius_pt + body.width_pt / 2;
  return samples.some((one, index) => distance(samples[Math.max(0, index - 1)], one, x, y) <= near);
}

/** Of a point from a line between two. @param {Sample} from @param {Sample} to @param {number} x @param {number} y */
function distance(from, to, x, y) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = dx * dx + dy * dy;
  const share = length ? Math.max(0, Math.min(1, ((x - from[0]) * dx + (y - from[1]) * dy) / length)) : 0;
  return Math.hypot(x - from[0] - share * dx, y - from[1] - share * dy);
}
