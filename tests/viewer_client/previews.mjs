count = 1400;
const book = await library.open("x");
let place = 1;
const isFull = (from, to) => { for (let page = from; page <= to; page += 1) if (!book.preview(page)) return false; return true; };
const bundles = () => asked.filter((one) => one.includes("previews/")).length;
await book.fetchPreviews(() => place);
assert(isFull(1, 160));
const first = bundles();
await book.fetchPreviews(() => place);
assert.equal(bundles(), first, "what is there is not asked for");
for (place = 1; place <= 501; place += 1) { // reading on
  await book.fetchPreviews(place);
  assert(isFull(Math.max(1, place - 60), place + 60), `around ${place}`);
  assert(book.previewBytes.held <= book.previewBytes.most);
}
assert(bundles() <= first + 500 / 16 + 2, `each once: ${bundles()}`);
place = 1300;
asked.length = 0;
await book.fetchPreviews(() => place);
assert.equal(asked[0], "/documents/x/previews/1297-1312", "the page itself first");
assert(isFull(1220, 1380));
assert(book.previewBytes.held > 0.8 * book.previewBytes.most && book.previewBytes.held <= book.previewBytes.most);
place = 3;
const going = book.fetchPreviews(() => place);
await turn();
place = 700; // a jump while a bundle is on its way
await Promise.all([going, book.fetchPreviews(() => place)]);
assert(isFull(620, 780));
assert.equal(open, [...Array(1400).keys()].filter((index) => book.preview(index + 1)).length, "what fell out was freed");
book.close();
assert.equal(open, 0);
