const book = await library.open("x");
const never = (address, { signal }) => new Promise((_, no) => signal.addEventListener("abort", () => no(signal.reason)));
const gaveUp = { name: "AbortError" };
answer = never;
const one = new AbortController();
const both = [book.load(1, 9, 9, true, { signal: one.signal }), book.load(1, 9, 9)];
const other = assert.rejects(both[0], gaveUp);
await turn();
one.abort();
await other;
book.keepOnly([]);
await assert.rejects(both[1], gaveUp, "it went on for the second");
assert.equal(book.failure(1), null);
for (const ask of [
  (options) => book.load(2, 9, 9, true, options), (options) => book.loadTile(2, 0, 0, 0, options),
  (options) => book.loadPreview(2, options), (options) => book.text(2, options), (options) => book.outline(options),
  (options) => book.search("x", options), (options) => book.fetchPreviews(2, options), (options) => library.documents(options),
  (options) => library.open("y", null, options),
]) {
  const control = new AbortController();
  const ended = assert.rejects(ask({ signal: control.signal }), gaveUp, `${ask}`);
  await turn();
  control.abort();
  await ended;
  await assert.rejects(ask({ signal: control.signal }), gaveUp, `at once: ${ask}`);
}
assert.equal(book.failure(2), null);
answer = down; // in the pause before the next try
const control = new AbortController();
const ended = assert.rejects(book.load(3, 9, 9, true, { signal: control.signal }), gaveUp);
await turn(); await turn();
control.abort();
await ended;
assert.equal(book.failure(3), null);
answer = never;
const closed = assert.rejects(book.load(4, 9, 9), gaveUp);
book.close();
await closed;
assert.equal(book.failure(4), null);
