/* Drawing on the pages of a reader: pointers become strokes, or erase them. */

/** @import { PointerKind, Reader, Sample } from "./types" */
/** @import { Act, Hands, Handled } from "./ink_hands.js" */
/** @import { Marking } from "./marking.js" */

import { h } from "./elements.js";
import { mayMean, moved, noHands, wentDown, wentUp } from "./ink_hands.js";
import { LiveStroke } from "./ink_live.js";
import { chosen, ERASER_PX, keepChosen, penOf } from "./ink_tools.js";
import { ShownStroke } from "./live_strokes.js";
import { showOwn } from "./marks_groups.js";
import { kindOf } from "./marks_kinds.js";
import { pointUnder } from "./rectangles.js";
import { attempt } from "./storage.js";

const MOST_SAMPLES = 20_000; // of one mark: marks/model.py
const ERASER_BUTTON = 32;
const STEADY = 0.5; // of what tells no pressure
const PEN_SEEN = "sidebooks pen";
const LEAVES = "button, a, input, summary, select, textarea";

/**
 * The samples that an event carries. Browsers that do not know them, or give none, have the event itself.
 * @param {PointerEvent} event
 * @returns {PointerEvent[]}
 */
export function samplesOf(event) {
  const all = event.getCoalescedEvents?.() || [];
  return all.length ? all : [event];
}

/**
 * Points on the way of an eraser, so close that no line lies between two. Pure.
 * @param {Sample[]} samples
 * @param {number} radius_pt
 */
export function alongOf(samples, radius_pt) {
  return samples.flatMap(([x, y], index) => {
    const [x0, y0] = samples[Math.max(0, index - 1)];
    const count = Math.max(1, Math.ceil(Math.hypot(x - x0, y - y0) / radius_pt));
    return Array.from({ length: count }, (_, at) => [x0 + ((x - x0) * (at + 1)) / count, y0 + ((y - y0) * (at + 1)) / count]);
  });
}

/** @type {(value: number, parts: number) => number} */
const rounded = (value, parts) => Math.round(value * parts) / parts;

export class Drawing {
  choice = chosen();
  isOn = false;
  /** Of which meeting, and on which paper, others see what is drawn. @type {{meeting: string, paper: string} | null} */
  #shownTo = null;
  /** The meeting that is listened to. @type {import("./participation.js").Participation | null} */
  #part = null;
  /** What a tool bar knows of it. */
  #told = "";
  /** @type {ShownStroke | null} */
  #shown = null;
  /** Called when something that a tool bar shows is different. */
  onchange = () => {};
  #live = new LiveStroke();
  #ground = h("div", { class: "drawing" });
  /** @type {Hands} */
  #hands = noHands(attempt(() => sessionStorage.getItem(PEN_SEEN), null) !== null);
  /** As they were before the one that is lifted at this moment: what it means is judged by them. @type {Hands | null} */
  #before = null;
  /** Of the stage, while somebody draws: to ask for it makes the browser lay out the page. */
  #frame = { left: 0, top: 0 };
  /** @type {Set<string> | null} */
  #erased = null;
  /** @type {AbortController | null} */
  #ending = null;

  /** @param {Marking} marking */
  constructor(marking) {
    this.marking = marking;
    this.reader = marking.reader;
  }

  /** @param {Partial<import("./ink_tools.js").Chosen>} choice */
  choose(choice) {
    Object.assign(this.choice, choice);
    keepChosen(this.choice);
    this.#showTool();
    this.onchange();
  }

  start() {
    if (this.isOn) return;
    this.isOn = true;
    this.#shownTo = null; // nobody shows what they write without meaning to
    showOwn(this.marking.app); // what is drawn is seen
    const ending = this.#ending = new AbortController();
    const { signal } = ending;
    const { reader } = this;
    const { stage } = reader;
    this.#hands = noHands(this.#hands.isPenSeen);
    this.#live.fit(reader);
    reader.text.after(this.#live.element, this.#ground);
    this.#showTool();
    /** @type {{[name: string]: (event: PointerEvent) => void}} */
    const hears = {
      pointerdown: (event) => this.#down(event), pointermove: (event) => this.#move(event),
      pointerup: (event) => this.#up(event), pointercancel: (event) => this.#up(event),
    };
    // In the capturing phase: what draws does not turn pages. At the stage, since a pinch takes its fingers there.
    for (const [name, does] of Object.entries(hears)) {
      stage.addEventListener(name, /** @type {EventListener} */ (does), { capture: true, signal });
    }
    // Else a browser may take quick strokes for writing by hand, or for a scroll.
    for (const name of ["touchstart", "touchmove"]) {
      this.#ground.addEventListener(name, (event) => { if (event.cancelable) event.preventDefault(); }, { passive: false, signal });
    }
    this.#ground.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
    reader.addEventListener("meant", (event) => {
      const { effect, by } = /** @type {CustomEvent<{effect: string, by: "fingers" | "wheel"}>} */ (event).detail;
      if (!mayMean(this.#before ?? this.#hands, effect, by)) event.preventDefault();
    }, { signal });
    for (const name of ["moving", "refitted", "closed"]) reader.addEventListener(name, () => this.finish(), { signal });
    reader.addEventListener("refitted", () => this.#live.fit(reader), { signal });
    addEventListener("pagehide", () => this.finish(), { signal });
    reader.addEventListener("opened", this.lookAround, { signal });
    signal.addEventListener("abort", () => this.#listenTo(null));
    this.lookAround();
    this.onchange();
  }

  stop() {
    if (!this.isOn) return;
    this.finish();
    this.isOn = false;
    this.#ending?.abort();
    this.#ground.remove();
    this.#live.element.remove();
    this.#live.drop();
    this.marking.layer.hold(false);
    this.onchange();
  }

  #showTool() { this.#ground.dataset.tool = this.choice.tool; }

  /** What is being drawn is finished, and becomes a mark of what is open. */
  finish() {
    if (!this.#hands.drawing) return;
    this.#hands = { ...this.#hands, drawing: null };
    this.#end();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest(LEAVES) || (event.pointerType === "mouse" && event.button !== 0)) return;
    const pointer = /** @type {PointerKind} */ (event.pointerType || "mouse");
    if (pointer !== "touch" && !this.reader.tell("touched")) { // it closed what lay over the page
      event.stopImmediatePropagation();
      return;
    }
    if (event.isPrimary) this.#noteFirst(pointer);
    const wasDrawing = this.#hands.drawing;
    const wasPenSeen = this.#hands.isPenSeen;
    const handled = wentDown(this.#hands, { id: event.pointerId, pointer, t_ms: event.timeStamp });
    if (handled.act === "begin" && wasDrawing) this.#discard();
    this.#take(handled, event);
    if (this.#hands.isPenSeen && !wasPenSeen) attempt(() => sessionStorage.setItem(PEN_SEEN, "seen"), undefined);
    if (handled.isAlone) {
      event.preventDefault(); // no mouse events after it
      const { stage } = this.reader;
      if (document.activeElement !== stage) stage.focus({ preventScroll: true });
    }
  }

  /* The first of its kind goes down: whatever of that kind seems to be down was lifted where nobody saw it. */
  /** @param {PointerKind} pointer */
  #noteFirst(pointer) {
    if (this.#hands.drawing?.pointer === pointer) this.finish();
    if (pointer === "touch") this.#hands = { ...this.#hands, touches: [], idle: [] };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerType === "pen" && !this.#hands.isPenSeen) { // it hovers
      this.#hands = { ...this.#hands, isPenSeen: true };
      attempt(() => sessionStorage.setItem(PEN_SEEN, "seen"), undefined);
    }
    this.#take(moved(this.#hands, event.pointerId), event);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const before = this.#hands;
    this.#take(wentUp(before, event.pointerId), event);
    this.#before = before;
    setTimeout(() => { if (this.#before === before) this.#before = null; }, 0);
  }

  /** @param {Handled} handled @param {PointerEvent} event */
  #take({ hands, act, isAlone }, event) {
    this.#hands = hands;
    this.#before = null;
    if (isAlone) event.stopImmediatePropagation();
    this.#act(act, event);
  }

  /** @param {Act} act @param {PointerEvent} event */
  #act(act, event) {
    if (act === "begin") this.#begin(event);
    else if (act === "extend") this.#extend(samplesOf(event));
    else if (act === "end") {
      if (event.type === "pointerup") this.#extend([event]);
      this.#end();
    } else if (act === "discard") this.#discard();
  }

  /** @param {PointerEvent} event */
  #placeOf(event) {
    this.#frame = this.reader.stage.getBoundingClientRect();
    return { x: event.clientX - this.#frame.left, y: event.clientY - this.#frame.top };
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    const { reader, marking } = this;
    const at = this.#placeOf(event);
    const { ratio } = reader.view();
    const under = marking.marks && reader.state.book ? pointUnder(reader, { x: at.x * ratio, y: at.y * ratio }) : null;
    if (!marking.marks) marking.tellComing();
    if (!under) { // beside the page
      this.#hands = { ...this.#hands, drawing: null };
      return;
    }
    if (reader.state.slide || reader.state.pull) { // a palm was pulling at the page
      Object.assign(reader.state, { slide: 0, pull: 0 });
      reader.paint();
    }
    marking.layer.hold(true);
    const isEraser = this.choice.tool === "eraser" || (event.buttons & ERASER_BUTTON) !== 0;
    this.#erased = isEraser ? new Set() : null;
    this.#beginStroke(under.page);
    attempt(() => this.#ground.setPointerCapture(event.pointerId), undefined); // it is up already
    this.#extend([event]);
  }

  /** @param {number} page */
  #beginStroke(page) {
    const pen = penOf(this.choice);
    this.#live.begin(this.reader, page, pen);
    const part = this.audience;
    this.#shown = part && this.isShown && !this.#erased ? new ShownStroke(part, page, pen) : null;
  }

  /** The meeting in which whoever draws may show something; null: they are in none. */
  get audience() {
    const part = this.marking.app.meeting;
    return part?.mayPoint && this.reader === part.app.reader ? part : null;
  }

  get #paper() { return this.reader.state.book?.paper?.id ?? ""; }

  /** Whether a meeting sees what is drawn, from the first moment on: the one, and on the paper, for which that was chosen. */
  get isShown() {
    const to = this.#shownTo;
    return to !== null && to.meeting === this.audience?.id && to.paper === this.#paper;
  }

  /** Let a meeting see what is drawn on this paper from now on, or nobody. @param {boolean} isShown */
  show(isShown) {
    const { audience } = this;
    this.#shownTo = isShown && audience ? { meeting: audience.id, paper: this.#paper } : null;
    this.onchange();
  }

  /** Another paper was opened, or a meeting was joined, or has changed. What was chosen before does not come back. */
  lookAround = () => {
    if (!this.isOn) return;
    this.#listenTo(this.marking.app.meeting);
    if (!this.isShown) this.#shownTo = null;
    const now = `${this.audience?.id} ${this.isShown}`;
    if (now === this.#told) return;
    this.#told = now;
    this.onchange();
  };

  /** @param {import("./participation.js").Participation | null} part */
  #listenTo(part) {
    if (part === this.#part) return;
    for (const name of ["changed", "over"]) {
      this.#part?.removeEventListener(name, this.lookAround);
      part?.addEventListener(name, this.lookAround);
    }
    this.#part = part;
  }

  /** @param {PointerEvent[]} events */
  #extend(events) {
    const frame = this.#frame;
    const live = this.#live;
    /** @type {Sample[]} */
    const samples = [];
    let last = live.samples[live.samples.length - 1];
    for (const event of events) {
      const [x, y] = live.pointOf(event.clientX - frame.left, event.clientY - frame.top);
      const isPen = event.pointerType === "pen" && event.pressure > 0;
      /** @type {Sample} */
      const sample = [rounded(x, 100), rounded(y, 100),
        isPen ? rounded(event.pressure, 1000) : last && event.pointerType === "pen" ? last[2] : STEADY];
      if (last && last[0] === sample[0] && last[1] === sample[1] && (last[2] === sample[2] || event.type === "pointerup")) continue;
      samples.push(sample);
      last = sample;
    }
    if (this.#erased) { this.#erase(samples); live.samples.push(...samples); return; }
    live.extend(samples);
    if (samples.length) this.#shown?.extend(live.samples);
    if (live.samples.length < MOST_SAMPLES - 500) return;
    const { page } = live; // a very long stroke becomes two
    this.#commit();
    this.#beginStroke(page);
    live.extend([last]);
  }

  /** @param {Sample[]} samples */
  #erase(samples) {
    const erased = this.#erased;
    const { layer } = this.marking;
    if (!erased) return;
    const { page, frame, view } = this.#live;
    const radius_pt = (ERASER_PX * view.ratio) / frame.box.scale;
    const before = erased.size;
    const last = this.#live.samples[this.#live.samples.length - 1];
    const way = alongOf(last ? [last, ...samples] : samples, radius_pt);
    for (const { mark, isMine } of layer.shown(page)) {
      if (!isMine || mark.body?.kind !== "ink" || erased.has(mark.id)) continue;
      const { body } = mark;
      if (way.some(([x, y]) => kindOf(body)?.hits(body, x, y, radius_pt))) erased.add(mark.id);
    }
    if (erased.size > before) layer.veil([...erased]);
  }

  #end() {
    const { layer, marks } = this.marking;
    if (this.#erased) {
      const ids = [...this.#erased].filter((id) => marks?.get(id));
      this.#erased = null;
      this.#live.clear();
      if (ids.length) marks?.remove(ids);
      layer.veil([]);
    } else this.#commit();
    layer.hold(false);
  }

  #commit() {
    const live = this.#live;
    const { samples, page, pen } = live;
    if (samples.length) {
      const opacity = pen.opacity < 1 ? { opacity: pen.opacity } : {};
      const body = { kind: /** @type {const} */ ("ink"), samples, width_pt: pen.width_pt, colour: pen.colour, ...opacity };
      const isShown = this.#shown && this.#shown.part === this.audience; // else the meeting is over
      this.marking.marks?.add(page, body, isShown ? this.#shown?.options : {});
    }
    this.#shown?.finish(samples.length ? "kept" : "gone");
    this.#shown = null;
    live.clear();
  }

  #discard() {
    this.#erased = null;
    this.#shown?.finish("gone");
    this.#shown = null;
    this.#live.clear();
    this.marking.layer.veil([]);
    this.marking.layer.hold(false);
  }
}
