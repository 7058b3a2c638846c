/* The client under the viewer: documents, pages decoded off the main thread, a byte budget, hints. Takes no part in the
   screen, so a front-end team can use it as it is. */

const BYTES_PER_PIXEL = 4;
const BUDGET_BYTES = 96 * 1024 * 1024; // decoded images: fits a tablet with 2 GB of memory
const PREVIEW_BUDGET = 400; // previews, each about 200 kB decoded

export class Library {
  constructor(base = "") { this.base = base; }

  async #json(path) {
    const answer = await fetch(this.base + path);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || answer.statusText);
    return answer.json();
  }

  async documents() { return (await this.#json("/documents")).documents; }

  async open(id) {
    const [details, pages] = await Promise.all([this.#json(`/documents/${id}`), this.#json(`/documents/${id}/pages.json`)]);
    return new Book(this.base, details, pages.pages);
  }
}

export class Book {
  #sharp = new Map(); // key -> {bitmap, bytes}, the least recently used first
  #previews = new Map();
  #flights = new Map();
  #bytes = 0;
  #session = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());

  constructor(base, details, pages) {
    this.base = base;
    this.id = details.id;
    this.title = details.title;
    this.direction = details.direction;
    this.outline = details.outline;
    this.pages = pages;
    this.decodes = 0;
  }

  /** The page's image for a box of pixels if it is decoded, else its preview, else null. Never waits. */
  best(page, width, height) {
    const sharp = this.#sharp.get(this.#key(page, width, height));
    if (sharp) return { bitmap: sharp.bitmap, sharp: true };
    const preview = this.#previews.get(page);
    return preview ? { bitmap: preview, sharp: false } : null;
  }

  /** Fetch and decode a page for a box of pixels. */
  load(page, width, height, signal) {
    const key = this.#key(page, width, height);
    const kept = this.#sharp.get(key);
    if (kept) {
      this.#sharp.delete(key);
      this.#sharp.set(key, kept);
      return Promise.resolve(kept.bitmap);
    }
    return this.#once(key, `/documents/${this.id}/pages/${page}/${width}x${height}`, signal, (bitmap) => {
      const bytes = bitmap.width * bitmap.height * BYTES_PER_PIXEL;
      this.#sharp.set(key, { bitmap, bytes });
      this.#bytes += bytes;
      for (const [old, one] of this.#sharp) {
        if (this.#bytes <= BUDGET_BYTES || old === key) break;
        this.#sharp.delete(old);
        this.#bytes -= one.bytes;
        one.bitmap.close();
      }
    });
  }

  /** Fetch and decode a page's preview. */
  preview(page) {
    const kept = this.#previews.get(page);
    if (kept) return Promise.resolve(kept);
    return this.#once(`preview ${page}`, `/documents/${this.id}/pages/${page}/preview`, undefined, (bitmap) => {
      this.#previews.set(page, bitmap);
      if (this.#previews.size > PREVIEW_BUDGET) {
        const [oldest, one] = this.#previews.entries().next().value;
        this.#previews.delete(oldest);
        one.close();
      }
    });
  }

  /** Tell the server where the reader is: it draws what comes next. */
  hint(page, width, height, spread) {
    const body = JSON.stringify({ session: this.#session, page, view_px: [width, height], spread });
    fetch(`${this.base}/documents/${this.id}/hints`, { method: "POST", body }).catch(() => {});
  }

  async search(query) {
    const answer = await fetch(`${this.base}/documents/${this.id}/search/${encodeURIComponent(query)}`);
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()).hits;
  }

  #key(page, width, height) { return `${page} ${width}x${height}`; }

  #once(key, path, signal, keep) {
    const earlier = this.#flights.get(key);
    if (earlier && !earlier.signal?.aborted) return earlier.bitmap; // one that was given up is of no use to who wants it again
    const flight = { signal };
    flight.bitmap = fetch(this.base + path, { signal })
      .then(async (answer) => {
        if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || answer.statusText);
        return createImageBitmap(await answer.blob()); // decoded off the main thread
      })
      .then((bitmap) => { this.decodes += 1; keep(bitmap); return bitmap; })
      .finally(() => { if (this.#flights.get(key) === flight) this.#flights.delete(key); });
    this.#flights.set(key, flight);
    return flight.bitmap;
  }
}

/** Which pages are shown together: [left, right] as painted, or [page]. Pages from 1. */
export function spreadOf(book, page, together) {
  const alone = (number) => book.pages[number - 1].width_pt > book.pages[number - 1].height_pt;
  if (!together || page === 1) return [page];
  let first = 2;
  while (first <= book.pages.length) { // pairs start at page 2; a landscape page stands alone
    const pair = first + 1 <= book.pages.length && !alone(first) && !alone(first + 1);
    const last = pair ? first + 1 : first;
    if (page <= last) {
      if (!pair) return [first];
      return book.direction === "rtl" ? [last, first] : [first, last];
    }
    first = last + 1;
  }
  return [page];
}
