/* Notes and stamps: how they look, and where they are hit. A note has the same size on every page, in points, so that it is where it
   was whatever the zoom. Pure but for the canvas. See kind_words.js for lengths. */

/** @import { Corners, MarkKind, NoteBody, StampBody } from "./types" */

export const NOTE_PT = 22; // its side
const PAD_SHARE = 0.3; // of a stamp's letters, around them
const LINE_SHARE = 0.09;
const CJK = /[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff9f\uffe0-\uffe6\u{20000}-\u{3ffff}]/u;
const LATIN_WIDTH = 0.6;
const STAMP_FONT = "Arial, 'Hiragino Sans', 'Noto Sans JP', 'Noto Sans CJK JP', 'Yu Gothic', sans-serif";

/** In heights of its letters. @param {string} text */
const widthOf = (text) => [...text].reduce((sum, one) => sum + (CJK.test(one) ? 1 : LATIN_WIDTH), 0);

/** @param {Corners} box @param {number} x @param {number} y @param {number} radius */
const isIn = ([x0, y0, x1, y1], x, y, radius) => x >= x0 - radius && x <= x1 + radius && y >= y0 - radius && y <= y1 + radius;

/** @param {NoteBody} body @returns {Corners} */
const noteBox = ({ x_pt, y_pt }) => [x_pt - NOTE_PT / 2, y_pt - NOTE_PT / 2, x_pt + NOTE_PT / 2, y_pt + NOTE_PT / 2];

/** @param {StampBody} body @returns {Corners} */
function stampBox({ x_pt, y_pt, height_pt, text }) {
  const width = height_pt * (widthOf(text) + 2 * PAD_SHARE);
  const height = height_pt * (1 + 2 * PAD_SHARE);
  return [x_pt - width / 2, y_pt - height / 2, x_pt + width / 2, y_pt + height / 2];
}

/** @type {MarkKind<NoteBody>} */
export const note = {
  box: noteBox,
  hits: (body, x, y, radius) => isIn(noteBox(body), x, y, radius),
  paint(context, body, scale) { // a sheet with a corner cut off, and lines of writing
    const [x0, y0, x1, y1] = noteBox(body);
    const [side, fold] = [x1 - x0, (x1 - x0) * 0.3];
    context.save();
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y0);
    context.lineTo(x1, y1 - fold);
    context.lineTo(x1 - fold, y1);
    context.lineTo(x0, y1);
    context.closePath();
    context.fillStyle = body.colour;
    context.fill();
    Object.assign(context, { strokeStyle: "#333333", lineWidth: Math.max(1 / scale, side * 0.06), lineJoin: "round" });
    context.stroke();
    context.beginPath();
    for (const share of [0.3, 0.5, 0.7]) {
      context.moveTo(x0 + side * 0.2, y0 + side * share);
      context.lineTo(x0 + side * (share === 0.7 ? 0.55 : 0.8), y0 + side * share);
    }
    context.stroke();
    context.restore();
  },
};

/** @type {MarkKind<StampBody>} */
export const stamp = {
  box: stampBox,
  hits: (body, x, y, radius) => isIn(stampBox(body), x, y, radius),
  paint(context, body, scale) {
    const [x0, y0, x1, y1] = stampBox(body);
    const size = body.height_pt;
    context.save();
    const lineWidth = Math.max(1.5 / scale, size * LINE_SHARE);
    Object.assign(context, { strokeStyle: body.colour, fillStyle: body.colour, lineWidth, lineJoin: "round" });
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    Object.assign(context, { font: `bold ${size}px ${STAMP_FONT}`, textAlign: "center", textBaseline: "middle" });
    context.fillText(body.text, (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0 - size * PAD_SHARE);
    context.restore();
  },
};
