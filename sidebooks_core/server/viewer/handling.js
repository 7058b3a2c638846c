/* What a reader does with the effects of gestures.js. */

/** @import { Handlers, Point, Rect, Reader, Room } from "./types" */

import { columnAt, columnPlace } from "./columns.js";
import { intoFrame, onView, frameOf } from "./frames.js";
import { isCalm, runHome, runOn } from "./motion.js";
import * as reading from "./reading.js";
import { fitTo, mostZoom, zoomBy } from "./zooming.js";

const TEXT_WAIT_MS = 150; // a double tap waits so long for the words
const GIVES = 0.3; // how much a page gives way at its end

/** The handlers of fingers.js for a reader. @param {Reader} reader @returns {Handlers} */
export function handle(reader) {
  const { state } = reader;
  const none = { left: 0, right: 0, up: 0, down: 0 };

  /** @param {number} x @param {number} y @returns {Point} */
  const fromMiddle = (x, y) => {
    const seen = reader.view();
    return { x: x * seen.ratio - seen.width / 2, y: y * seen.ratio - seen.height / 2 };
  };

  /** Let the slide, or the pull, run home, unless the next turn is already here. @param {"slide" | "pull"} name @param {number} from */
  function settle(name, from) {
    const { turn } = state;
    runHome(from, (value) => {
      if (!state.book || state.turn !== turn) return false;
      state[name] = value;
      reader.paint();
      return true;
    });
  }

  /**
   * The column under a point, in pixels of the whole spread; null if none is known soon.
   * @param {Point} at
   * @returns {Promise<Rect | null>}
   */
  async function columnUnder(at) {
    const seen = reader.view();
    const unzoomed = { x: (at.x - state.x) / state.zoom + seen.width / 2, y: (at.y - state.y) / state.zoom + seen.height / 2 };
    const box = reader.boxes().find((one) => unzoomed.x >= one.x && unzoomed.x <= one.x + one.width
      && unzoomed.y >= one.y && unzoomed.y <= one.y + one.height);
    if (!box) return null;
    /** @type {Promise<null>} */
    const pause = new Promise((done) => { setTimeout(done, TEXT_WAIT_MS, null); });
    const text = await Promise.race([reader.book.text(box.page).catch(() => null), pause]);
    if (!text) return null;
    const quarters = reader.quartersOf(box.page);
    const { box: upright } = frameOf(box, seen, quarters);
    const [x, y] = intoFrame(unzoomed.x, unzoomed.y, seen, quarters);
    const column = columnAt(text.words, (x - upright.x) / upright.scale, (y - upright.y) / upright.scale);
    return column && onView(column, box, seen, quarters);
  }

  return {
    scene() {
      const room = state.book ? inCss(reading.room(state, reader.boxes(), reader.view()), reader.view().ratio) : none;
      return { room, edges: reader.options.edges };
    },
    touched() {
      reader.touches += 1;
      return reader.tell("touched");
    },
    means: (effect, by) => reader.tell("meant", { effect, by }),
    tap() { if (state.book && reader.tell("pressed")) reader.tell("tapped"); },
    edge(side) { if (state.book && reader.tell("pressed")) reader.towards(side); },
    turn(step) { if (state.book) reader.turn(step, step > 0 ? "start" : "end"); },
    towards(side) { if (state.book) reader.towards(side); },
    async doubleTap(x, y) {
      if (!state.book) return;
      if (state.mode === "free") { fitTo(reader, reader.options.fit); return; }
      const at = fromMiddle(x, y);
      const { book, turn } = state;
      const column = await columnUnder(at);
      if (state.book !== book || state.turn !== turn) return;
      const boxes = reader.boxes();
      const seen = reader.view();
      reader.place(columnPlace(state, at, column, boxes, seen, mostZoom(boxes, seen.ratio)));
    },
    follow(dx) {
      if (!state.book || isCalm()) return;
      const isEnd = reader.neighbour(reader.stepTo(dx > 0 ? "left" : "right")) === null;
      state.slide = dx * reader.view().ratio * (isEnd ? GIVES : 1);
      reader.paint();
    },
    letGo(dx, turns) {
      if (!state.book) return;
      const side = dx > 0 ? "left" : "right";
      const { slide } = state;
      if (turns && reader.neighbour(reader.stepTo(side)) !== null) {
        reader.towards(side);
        state.slide = isCalm() ? 0 : slide - Math.sign(dx) * reader.view().width;
      }
      settle("slide", state.slide);
    },
    move(dx, dy, pull = 0) {
      if (!state.book) return;
      const { ratio } = reader.view();
      state.pull = isCalm() ? 0 : pull * GIVES * ratio;
      reader.move(dx * ratio, dy * ratio);
    },
    unpull() { if (state.book) settle("pull", state.pull); },
    fling(vx, vy) {
      const { turn, zoom } = state;
      const { touches } = reader;
      const { ratio } = reader.view();
      const goesOn = () => Boolean(state.book) && state.turn === turn && state.zoom === zoom && reader.touches === touches;
      runOn(vx * ratio, vy * ratio, (dx, dy) => goesOn() && reader.move(dx, dy));
    },
    pinch(factor, x, y, dx, dy) {
      if (!state.book) return;
      const { ratio } = reader.view();
      zoomBy(reader, factor, fromMiddle(x, y));
      if (state.zoom > 1) reader.move(dx * ratio, dy * ratio);
    },
    zoom(factor, x, y) { if (state.book) zoomBy(reader, factor, fromMiddle(x, y)); },
  };
}

/** @type {(room: Room, ratio: number) => Room} */
const inCss = ({ left, right, up, down }, ratio) => ({ left: left / ratio, right: right / ratio, up: up / ratio, down: down / ratio });
