import { Library } from "sidebooks-client";
import { unpackRecord } from "sidebooks-client/records.js";
import { fit, spreadOf } from "sidebooks-client/layout.js";
const decode = async (blob) => ({ width: 8, height: 8, close() {}, bytes: blob.size, type: blob.type });
class Stream {
  constructor(address) {
    fetch(address).then(async (answer) => {
      const reader = answer.body.getReader();
      this.close = () => reader.cancel();
      for (let text = ""; !text.includes("documents"); ) text += new TextDecoder().decode((await reader.read()).value);
      this.onopen?.({});
    });
  }
  addEventListener() {}
  close() {}
}
const library = new Library(given, { decode, EventSource: Stream });
const [one] = await library.documents();
const book = await library.open(one.id, { page: 1, width: 300, height: 400 });
const [box] = fit(book.pages, spreadOf(book.pages, book.direction, 2, false), 300, 400);
const bitmap = await book.load(2, box.width, box.height);
await book.fetchPreviews(1);
const span = await library.get(`/documents/${one.id}/previews/1-2`);
const { images } = unpackRecord(await span.arrayBuffer());
const steps = [];
const { words } = await book.text(1);
const hits = await book.search(words[0][4], { onhits: (_, { page }) => steps.push(page) });
const control = new AbortController();
control.abort();
const gave_up = await book.load(3, 300, 400, true, { signal: control.signal }).catch((error) => error.name);
await new Promise((done) => { const end = library.listen({ lost: () => setTimeout(() => { end(); done(); }) }); });
book.hint(2, 300, 400, false);
const seen = book.pages.map(({ page }) => Boolean(book.preview(page)));
book.close();
console.log(JSON.stringify({
  pages: book.pages.length, type: bitmap.type, bytes: bitmap.bytes, hits: hits.length, first: hits[0]?.page, steps, gave_up,
  seen: seen.every(Boolean), failure: book.failure(3), bundle: images.map((image) => image.width > 0),
}));
