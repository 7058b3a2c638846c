/* Strokes of a meeting while they are drawn: those of others, as a layer over the page until their marks have come; and those of
   whoever draws here, told piece by piece. They may get lost: the marks do not. */

/** @import { AddOptions, Layer, PlacedMark, Sample } from "./types" */
/** @import { Stroke } from "./meeting.js" */
/** @import { Participation } from "./participation.js" */
/** @import { Pen } from "./ink_live.js" */

import { paint } from "./ink.js";
import { newMarkId } from "./marks_clock.js";

const STAYS_MS = 30_000; // STROKE_S of the protocol
const MOST_STROKES = 300;
const MOST_SAMPLES = 20_000; // of one
const PIECE = 60; // samples; a message has at most 64
const OVERLAP = 4; // said once more, so that a piece that is lost leaves no gap where the pen was slow
const EVERY_MS = 70; // the server passes 15 in a second on

/** A stroke as it is known: pieces between which something was lost. @typedef {{stroke: Stroke, pieces: {first: number, samples: Sample[]}[], at_ms: number}} Drawn */

/**
 * The strokes that are to be seen after a message. Pure.
 * @param {ReadonlyMap<string, Drawn>} drawn
 * @param {Stroke} stroke
 * @param {number} at_ms
 * @returns {Map<string, Drawn>}
 */
export function drawnAfter(drawn, stroke, at_ms) {
  const made = new Map([...drawn].filter(([, one]) => at_ms - one.at_ms < STAYS_MS));
  const before = made.get(stroke.mark);
  if (before && before.stroke.by !== stroke.by) return made; // nobody takes away what somebody else draws
  made.delete(stroke.mark);
  if (stroke.end === "gone") return made;
  const pieces = joined(before?.pieces || [], stroke.first, stroke.samples_pt);
  if (pieces.length) made.set(stroke.mark, { stroke, pieces, at_ms });
  for (const oldest of made.keys()) {
    if (made.size <= MOST_STROKES) break;
    made.delete(oldest);
  }
  return made;
}

/** @param {Drawn["pieces"]} pieces @param {number} first @param {Sample[]} samples @returns {Drawn["pieces"]} */
function joined(pieces, first, samples) {
  const last = pieces[pieces.length - 1];
  if (!samples.length || first + samples.length > MOST_SAMPLES) return pieces;
  if (!last || first > last.first + last.samples.length) return [...pieces, { first, samples }];
  if (first < last.first) return pieces; // it came late
  const kept = last.samples.slice(0, first - last.first);
  const rest = last.samples.slice(kept.length + samples.length);
  return [...pieces.slice(0, -1), { first: last.first, samples: [...kept, ...samples, ...rest] }];
}

export class LiveStrokes {
  /** @type {Map<string, Drawn>} */
  #drawn = new Map();
  #timer = 0;

  /** @param {Participation} part */
  constructor(part) {
    this.part = part;
    part.app.reader.layers.push(this.#layer);
  }

  /** @param {Stroke} stroke */
  hear(stroke) {
    this.#drawn = drawnAfter(this.#drawn, stroke, performance.now());
    this.#paint();
  }

  /** Marks of a page have come: what was drawn of them is theirs now. @param {readonly PlacedMark[]} added */
  arrived(added) {
    const before = this.#drawn.size;
    for (const { mark } of added) this.#drawn.delete(mark.id);
    if (this.#drawn.size < before) this.#paint();
  }

  end() {
    clearTimeout(this.#timer);
    const { reader } = this.part.app;
    reader.layers = reader.layers.filter((one) => one !== this.#layer);
    if (this.#drawn.size && reader.state.book) reader.paint();
  }

  #paint() {
    clearTimeout(this.#timer);
    const { reader } = this.part.app;
    const now_ms = performance.now();
    for (const [id, one] of this.#drawn) if (now_ms - one.at_ms >= STAYS_MS) this.#drawn.delete(id);
    if (reader.state.book) reader.paint();
    if (!this.#drawn.size) return;
    const oldest_ms = Math.max(...[...this.#drawn.values()].map((one) => now_ms - one.at_ms));
    this.#timer = setTimeout(() => this.#paint(), STAYS_MS - oldest_ms + 1);
  }

  /** @type {Layer} */
  #layer = (context, { page, box }) => {
    const paper = this.part.app.reader.state.book?.paper;
    if (!paper) return;
    for (const { stroke, pieces } of this.#drawn.values()) {
      if (stroke.paper !== paper.id || stroke.revision !== paper.revision || stroke.page !== page) continue;
      const { colour, width_pt, opacity } = stroke;
      context.save();
      context.translate(box.x, box.y);
      context.scale(box.scale, box.scale);
      for (const { samples } of pieces) paint(context, { kind: "ink", samples, colour, width_pt, opacity });
      context.restore();
    }
  };
}

/** One stroke of whoever draws here. Its mark is shared with the meeting. */
export class ShownStroke {
  id = newMarkId([Date.now(), 0, ""]);
  #told = 0; // samples
  #told_ms = -Infinity;
  #timer = 0;
  /** @type {readonly Sample[]} */
  #samples = [];
  /** @type {Stroke["end"]} */
  #end = "";

  /** @param {Participation} part @param {number} page @param {Pen} pen */
  constructor(part, page, pen) {
    const paper = part.app.reader.state.book?.paper;
    this.part = part;
    this.paper = paper?.id ?? "";
    this.revision = paper?.revision ?? 0;
    this.page = page;
    this.pen = pen;
  }

  /** What its mark is made with. @returns {AddOptions} */
  get options() { return { id: this.id, visibility: "shared", meeting: this.part.id }; }

  /** @param {readonly Sample[]} samples all of the stroke; it grows */
  extend(samples) {
    this.#samples = samples;
    this.#soon();
  }

  /** The pen was lifted; or it was taken back. @param {"kept" | "gone"} end */
  finish(end) {
    this.#end = end;
    if (end === "gone") this.#told = this.#samples.length;
    this.#soon();
  }

  #soon() {
    if (this.#timer) return;
    const wait_ms = Math.max(0, this.#told_ms + EVERY_MS - performance.now());
    this.#timer = setTimeout(() => { this.#timer = 0; this.#tell(); }, wait_ms);
  }

  #tell() {
    const first = Math.max(0, this.#told - OVERLAP);
    const samples_pt = this.#samples.slice(first, this.#told + PIECE - OVERLAP);
    const reached = first + samples_pt.length;
    const isLast = reached === this.#samples.length;
    this.#told_ms = performance.now();
    this.#told = reached;
    const { id, part, paper, revision, page, pen: { colour, width_pt, opacity } } = this;
    part.meeting.stroke({ mark: id, paper, revision, page, colour, width_pt, opacity, first, samples_pt, end: isLast ? this.#end : "" });
    if (!isLast) this.#soon();
  }
}
