/* What others point at, as dots that fade: a layer over the page. And the pointer of whoever reads here, while they point. */

/** @import { Layer } from "./types" */
/** @import { Whisper } from "./meeting.js" */
/** @import { Participation } from "./participation.js" */

import { pointUnder } from "./rectangles.js";

const STAYS_MS = 1500; // a pointer that does not move
const FADES_MS = 600;
const STEP_MS = 100; // of the fading: a page is painted for each
const RADIUS_PX = 9; // of CSS
const RED = "#d3202a";
const HALO = "rgba(255, 255, 255, 0.9)";

/** @typedef {Whisper & {at_ms: number}} Heard */

/**
 * How much of a pointer is left, from 1 to 0. Pure.
 * @param {number} age_ms
 */
export const strengthOf = (age_ms) => Math.max(0, Math.min(1, (STAYS_MS + FADES_MS - age_ms) / FADES_MS));

/**
 * What is to be seen after a whisper. Pure. Of one hand only the newest counts.
 * @param {ReadonlyMap<string, Heard>} seen
 * @param {Heard} heard
 * @returns {Map<string, Heard>}
 */
export function heardAfter(seen, heard) {
  const made = new Map([...seen].filter(([, one]) => strengthOf(heard.at_ms - one.at_ms) > 0));
  const before = made.get(heard.by);
  if (before && before.count > heard.count && heard.at_ms - before.at_ms < STAYS_MS) return made; // it came late
  if (heard.tool === "away") made.delete(heard.by);
  else made.set(heard.by, heard);
  return made;
}

export class Pointers {
  /** @type {Map<string, Heard>} */
  #seen = new Map();
  #timer = 0;
  #count = 0;
  isPointing = false;

  /** @param {Participation} part */
  constructor(part) {
    this.part = part;
    const { app: { reader }, signal } = part;
    reader.layers.push(this.#layer);
    reader.addEventListener("touched", (event) => { if (this.isPointing) event.preventDefault(); }, { signal });
    part.addEventListener("changed", () => { if (this.isPointing && !part.mayPoint) this.setPointing(false); }, { signal });
    const { stage } = reader;
    for (const name of ["pointerdown", "pointermove"]) {
      stage.addEventListener(name, (event) => this.#point(/** @type {PointerEvent} */ (event)), { signal });
    }
    for (const name of ["pointerleave", "pointercancel"]) stage.addEventListener(name, () => this.#goAway(), { signal });
    stage.addEventListener("pointerup", (event) => {
      if (event.pointerType !== "mouse") this.#goAway();
    }, { signal });
  }

  /** Fingers and mouse point from now on, instead of turning pages; or turn pages again. @param {boolean} isPointing */
  setPointing(isPointing) {
    this.isPointing = isPointing;
    this.part.app.reader.stage.classList.toggle("pointing", isPointing);
    if (!isPointing) this.#goAway();
    this.part.change();
  }

  /** @param {Whisper} whisper */
  hear(whisper) {
    this.#seen = heardAfter(this.#seen, { ...whisper, at_ms: performance.now() });
    this.#paint();
  }

  end() {
    clearTimeout(this.#timer);
    const { reader } = this.part.app;
    reader.layers = reader.layers.filter((one) => one !== this.#layer);
    reader.stage.classList.remove("pointing");
    if (this.#seen.size) reader.paint();
  }

  #paint() {
    clearTimeout(this.#timer);
    const { reader } = this.part.app;
    if (!reader.state.book) return;
    reader.paint();
    const now_ms = performance.now();
    const ages = [...this.#seen.values()].map((one) => now_ms - one.at_ms).filter((age_ms) => strengthOf(age_ms) > 0);
    if (!ages.length) { this.#seen = new Map(); return; }
    const oldest_ms = Math.max(...ages);
    this.#timer = setTimeout(() => this.#paint(), oldest_ms < STAYS_MS ? STAYS_MS - oldest_ms + STEP_MS : STEP_MS);
  }

  /** @type {Layer} */
  #layer = (context, { page, box }) => {
    if (!this.#seen.size) return;
    const paper = this.part.app.reader.state.book?.paper?.id;
    const now_ms = performance.now();
    const { ratio } = this.part.app.reader.view();
    for (const one of this.#seen.values()) {
      const strength = strengthOf(now_ms - one.at_ms);
      if (one.paper !== paper || one.page !== page || !strength) continue;
      context.globalAlpha = strength;
      const points = one.points_pt.map(([x, y]) => [box.x + x * box.scale, box.y + y * box.scale]);
      for (const [x, y] of points.slice(-1)) paintDot(context, x, y, RADIUS_PX * ratio);
      context.globalAlpha = 1;
    }
  };

  /** @param {PointerEvent} event */
  #point(event) {
    const { part } = this;
    const { reader } = part.app;
    const paper = reader.state.book?.paper?.id;
    if (!this.isPointing || !paper || (event.target instanceof Element && event.target.closest("button, a, summary"))) return;
    const frame = reader.stage.getBoundingClientRect();
    const { ratio } = reader.view();
    const found = pointUnder(reader, { x: (event.clientX - frame.left) * ratio, y: (event.clientY - frame.top) * ratio });
    if (!found) { this.#goAway(); return; }
    this.#count += 1;
    const [x, y] = found.point_pt.map((one) => Math.round(one * 10) / 10);
    /** @type {Whisper} */
    const whisper = { by: "", count: this.#count, paper, page: found.page, tool: "pointer", points_pt: [[x, y]] };
    this.hear(whisper); // one's own is seen at once
    part.meeting.whisper(whisper);
  }

  #goAway() {
    const own = this.#seen.get("");
    if (!own) return;
    this.hear({ ...own, tool: "away", points_pt: [] });
    this.part.meeting.whisper({ paper: own.paper, page: own.page, tool: "away" });
  }
}

/** @type {(context: CanvasRenderingContext2D, x: number, y: number, radius: number) => void} */
function paintDot(context, x, y, radius) {
  for (const [size, colour] of /** @type {[number, string][]} */ ([[radius * 1.4, HALO], [radius, RED]])) {
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
  }
}
