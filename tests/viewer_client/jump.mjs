count = 1400;
const book = await library.open("x");
asked.length = 0;
await book.load(1300, 100, 200);
assert.deepEqual(asked.slice(0, 2), ["/documents/x/pages/1300/preview", "/documents/x/pages/1300/100x200"]);
await book.load(1301, 100, 200, false);
assert(!asked.some((one) => one.endsWith("1301/preview")), "nobody looks at it yet");
