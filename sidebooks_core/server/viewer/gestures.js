/* What fingers mean: a state machine over pointer events. Pure: an event and a state give the next state and what the reader does.

   | gesture                                         | what it does                                             |
   |-------------------------------------------------|----------------------------------------------------------|
   | tap near the left or right edge                 | turns to that side                                       |
   | tap elsewhere                                   | shows or hides the bars                                  |
   | two taps at one place, not near an edge         | the column there fills the screen; again: as before      |
   | finger that rests half a second                 | nothing (the browser selects text)                       |
   | finger runs sideways, flatter than 30 degrees   | the page follows, and turns if it was far or fast enough |
   | finger runs up, down or askew, page fits        | nothing: it never turns                                  |
   | finger runs on a page that is larger than the   | moves it, and it runs on; sideways at its very edge      |
   | screen                                          | turns; pulled far beyond its end turns                   |
   | two fingers                                     | zoom and move together                                   |
   | finger runs while another one rests             | as if it were alone                                      |
   | wheel, trackpad                                 | moves a page that is larger than the screen; else one    |
   |                                                 | turn for each stroke, whatever its inertia               |
   | wheel with Ctrl, pinched trackpad               | zooms                                                    |

   Lengths are pixels of the screen. An effect is a list: its name, then its arguments. */

/** @import { Effect, FingerEvent, GestureName, GestureState, Moment, Outcome, Point, Reactions, Room } from "./types" */
/** @import { Scene, Side, StateOf, Stroke, WheelTold } from "./types" */

export const SLOP_PX = { touch: 14, pen: 14, mouse: 6 }; // an old hand trembles
const TAP_MS = 500; // longer is a rest
const REST_MS = 300; // a finger down so long does not begin a pinch
const DOUBLE_MS = 300;
const DOUBLE_PX = 40;
const FLAT = 1.7; // how much flatter than high a swipe is: 30 degrees
const SWIPE_PX = 48;
const FAST_PX = 24;
const FAST_PX_PER_MS = 0.4;
const PULL_PX = 110; // beyond the end of a page
const FLING_PX_PER_MS = 0.25;
const RECENT_MS = 100;
const PINCH_PX = 8;
const EDGE_SHARE = 0.15;
const EDGE_PX = [56, 120];
const STROKE_MS = 130; // a wheel that is silent so long begins another stroke
const STROKE_PX = 20;
const GROWTH = 2.5; // inertia only falls: what grows so much is another stroke
const NOTCH_MS = 90;

/** @type {Readonly<GestureState>} */
export const IDLE = Object.freeze({ name: "idle", tapped: null, down: {} });

/** Which part of the screen a tap is in. @param {number} x @param {number} width @returns {Side | "middle"} */
export function zoneOf(x, width) {
  const edge = Math.min(width / 3, Math.max(EDGE_PX[0], Math.min(EDGE_PX[1], width * EDGE_SHARE)));
  return x < edge ? "left" : x > width - edge ? "right" : "middle";
}

/** @type {(one: Point, other: Point) => number} */
const apart = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
/** @type {(one: Point, other: Point) => Point} */
const middle = (one, other) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
/** @type {(room: Room) => boolean} */
const isLarge = ({ left, right, up, down }) => left + right > 1 || up + down > 1;
/** @type {(state: GestureState) => StateOf<"spent">} */
const spent = (state) => ({ name: "spent", tapped: null, down: state.down });

/** [next state, effects]. @param {GestureState} state @param {FingerEvent} event @param {Scene} scene @returns {Outcome} */
export function next(state, event, scene) {
  const down = { ...state.down };
  if (event.kind === "down") {
    down[event.id] = { x: event.x, y: event.y, t_ms: event.t_ms, from: { x: event.x, y: event.y }, on: event.on, pointer: event.pointer };
    return began({ ...state, down }, event, scene);
  }
  if (!down[event.id]) return [state, []];
  const before = down[event.id];
  /** @type {Reactions<GestureState>} */
  const reactions = STATES[state.name];
  if (event.kind === "move") {
    down[event.id] = { ...before, x: event.x, y: event.y };
    return reactions.move({ ...state, down }, event, scene, before);
  }
  delete down[event.id];
  const left = Object.keys(down).length;
  const [after, effects] = reactions.up({ ...state, down }, event, scene, before);
  return [left ? after : { ...IDLE, tapped: after.tapped || null }, effects];
}

/** @param {GestureState} state @param {FingerEvent} event @param {Scene} scene @returns {Outcome} */
function began(state, event, scene) {
  const count = Object.keys(state.down).length;
  if (count === 1) {
    const { on, pointer } = event;
    // A mouse that goes down on a word selects, unless there is a page to be moved.
    if (on === "text" && pointer === "mouse" && !isLarge(scene.room)) return [{ ...spent(state), tapped: state.tapped }, []];
    return [{ name: "pressed", id: event.id, tapped: state.tapped, hadSelection: scene.selects, down: state.down }, []];
  }
  if (count > 2) return [spent(state), []];
  const second = event.id;
  const [first] = Object.keys(state.down).map(Number).filter((one) => one !== second);
  const rested = ["pressed", "spent"].includes(state.name) && event.t_ms - state.down[first].t_ms > REST_MS;
  /** @type {StateOf<"two">} */
  const two = { name: "two", first, second, rested, tapped: null, down: state.down };
  return [two, state.name === "swiping" ? [["letGo", 0, false]] : []];
}

/**
 * One finger left its place: what does it do?
 * @param {StateOf<"pressed" | "two">} state
 * @param {number} id
 * @param {FingerEvent} event
 * @param {Scene} scene
 * @returns {Outcome}
 */
function taken(state, id, event, scene) {
  const finger = state.down[id];
  const [dx, dy] = [event.x - finger.from.x, event.y - finger.from.y];
  const isFlat = Math.abs(dx) >= FLAT * Math.abs(dy);
  const { room } = scene;
  if (scene.selects && !("hadSelection" in state && state.hadSelection)) return [spent(state), []];
  const canMoveAcross = (dx > 0 ? room.right : room.left) > 1;
  if (isFlat && !canMoveAcross) return [{ name: "swiping", id, tapped: null, down: state.down }, [["follow", dx]]];
  if (!isLarge(room)) return [spent(state), []];
  const canMoveDown = (dy > 0 ? room.down : room.up) > 1;
  const pull = isFlat || canMoveDown || room.up + room.down <= 1 ? null : 0;
  return [{ name: "panning", id, pull, samples: [sample(event)], tapped: null, down: state.down }, [["move", dx, dy]]];
}

/** @type {(event: Moment) => Moment} */
const sample = ({ x, y, t_ms }) => ({ x, y, t_ms });
/** @type {(state: GestureState) => Outcome} */
const same = (state) => [state, []];
/** @type {(state: GestureState) => Outcome} */
const toSpent = (state) => [spent(state), []];

/** @type {{[N in GestureName]: Reactions<StateOf<N>>}} */
const STATES = {
  idle: { move: same, up: same },
  spent: { move: same, up: same },
  pressed: {
    move(state, event, scene) {
      const finger = state.down[event.id];
      if (apart(finger, finger.from) <= SLOP_PX[finger.pointer]) return [state, []];
      return taken(state, event.id, event, scene);
    },
    up(state, event, scene, finger) {
      const isShort = event.kind === "up" && event.t_ms - finger.t_ms <= TAP_MS;
      const isTap = isShort && finger.on !== "link" && !scene.selects && !state.hadSelection;
      if (!isTap) return toSpent(state);
      const zone = scene.edges ? zoneOf(finger.from.x, scene.width) : "middle";
      if (zone !== "middle") return [spent(state), [["edge", zone]]];
      const at = { x: finger.from.x, y: finger.from.y, t_ms: event.t_ms };
      const { tapped } = state;
      const isDouble = tapped && at.t_ms - tapped.t_ms <= DOUBLE_MS && apart(at, tapped) <= DOUBLE_PX;
      if (isDouble) return [spent(state), [["doubleTap", at.x, at.y]]];
      return [{ ...spent(state), tapped: at }, [["tap", at.x, at.y]]];
    },
  },
  swiping: {
    move(state, event) {
      return [state, event.id === state.id ? [["follow", event.x - state.down[event.id].from.x]] : []];
    },
    up(state, event, scene, finger) {
      if (event.id !== state.id) return [state, []];
      const [dx, dy] = [event.x - finger.from.x, event.y - finger.from.y];
      const far = Math.abs(dx);
      const isFast = far / Math.max(1, event.t_ms - finger.t_ms) > FAST_PX_PER_MS && far > FAST_PX;
      return [spent(state), [["letGo", dx, event.kind === "up" && far > Math.abs(dy) && (far > SWIPE_PX || isFast)]]];
    },
  },
  panning: {
    move(state, event, scene, before) {
      if (event.id !== state.id) return [state, []];
      const [dx, dy] = [event.x - before.x, event.y - before.y];
      const pull = state.pull === null ? null : event.y - state.down[event.id].from.y;
      const samples = [...state.samples.filter((one) => event.t_ms - one.t_ms < RECENT_MS), sample(event)];
      return [{ ...state, pull, samples }, [["move", dx, dy, pull || 0]]];
    },
    up(state, event) {
      if (event.id !== state.id) return [state, []];
      if (state.pull) {
        const turns = event.kind === "up" && Math.abs(state.pull) >= PULL_PX;
        return [spent(state), [turns ? ["turn", state.pull < 0 ? 1 : -1] : ["unpull"]]];
      }
      if (event.kind !== "up") return toSpent(state);
      const recent = state.samples.filter((one) => event.t_ms - one.t_ms < RECENT_MS);
      const span_ms = recent.length ? event.t_ms - recent[0].t_ms : 0;
      if (span_ms < 8) return toSpent(state);
      const [vx, vy] = [(event.x - recent[0].x) / span_ms, (event.y - recent[0].y) / span_ms];
      return [spent(state), Math.hypot(vx, vy) > FLING_PX_PER_MS ? [["fling", vx, vy]] : []];
    },
  },
  two: {
    move(state, event, scene) {
      const [one, other] = [state.down[state.first], state.down[state.second]];
      const [far, near] = [apart(other, other.from), apart(one, one.from)];
      if (state.rested && far > SLOP_PX[other.pointer] && near < SLOP_PX[one.pointer] / 2) return taken(state, state.second, event, scene);
      const before = apart(one.from, other.from);
      const isPinch = Math.abs(apart(one, other) - before) > PINCH_PX || apart(middle(one, other), middle(one.from, other.from)) > PINCH_PX;
      if (!isPinch || (state.rested && near < 1)) return [state, []];
      return pinched({ ...state, name: "pinching", span: before, at: middle(one.from, other.from) });
    },
    up: toSpent,
  },
  pinching: {
    move: (state) => pinched(state),
    up: toSpent,
  },
};

/** @param {StateOf<"pinching">} state @returns {Outcome} */
function pinched(state) {
  const [one, other] = [state.down[state.first], state.down[state.second]];
  const [span, at] = [Math.max(1, apart(one, other)), middle(one, other)];
  /** @type {Effect} */
  const effect = ["pinch", span / Math.max(1, state.span), at.x, at.y, at.x - state.at.x, at.y - state.at.y];
  return [{ ...state, span, at }, [effect]];
}

/** @type {Readonly<Stroke>} */
export const STILL = Object.freeze({ t_ms: -1e9, least: 0, sum: 0, turned: false, panned: false });

/**
 * The wheel's [next state, effects].
 * @param {Stroke} state
 * @param {WheelTold} event isNotch: of a wheel that clicks
 * @param {{room: Room}} scene
 * @returns {[Stroke, Effect[]]}
 */
export function wheeled(state, event, scene) {
  const { dx, dy, t_ms } = event;
  if (event.ctrl) return [STILL, [["zoom", Math.exp(-dy / 200), event.x, event.y]]];
  const isAcross = Math.abs(dx) > Math.abs(dy);
  const size = Math.max(Math.abs(dx), Math.abs(dy));
  const grows = !event.isNotch && state.turned && size > STROKE_PX && size > GROWTH * state.least;
  const isNew = t_ms - state.t_ms > (event.isNotch ? NOTCH_MS : STROKE_MS) || grows;
  const stroke = isNew ? { ...STILL } : state;
  const { left, right, up, down } = scene.room;
  const canMove = isAcross ? (dx > 0 ? left : right) > 1 : (dy > 0 ? up : down) > 1;
  const after = { ...stroke, t_ms, least: isNew ? size : Math.min(stroke.least, size), sum: stroke.sum + (isAcross ? dx : dy) };
  if (canMove) return [{ ...after, panned: true }, [["move", -dx, -dy]]];
  if (after.turned || after.panned || Math.abs(after.sum) < STROKE_PX) return [after, []];
  /** @type {Effect} */
  const effect = isAcross ? ["towards", after.sum > 0 ? "right" : "left"] : ["turn", after.sum > 0 ? 1 : -1];
  return [{ ...after, turned: true }, [effect]];
}
