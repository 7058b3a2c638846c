/* Highlights, underlines and strikeouts: how they look, and where they are hit. Pure but for the canvas that they are painted on. Lengths are
   points of the upright page, of a context too; `scale`: pixels of the screen to one of them. */

/** @import { Corners, HighlightBody, MarkKind, Quad } from "./types" */

const LINE_SHARE = 0.07; // of the height of the letters
const LEAST_LINE_PX = 1.5;

/** The rectangle around a quad. @param {Quad} quad @returns {Corners} */
export function extentOf(quad) {
  const xs = [quad[0], quad[2], quad[4], quad[6]];
  const ys = [quad[1], quad[3], quad[5], quad[7]];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** Whether its text runs downwards. @param {Quad} quad */
export const isDown = (quad) => Math.abs(quad[3] - quad[1]) > Math.abs(quad[2] - quad[0]);

/** The rectangle around all. @param {{quads: readonly Quad[]}} body @returns {Corners} */
function box({ quads }) {
  const all = quads.map(extentOf);
  return [
    Math.min(...all.map((one) => one[0])), Math.min(...all.map((one) => one[1])),
    Math.max(...all.map((one) => one[2])), Math.max(...all.map((one) => one[3])),
  ];
}

/** @param {{quads: readonly Quad[]}} body @param {number} x_pt @param {number} y_pt @param {number} radius_pt */
function hits({ quads }, x_pt, y_pt, radius_pt) {
  return quads.map(extentOf).some(([x0, y0, x1, y1]) => x_pt >= x0 - radius_pt && x_pt <= x1 + radius_pt
    && y_pt >= y0 - radius_pt && y_pt <= y1 + radius_pt);
}

/** @type {MarkKind<HighlightBody>} */
export const highlight = {
  box,
  hits,
  paint(context, { quads, colour }) { // it darkens the paper and never the letters
    context.save();
    context.globalCompositeOperation = "multiply";
    context.fillStyle = colour;
    context.beginPath();
    for (const quad of quads) {
      const [x0, y0, x1, y1] = extentOf(quad);
      context.rect(x0, y0, x1 - x0, y1 - y0);
    }
    context.fill(); // as one: what two lines share is no darker
    context.restore();
  },
};

/**
 * Paint a line along the words of each quad, as thick as fits their letters.
 * @param {CanvasRenderingContext2D} context
 * @param {HighlightBody} body
 * @param {number} scale
 * @param {(quad: Quad) => Corners} lineOf from where to where
 */
function paintLines(context, { quads, colour }, scale, lineOf) {
  context.save();
  context.strokeStyle = colour;
  for (const quad of quads) {
    const [x0, y0, x1, y1] = extentOf(quad);
    context.lineWidth = Math.max(LEAST_LINE_PX / scale, (isDown(quad) ? x1 - x0 : y1 - y0) * LINE_SHARE);
    const [from_x, from_y, to_x, to_y] = lineOf(quad);
    context.beginPath();
    context.moveTo(from_x, from_y);
    context.lineTo(to_x, to_y);
    context.stroke();
  }
  context.restore();
}

/** @type {MarkKind<HighlightBody>} */
export const underline = {
  box,
  hits,
  paint(context, body, scale) { // below the words; at the right of those that run downwards
    paintLines(context, body, scale, (quad) => {
      const [x0, y0, x1, y1] = extentOf(quad);
      const down = isDown(quad);
      return [down ? x1 : x0, down ? y0 : y1, x1, y1];
    });
  },
};

/** @type {MarkKind<HighlightBody>} */
export const strikeout = {
  box,
  hits,
  paint(context, body, scale) { // from the middle of the first side to that of the last
    paintLines(context, body, scale, ([x0, y0, x1, y1, x2, y2, x3, y3]) => [(x0 + x2) / 2, (y0 + y2) / 2, (x1 + x3) / 2, (y1 + y3) / 2]);
  },
};
