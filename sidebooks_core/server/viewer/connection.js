/* What happens where there is no connection: the viewer itself is kept on the device, and a plain page waits for the server. */

import { button, h, icon } from "./elements.js";
import { t } from "./words.js";

const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 20_000;
const MOST_MS = 8000; // a server that needs longer to say that it is there is as good as away

/** Keep the viewer's own files on the device, so that it starts without a connection. Call it when the first page is shown. */
export function keepShell() {
  const isAlone = window.top === window; // in the page of another application it keeps nothing
  if (!isAlone || !("serviceWorker" in navigator) || !location.pathname.endsWith("/")) return;
  navigator.serviceWorker.register("viewer/sw.js", { scope: "./" }).catch(() => {}); // it may be forbidden; then it is as before
}

/** Whether the server answers. @param {string} base @returns {Promise<boolean>} */
export async function isReachable(base) {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), MOST_MS);
  try {
    return (await fetch(`${base}/healthz`, { cache: "no-store", signal: ending.signal })).status < 500;
  } catch {
    return false;
  } finally { clearTimeout(timer); }
}

/**
 * A plain page in the place of a screen: what happened, and one button.
 * @param {HTMLElement} host
 * @param {{image: import("./types").IconName, title: string, text: string, action: string, does: () => void}} given
 */
export function showPlain(host, { image, title, text, action, does }) {
  host.replaceChildren(h("section", { class: "entry plain", role: "alert" },
    h("p", { class: "sign" }, icon(image)), h("h1", {}, title), h("p", {}, text),
    h("p", { class: "buttons" }, button(null, action, does, { class: "main" }))));
  document.title = title;
}

/** An address that names nothing. @param {HTMLElement} host @param {() => void} openShelf */
export function showUnknown(host, openShelf) {
  showPlain(host, { image: "search", title: t("unknown_title"), text: t("unknown_text"), action: t("open_shelf"), does: openShelf });
}

/**
 * Say that there is no connection, and go on when there is one: by itself, or at once by the button.
 * @param {HTMLElement} host @param {string} base @param {() => void} goOn
 * @returns {() => void} ends the waiting: somebody went elsewhere
 */
export function showOffline(host, base, goOn) {
  let pause_ms = FIRST_PAUSE_MS;
  let timer = 0;
  let isOver = false;
  const end = () => {
    isOver = true;
    clearTimeout(timer);
    removeEventListener("online", look);
    document.removeEventListener("visibilitychange", lookAgain);
  };
  async function look() {
    clearTimeout(timer);
    const isThere = await isReachable(base);
    if (isOver) return;
    if (isThere) { end(); goOn(); return; }
    clearTimeout(timer);
    timer = setTimeout(look, pause_ms);
    pause_ms = Math.min(LONGEST_PAUSE_MS, pause_ms * 1.5);
  }
  const lookAgain = () => { if (document.visibilityState === "visible") look(); };
  addEventListener("online", look);
  document.addEventListener("visibilitychange", lookAgain);
  timer = setTimeout(look, pause_ms);
  showPlain(host, { image: "warning", title: t("offline_title"), text: t("offline_text"), action: t("again"), does: look });
  return end;
}
