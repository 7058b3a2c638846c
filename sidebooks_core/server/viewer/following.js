/* What a follower does with the states that arrive, in whatever order and however often. Pure, and the same as
   sidebooks_core/meeting/following.py: tests/meeting_following.json has cases for both. */

/**
 * Where a meeting is. `epoch` and `seq` are its position: the greater pair is newer. Pages count from 1. `spread`: the last page
 * of a spread that begins with `page`; null: one page. `view_pt`: what the presenter sees, in points of `page`, and perhaps beyond
 * it; null: all of the page or the spread. `paper`: "" if none is open. `details`: the number of the present details.
 * @typedef {[x0: number, y0: number, x1: number, y1: number]} RectPt
 * @typedef {"free" | "follow" | "locked" | "ended"} Mode
 * @typedef {{paper: string, revision: number, page: number, spread: number | null, view_pt: RectPt | null}} Shown
 * @typedef {Shown & {
 *   meeting: string, epoch: number, seq: number, details: number, mode: Mode, called: number, presenter: string, t: number,
 * }} State
 * @typedef {[epoch: number, seq: number]} Position
 */

/**
 * One client of a meeting. `state`: the newest that has arrived. `isFollowing`: it shows the presenter's page. `details`: epoch
 * and number of the details that it has.
 * @typedef {Readonly<{state: State | null, isFollowing: boolean, details: Position}>} Follower
 */

/**
 * Where a page lies on a screen. `scale`: pixels of the screen to a point; `x`, `y`: of the page's upper left corner, in pixels.
 * @typedef {{scale: number, x: number, y: number}} Fit
 */

/** Pixels of a screen to a point, at most: a rectangle of a few points would be enlarged without bound. */
export const LARGEST_SCALE = 16;

/** Before anything has arrived. @type {Follower} */
export const NOBODY = Object.freeze({ state: null, isFollowing: false, details: /** @type {Position} */ ([0, 0]) });

/** Below 0 if the first one is older. @type {(one: Position, other: Position) => number} */
export const compared = (one, other) => one[0] - other[0] || one[1] - other[1];

/** @param {State} state @returns {Position} */
export const positionOf = (state) => [state.epoch, state.seq];

/**
 * A state has arrived. One that is not newer changes nothing.
 * @param {Follower} follower
 * @param {State} state
 * @returns {Follower}
 */
export function received(follower, state) {
  const had = follower.state;
  if (had && (state.meeting !== had.meeting || compared(positionOf(state), positionOf(had)) <= 0)) return follower;
  return { ...follower, state, isFollowing: follows(follower, state) };
}

/** @param {Follower} follower @param {State} state */
function follows(follower, state) {
  const had = follower.state;
  if (state.mode === "locked") return true;
  if (had && state.called > had.called) return true;
  return had && (state.mode === had.mode || state.mode === "ended") ? follower.isFollowing : state.mode === "follow";
}

/**
 * The reader turned, zoomed or moved a page by themselves: they leave the presenter's page, unless that is locked.
 * @param {Follower} follower
 * @returns {Follower}
 */
export const moved = (follower) => (follower.state?.mode === "locked" ? follower : { ...follower, isFollowing: false });

/** The reader wants the presenter's page. @param {Follower} follower @returns {Follower} */
export const returned = (follower) => ({ ...follower, isFollowing: follower.state !== null });

/**
 * Details have arrived. Older ones than are there change nothing.
 * @param {Follower} follower
 * @param {{epoch: number, seq: number}} details
 * @returns {Follower}
 */
export function hasDetails(follower, { epoch, seq }) {
  return compared(follower.details, [epoch, seq]) < 0 ? { ...follower, details: [epoch, seq] } : follower;
}

/** Whose page and rectangle are on the screen; null: the reader's own. @param {Follower} follower @returns {State | null} */
export function shows({ state, isFollowing }) { return isFollowing && state?.paper ? state : null; }

/**
 * Whether a client that presents says again where it is: the meeting was restored from a state before what it told last.
 * @param {Pick<State, "paper" | "revision" | "page" | "spread"> | null} told its last place of these
 * @param {State | null} had the state before this one
 * @param {State} state
 * @param {string} participant
 */
export function repeats(told, had, state, participant) {
  if (!told || !had || had.presenter !== participant || state.presenter !== participant || state.epoch <= had.epoch) return false;
  return told.paper !== state.paper || told.revision !== state.revision || told.page !== state.page || told.spread !== state.spread;
}

/**
 * Whether there is a newer state than the follower has: then it asks for it.
 * @param {Follower} follower
 * @param {Position} position of a ping
 */
export const isBehind = ({ state }, position) => !state || compared(positionOf(state), position) < 0;

/** Whether the details are others than the follower has: then it asks for them. @param {Follower} follower */
export const needsDetails = ({ state, details }) => state !== null && compared(details, [state.epoch, state.details]) < 0;

/**
 * A rectangle of a page as large as a screen shows all of it, in its middle. Screens of another shape than the presenter's show
 * more of the page, never less. Throws a RangeError for an empty one.
 * @param {RectPt} rect in points
 * @param {number} width of the screen, in pixels
 * @param {number} height
 * @returns {Fit}
 */
export function fitted([x0, y0, x1, y1], width, height) {
  if (!(x1 > x0 && y1 > y0 && width > 0 && height > 0)) {
    throw new RangeError(`the rectangle ${[x0, y0, x1, y1]} cannot be shown on ${width} x ${height} pixels`);
  }
  const scale = Math.min(width / (x1 - x0), height / (y1 - y0), LARGEST_SCALE);
  return { scale, x: width / 2 - (scale * (x0 + x1)) / 2, y: height / 2 - (scale * (y0 + y1)) / 2 };
}

/**
 * The rectangle of a page that a screen shows, in points: what a presenter tells.
 * @param {Fit} fit
 * @param {number} width of the screen, in pixels
 * @param {number} height
 * @returns {RectPt}
 */
export function seen({ scale, x, y }, width, height) {
  return [-x / scale, -y / scale, (width - x) / scale, (height - y) / scale];
}
