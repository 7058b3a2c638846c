/* The client under the viewer: documents, pages and tiles decoded off the main thread under a byte budget, previews by
   the bundle, hints, events. It takes no part in the screen, so a front-end team can use it as it is. */

/** Stands for the top of the shelf in the place of a folder's id. */
export const TOP = "top";

const BYTES_PER_PIXEL = 4;
const BUDGET_BYTES = 96 * 1024 * 1024; // decoded pages and tiles: fits a tablet with 2 GB of memory
const PREVIEW_BUDGET_BYTES = 48 * 1024 * 1024; // decoded previews, about 180 kB each
const PREVIEWS_AT_ONCE = 16;
const SHARPER_AFTER_MS = 1500; // a loaded server answers with a coarser image, good for 2 s
const MOST_TRIES = 8;
const TEXTS_KEPT = 24;
const RECORD_VERSION = 2;
const RECONNECT_MS = 5000;
const LOST_AFTER_MS = 5000; // the server ends each stream from time to time, and it is there again at once

/** Decoded images, the least recently used first; what falls out is freed at once, not when the browser collects. */
class Bitmaps {
  #kept = new Map();
  #bytes = 0;

  constructor(budget_bytes) { this.budget_bytes = budget_bytes; }

  get bytes() { return this.#bytes; }

  get(key) {
    const bitmap = this.#kept.get(key);
    if (bitmap) {
      this.#kept.delete(key);
      this.#kept.set(key, bitmap);
    }
    return bitmap;
  }

  has(key) { return this.#kept.has(key); }

  put(key, bitmap) {
    this.delete(key);
    this.#kept.set(key, bitmap);
    this.#bytes += bitmap.width * bitmap.height * BYTES_PER_PIXEL;
    for (const old of this.#kept.keys()) {
      if (this.#bytes <= this.budget_bytes || old === key) break;
      this.delete(old);
    }
  }

  delete(key) {
    const bitmap = this.#kept.get(key);
    if (!bitmap) return;
    this.#kept.delete(key);
    this.#bytes -= bitmap.width * bitmap.height * BYTES_PER_PIXEL;
    bitmap.close();
  }

  clear() { for (const key of [...this.#kept.keys()]) this.delete(key); }
}

/** The documents of a server. */
export class Library {
  session = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`.slice(0, 40);

  constructor(base = "") { this.base = base; }

  /** As `fetch`; takes over what the page asked for before this module was there: `globalThis.early`, answers by address. */
  get(path, options) {
    const early = globalThis.early?.get(this.base + path);
    globalThis.early?.delete(this.base + path);
    return early || fetch(this.base + path, options);
  }

  async json(path, signal) {
    const answer = await this.get(path, { signal });
    if (!answer.ok) throw await problem(answer);
    return answer.json();
  }

  async documents() { return (await this.json("/documents")).documents; }

  /** A document. `first`: {page, width, height} to fetch at once, beside the geometry: nobody waits for either. */
  async open(id, first) {
    const book = new Book(this, id);
    if (first) { // who shows the page asks again, and is told what went wrong
      book.loadPreview(first.page).catch(() => {});
      book.load(first.page, first.width, first.height).catch(() => {});
    }
    return Object.assign(book, await this.json(`/documents/${id}/pages.json`));
  }

  /** Be told when documents come and go, what the server has for this session, what changes on the shelf, and how far its
      papers are prepared; returns what ends it. lost: called with true if there was no stream for five seconds, and with false
      when there is one. refused: the server wants no stream now; it is asked again unless `refused` says false. view: the size in which pages are asked for, "1200x1800", if it is
      known: new papers are drawn for it. The first `shelf` of a page has no changes: what changed before is not told. */
  listen({ documents, page, shelf, progress, lost, refused, view }) {
    let source = null;
    let since = ""; // the last change of the shelf that was told
    let again = 0;
    let missing = 0; // runs while the stream is not there
    const connect = () => {
      clearTimeout(again);
      source?.close();
      source = null;
      if (document.visibilityState === "hidden") { clearTimeout(missing); missing = 0; return; } // a connection less for the tabs that somebody looks at
      const asked = `${this.base}/events?session=${encodeURIComponent(this.session)}&since=${encodeURIComponent(since)}`
        + (view?.() ? `&view=${view()}` : "");
      const mine = source = new EventSource(asked);
      source.addEventListener("documents", (event) => documents?.(JSON.parse(event.data).documents));
      source.addEventListener("page", (event) => page?.(JSON.parse(event.data)));
      source.addEventListener("shelf", (event) => {
        since = event.lastEventId;
        shelf?.(JSON.parse(event.data));
      });
      source.addEventListener("progress", (event) => progress?.(JSON.parse(event.data)));
      source.onerror = () => {
        missing ||= setTimeout(() => lost?.(true), LOST_AFTER_MS);
        if (mine.readyState === EventSource.CLOSED && refused?.() !== false) again = setTimeout(connect, RECONNECT_MS);
      };
      source.onopen = () => { clearTimeout(missing); missing = 0; lost?.(false); };
    };
    document.addEventListener("visibilitychange", connect);
    connect();
    return () => { clearTimeout(again); clearTimeout(missing); source?.close(); document.removeEventListener("visibilitychange", connect); };
  }
}

/** One document: `name`, `title`, `direction`, `pages` (as in pages.json), and its images. */
export class Book {
  #sharp = new Bitmaps(BUDGET_BYTES);
  #coarse = new Bitmaps(BUDGET_BYTES / 4);
  #previews = new Bitmaps(PREVIEW_BUDGET_BYTES);
  #flights = new Map(); // key -> {promise, control}
  #texts = new Map();
  #failed = new Map(); // page -> what the server says of it
  #problems = new Map(); // page -> what could not be drawn of it
  #closing = new AbortController();
  #impatient = new Set(); // those that wait before they ask for a sharper image

  /** Called with a page when there is something better to paint of it. */
  onupdate = () => {};
  decodes = 0;

  constructor(library, id) {
    this.library = library;
    this.id = id;
    this.pages = [];
  }

  get decodedBytes() { return this.#sharp.bytes + this.#coarse.bytes + this.#previews.bytes; }

  /** What there is of a page for a box of pixels: {bitmap, sharp}, or null. Never waits. */
  best(page, width, height) {
    const key = pageKey(page, width, height);
    const sharp = this.#sharp.get(key);
    if (sharp) return { bitmap: sharp, sharp: true };
    const bitmap = this.#coarse.get(key) || this.#previews.get(page);
    return bitmap ? { bitmap, sharp: false } : null;
  }

  /** Why a page cannot be shown, or null. Never waits. */
  failure(page) {
    if (this.pages[page - 1]?.is_withheld) return "this page is not shown to you";
    return this.#failed.get(page) || null;
  }

  /** What could not be drawn of a page, in words, or an empty text. Never waits. */
  problems(page) { return this.#problems.get(page) || (this.pages[page - 1]?.problems || []).join("; "); }

  /** A decoded tile, or null. Never waits. */
  tile(page, level, column, row) { return this.#sharp.get(tileKey(page, level, column, row)) || null; }

  /** Fetch and decode a page fitted into a box of pixels. */
  async load(page, width, height, urgent = true) {
    try {
      const bitmap = await this.#image(pageKey(page, width, height), `pages/${page}/${width}x${height}`, page, urgent);
      this.#failed.delete(page);
      return bitmap;
    } catch (error) {
      if (error.name !== "AbortError") {
        this.#failed.set(page, error.message);
        this.onupdate(page);
      }
      throw error;
    }
  }

  /** Fetch and decode a tile. */
  loadTile(page, level, column, row) {
    return this.#image(tileKey(page, level, column, row), `pages/${page}/tiles/${level}/${column}_${row}`, page, true);
  }

  /** Give up what is on its way but for these: lists of arguments of `load` and `loadTile`. */
  keepOnly(pages, tiles = []) {
    const wanted = new Set([...pages.map((one) => pageKey(...one)), ...tiles.map((one) => tileKey(...one))]);
    for (const [key, flight] of this.#flights) if (!wanted.has(key)) flight.control.abort();
  }

  /** Fetch and decode previews around a page, the nearest first, until all are there that the budget holds. */
  async fetchPreviews(around) {
    const most = Math.floor(PREVIEW_BUDGET_BYTES / (256 * 181 * BYTES_PER_PIXEL));
    const starts = [];
    for (let start = 1; start <= this.pages.length; start += PREVIEWS_AT_ONCE) starts.push(start);
    const near = (start) => Math.abs(start + PREVIEWS_AT_ONCE / 2 - around());
    for (let left = Math.ceil(most / PREVIEWS_AT_ONCE); left > 0 && starts.length; left -= 1) {
      starts.sort((a, b) => near(b) - near(a)); // anew each time: the reader moves
      const start = starts.pop();
      const last = Math.min(this.pages.length, start + PREVIEWS_AT_ONCE - 1);
      const signal = this.#closing.signal;
      const answer = await this.#answer(`previews/${start}-${last}`, { signal, priority: "low" });
      const { images } = unpackRecord(await answer.arrayBuffer());
      for (const [index, { blob, width }] of images.entries()) {
        if (width) this.#previews.put(start + index, await createImageBitmap(blob));
        if (this.#closing.signal.aborted) { this.#previews.clear(); return; }
        this.onupdate(start + index);
      }
    }
  }

  /** Fetch and decode one preview. */
  async loadPreview(page) {
    const answer = await this.#answer(`pages/${page}/preview`, { signal: this.#closing.signal, priority: "high" });
    this.#previews.put(page, await createImageBitmap(await answer.blob()));
    this.onupdate(page);
  }

  /** [{title, page, uri, level}…] */
  async outline() { return (await this.library.json(`/documents/${this.id}`, this.#closing.signal)).outline; }

  /** A decoded preview, or null. Never waits. */
  preview(page) { return this.#previews.get(page) || null; }

  /** {words: [[x0, y0, x1, y1, text, block, line]…], links: [{box_pt, page, uri}…]}, boxes in points. */
  text(page) {
    const kept = this.#texts.get(page);
    if (kept) return kept;
    const { signal } = this.#closing;
    const found = Promise.all(["text", "links"].map((what) => this.library.json(`/documents/${this.id}/pages/${page}/${what}`, signal)))
      .then(([{ words }, { links }]) => ({ words, links }));
    found.catch(() => this.#texts.delete(page));
    this.#texts.set(page, found);
    if (this.#texts.size > TEXTS_KEPT) this.#texts.delete(this.#texts.keys().next().value);
    return found;
  }

  /** Tell the server where the reader is: it draws what comes next. */
  hint(page, width, height, spread) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ session: this.library.session, page, view_px: [width, height], spread });
    fetch(`${this.library.base}/documents/${this.id}/hints`, { method: "POST", headers, body, priority: "low" })
      .catch(() => {}); // a hint that is lost costs a prefetch, nothing else
  }

  async search(query) {
    return (await this.library.json(`/documents/${this.id}/search/${encodeURIComponent(query)}`, this.#closing.signal)).hits;
  }

  /** Ask now for what came coarse: the server says that it has it sharp. */
  refetch() {
    for (const resolve of this.#impatient) resolve();
    this.#impatient.clear();
  }

  /** Free all images and give up what is on its way. */
  close() {
    this.#closing.abort();
    this.keepOnly([]);
    for (const one of [this.#sharp, this.#coarse, this.#previews]) one.clear();
  }

  #image(key, path, page, urgent) {
    const kept = this.#sharp.get(key);
    if (kept) return Promise.resolve(kept);
    const earlier = this.#flights.get(key);
    if (earlier && !earlier.control.signal.aborted) return earlier.promise; // one that was given up is of no use now
    const flight = { control: new AbortController() };
    flight.promise = this.#fetched(key, path, page, flight.control.signal, urgent ? "high" : "low")
      .finally(() => { if (this.#flights.get(key) === flight) this.#flights.delete(key); });
    this.#flights.set(key, flight);
    return flight.promise;
  }

  async #fetched(key, path, page, signal, priority) {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#answer(path, { signal, priority, cache: tries > 1 ? "reload" : "default" });
      const told = answer.headers.get("Sidebooks-Problems");
      if (told) this.#problems.set(page, told.replace(/^\d+(; )?/, "").replaceAll('"', "") || told);
      const bitmap = await createImageBitmap(await answer.blob()); // decoded off the main thread
      this.decodes += 1;
      if (signal.aborted) {
        bitmap.close();
        throw signal.reason;
      }
      const isSharp = Number(answer.headers.get("Sidebooks-Resolution") || 1) >= 1;
      if (isSharp || tries === MOST_TRIES) {
        this.#sharp.put(key, bitmap);
        this.#coarse.delete(key);
        this.onupdate(page);
        return bitmap;
      }
      this.#coarse.put(key, bitmap);
      this.onupdate(page);
      let wake;
      const woken = new Promise((resolve) => { wake = resolve; });
      this.#impatient.add(wake);
      await Promise.race([pause(SHARPER_AFTER_MS, signal), woken]).finally(() => this.#impatient.delete(wake));
    }
  }

  async #answer(path, options) {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.library.get(`/documents/${this.id}/${path}`, options);
      if (answer.ok) return answer;
      if (answer.status !== 503 || tries === MOST_TRIES) throw await problem(answer);
      await pause(1000 * Math.min(10, Number(answer.headers.get("Retry-After")) || 2), options.signal);
    }
  }
}

const pageKey = (page, width, height) => `${page} ${width}x${height}`;
const tileKey = (page, level, column, row) => `${page} ${level}/${column}_${row}`;

/** The error that an answer tells of: with its `status`, and `retry_after_s` (0 if it is not said). */
export async function problem(answer) {
  const told = await answer.json().catch(() => ({})); // a proxy's error page is not JSON
  const retry_after_s = Number(answer.headers.get("Retry-After")) || 0;
  return Object.assign(new Error(told.detail || `${answer.status} ${answer.statusText}`), { status: answer.status, retry_after_s });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/* Records: many encoded images in one answer (bundles of tiles, previews). A length of 4 bytes, little-endian; that many
   bytes of msgpack [version, columns, [[media type, length]…], [[blob, width, height]…], [problem…]]; then the blobs. */

/** [{blob, width, height}] of a record; a width of 0 marks an image that could not be made, whose blob says why. */
export function unpackRecord(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const [version, columns, blobs, index] = msgpack(new DataView(buffer, 4, length));
  if (version !== RECORD_VERSION) throw new Error(`a record of version ${version}, not ${RECORD_VERSION}`);
  let offset = 4 + length;
  const parts = blobs.map(([type, size]) => {
    offset += size;
    return new Blob([new Uint8Array(buffer, offset - size, size)], { type });
  });
  return { columns, images: index.map(([blob, width, height]) => ({ blob: parts[blob], width, height })) };
}

/* The part of msgpack that headers use: arrays, whole numbers, text. */
function msgpack(view) {
  let at = 0;
  const text = (size) => {
    at += size;
    return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at - size, size));
  };
  const array = (size) => Array.from({ length: size }, read);
  function read() {
    const kind = view.getUint8(at);
    at += 1;
    if (kind < 0x80) return kind;
    if (kind >= 0x90 && kind < 0xa0) return array(kind & 15);
    if (kind >= 0xa0 && kind < 0xc0) return text(kind & 31);
    const sizes = { 0xcc: 1, 0xcd: 2, 0xce: 4, 0xd9: 1, 0xda: 2, 0xdc: 2, 0xdd: 4 };
    const size = sizes[kind];
    if (!size) throw new Error(`unexpected msgpack 0x${kind.toString(16)}`);
    const number = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at);
    at += size;
    if (kind <= 0xce) return number;
    return kind <= 0xda ? text(number) : array(number);
  }
  return read();
}
