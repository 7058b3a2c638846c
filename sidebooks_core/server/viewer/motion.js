/* Movements that go on by themselves: a page that runs to its place, one that was flung. */

const SLIDE_MS = 140;
const FLING_MS = 325; // the time in which a flung page loses two thirds of its speed
const STILL_PX_PER_MS = 0.02;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the reader wants no movement. */
export const isCalm = () => calm.matches;

/**
 * Let a number run to 0. set(value) is called for each frame until it returns false.
 * @param {number} from
 * @param {(value: number) => unknown} set
 */
export function runHome(from, set) {
  const started_ms = performance.now();
  /** @param {number} now_ms */
  const step = (now_ms) => {
    const share = Math.min(1, Math.max(0, now_ms - started_ms) / SLIDE_MS);
    const value = share === 1 || isCalm() ? 0 : from * (1 - share) ** 2;
    if (set(value) !== false && value) requestAnimationFrame(step);
  };
  step(started_ms);
}

/**
 * Let something run on at a speed in pixels per millisecond. move(dx, dy) is called for each frame until it returns false.
 * @param {number} vx
 * @param {number} vy
 * @param {(dx: number, dy: number) => unknown} move
 */
export function runOn(vx, vy, move) {
  if (isCalm()) return;
  let before_ms = performance.now();
  /** @param {number} now_ms */
  const step = (now_ms) => {
    const span_ms = Math.max(0, now_ms - before_ms);
    before_ms = now_ms;
    const kept = Math.exp(-span_ms / FLING_MS);
    [vx, vy] = [vx * kept, vy * kept];
    if (move(vx * span_ms, vy * span_ms) !== false && Math.hypot(vx, vy) > STILL_PX_PER_MS) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
