/* The stream of events, which is there again by itself after an outage. */

const RECONNECT_MS = 5000;
const LOST_AFTER_MS = 5000; // the server ends each stream from time to time, and it is there again at once

/**
 * What `EventSource` does, as far as it is needed here.
 * @typedef {{
 *   readyState: number,
 *   onopen: ((event: any) => void) | null,
 *   onerror: ((event: any) => void) | null,
 *   addEventListener(kind: string, does: (event: any) => void): void,
 *   close(): void,
 * }} EventStream
 */

/**
 * Who is told of what; all may be left out.
 *
 * `documents`: ids of the documents that are served, when they come and go. `page`: the server has a page for this session.
 * `shelf`: papers changed; the first one of a stream has no changes: what changed before is not told. `progress`: how far
 * papers are prepared. `meetings`: some of those that one may be in began or ended. `marks`: marks of a paper changed. `lost`: true if there was no stream for five seconds, false when there is one. `refused`: the server
 * wants no stream now; it is asked again unless this gives false. `view`: gives the size in which pages are asked for,
 * "1200x1800", if it is known: new papers are drawn for it.
 * @typedef {{
 *   documents?: (ids: string[]) => void,
 *   page?: (told: {document: string, page: number, is_sharp: boolean}) => void,
 *   shelf?: (told: any) => void,
 *   progress?: (told: any) => void,
 *   meetings?: () => void,
 *   marks?: (told: {paper: string}) => void,
 *   lost?: (isLost: boolean) => void,
 *   refused?: () => boolean | void,
 *   view?: () => string | null | undefined,
 * }} Listeners
 */

/**
 * What the stream needs of where it runs. `isVisible`: a page that nobody sees has no stream, which leaves the server a
 * connection; `watchVisibility` calls its argument when that changes, and returns what ends it. Without them it asks the document.
 * @typedef {{
 *   base: string,
 *   session: string,
 *   EventSource: new (address: string) => EventStream,
 *   isVisible?: () => boolean,
 *   watchVisibility?: (changed: () => void) => () => void,
 * }} Surroundings
 */

const isDocumentVisible = () => globalThis.document?.visibilityState !== "hidden";

/** @param {() => void} changed */
function watchDocument(changed) {
  const { document } = globalThis;
  document?.addEventListener("visibilitychange", changed);
  return () => document?.removeEventListener("visibilitychange", changed);
}

/**
 * Listen until the function that is returned is called.
 * @param {Surroundings} place
 * @param {Listeners} listeners
 * @returns {() => void}
 */
export function listen(place, { documents, page, shelf, progress, meetings, marks, lost, refused, view }) {
  const { isVisible = isDocumentVisible, watchVisibility = watchDocument } = place;
  /** @type {EventStream | null} */
  let source = null;
  let since = ""; // the last change of the shelf that was told
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let missing; // runs while the stream is not there
  const isFound = () => { clearTimeout(missing); missing = undefined; };
  const connect = () => {
    clearTimeout(again);
    source?.close();
    source = null;
    if (!isVisible()) { isFound(); return; }
    const size = view?.();
    const mine = source = new place.EventSource(
      `${place.base}/events?session=${encodeURIComponent(place.session)}&since=${encodeURIComponent(since)}${size ? `&view=${size}` : ""}`,
    );
    mine.addEventListener("documents", (event) => documents?.(JSON.parse(event.data).documents));
    mine.addEventListener("page", (event) => page?.(JSON.parse(event.data)));
    mine.addEventListener("shelf", (event) => {
      since = event.lastEventId;
      shelf?.(JSON.parse(event.data));
    });
    mine.addEventListener("progress", (event) => progress?.(JSON.parse(event.data)));
    mine.addEventListener("meetings", () => meetings?.());
    mine.addEventListener("marks", (event) => marks?.(JSON.parse(event.data)));
    mine.onerror = () => {
      missing ??= setTimeout(() => lost?.(true), LOST_AFTER_MS);
      const isClosed = mine.readyState === 2;
      if (isClosed && refused?.() !== false) again = setTimeout(connect, RECONNECT_MS);
    };
    mine.onopen = () => { isFound(); lost?.(false); };
  };
  const unwatch = watchVisibility(connect);
  connect();
  return () => {
    clearTimeout(again);
    clearTimeout(missing);
    source?.close();
    unwatch();
  };
}
