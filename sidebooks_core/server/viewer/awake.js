/* Keeps the screen on while somebody follows a speech. */

/** Returns what lets it sleep again. */
export function keepAwake() {
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  let isOver = false;
  async function ask() {
    if (isOver || lock || document.visibilityState !== "visible" || !navigator.wakeLock) return;
    try {
      const given = await navigator.wakeLock.request("screen");
      if (isOver) { await given.release(); return; }
      lock = given;
      given.addEventListener("release", () => { lock = null; }); // whenever the page was not seen
    } catch { /* a battery that is nearly empty: the device decides */ }
  }
  document.addEventListener("visibilitychange", ask);
  ask();
  return () => {
    isOver = true;
    document.removeEventListener("visibilitychange", ask);
    lock?.release().catch(() => {});
  };
}
