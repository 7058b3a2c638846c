/* The strip of thumbnails: painted from previews that are decoded already. A finger that runs along it riffles. */

/** @import { Book, Direction } from "./types" */

import { drawable } from "./painter.js";

const GAP_PX = 6;
const DRAG_PX = 6;
const SIGN_PX = 18;
const SIGN = "#0b5d43"; // on paper and at night
const DIM = "rgba(16, 16, 16, 0.6)"; // at night
const AFTER_FRAME_MS = 34; // two frames: the page itself comes first

/**
 * Returns what paints it, soon.
 * @param {HTMLCanvasElement} canvas
 * @param {{
 *   book: () => Book | null, page: () => number, spread: () => number[], direction: () => Direction, goto: (page: number) => void,
 *   isMarked: (page: number) => boolean,
 * }} does
 */
export function makeStrip(canvas, does) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {{x: number, page: number, moved: boolean} | null} */
  let drag = null;
  let cell = 1;

  const side = () => (does.direction() === "rtl" ? -1 : 1);

  /* Somebody has marks of their own on a page: its upper right corner is coloured. */
  /** @param {CanvasRenderingContext2D} context @param {number} right @param {number} top @param {number} side */
  function paintSign(context, right, top, side) {
    context.beginPath();
    context.moveTo(right, top);
    context.lineTo(right, top + side);
    context.lineTo(right - side, top);
    context.closePath();
    context.fillStyle = SIGN;
    context.strokeStyle = "#ffffff";
    context.lineWidth = side / 8;
    context.fill();
    context.stroke();
  }

  function paint() {
    const book = does.book();
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!book || !width || !height) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const current = does.page();
    const spread = does.spread();
    const { width_pt, height_pt } = book.pages[current - 1];
    const tall = height - 2 * GAP_PX * ratio;
    cell = Math.min(Math.max((tall * width_pt) / height_pt, tall / 2), 2 * tall) + GAP_PX * ratio;
    const around = Math.ceil(width / cell / 2) + 1;
    const style = getComputedStyle(canvas);
    context.clearRect(0, 0, width, height);
    let painted = 0;
    const marked = [];
    const isNight = document.documentElement.hasAttribute("data-night");
    for (let page = Math.max(1, current - around); page <= Math.min(book.pages.length, current + around); page += 1) {
      const middle = width / 2 + side() * (page - current) * cell;
      const one = book.pages[page - 1];
      const scale = Math.min((cell - GAP_PX * ratio) / one.width_pt, tall / one.height_pt);
      const [across, down] = [one.width_pt * scale, one.height_pt * scale];
      const [x, y] = [middle - across / 2, (height - down) / 2];
      const bitmap = book.preview(page);
      context.fillStyle = "#ffffff";
      context.fillRect(x, y, across, down);
      if (bitmap) { context.drawImage(drawable(bitmap), x, y, across, down); painted += 1; }
      if (isNight) {
        context.fillStyle = DIM;
        context.fillRect(x, y, across, down);
      }
      context.lineWidth = (spread.includes(page) ? 3 : 1) * ratio;
      context.strokeStyle = spread.includes(page) ? style.getPropertyValue("--accent") : style.getPropertyValue("--line");
      context.strokeRect(x, y, across, down);
      if (does.isMarked(page)) {
        paintSign(context, x + across, y, Math.min(SIGN_PX * ratio, across / 2));
        marked.push(page);
      }
    }
    Object.assign(canvas.dataset, { painted: String(painted), marked: marked.join(" ") });
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, page: does.page(), moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const across = event.clientX - drag.x;
    drag.moved ||= Math.abs(across) > DRAG_PX;
    if (drag.moved) does.goto(drag.page - side() * Math.round((across * canvas.width) / canvas.clientWidth / cell));
  });
  /** @param {PointerEvent} event */
  const ended = (event) => {
    if (drag && !drag.moved && event.type === "pointerup") {
      const box = canvas.getBoundingClientRect();
      const from = ((event.clientX - box.left - box.width / 2) * canvas.width) / box.width;
      does.goto(does.page() + side() * Math.round(from / cell));
    }
    drag = null;
  };
  canvas.addEventListener("pointerup", ended);
  canvas.addEventListener("pointercancel", ended);
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(paint, AFTER_FRAME_MS);
  };
}
