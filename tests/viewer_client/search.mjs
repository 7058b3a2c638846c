const hit = (page) => ({ page, boxes_pt: [], text: "x" });
answer = (address) => {
  const start = Number(/start=(\d+)/.exec(address)?.[1] ?? 0);
  return start ? json({ query: "x", hits: [hit(start)], next: start < 9 ? start + 4 : null }) : undefined;
};
const book = await library.open("x");
const told = [];
const all = await book.search("a b/c", { onhits: (hits, { page, of }) => told.push([hits.length, page, of]) });
assert.deepEqual(all.map((one) => one.page), [1, 5, 9]);
assert.deepEqual(told, [[1, 4, 10], [1, 8, 10], [1, 10, 10]]);
assert(asked.at(-1).includes("/search/a%20b%2Fc?start=9"));
const control = new AbortController();
asked.length = 0;
const stopped = book.search("x", { signal: control.signal, onhits: () => control.abort() });
await assert.rejects(stopped, { name: "AbortError" });
assert.equal(asked.length, 1);
