const streams = [];
class Stream {
  constructor(address) { Object.assign(this, { address, readyState: 1, kinds: {} }); streams.push(this); }
  addEventListener(kind, does) { this.kinds[kind] = does; }
  close() { this.readyState = 2; }
}
let isVisible = true;
let changed = () => {};
let isWatched = true;
const shown = new Library("/base", {
  fetch, EventSource: Stream, session: "s", isVisible: () => isVisible,
  watchVisibility: (does) => { changed = does; return () => { isWatched = false; }; },
});
const told = [];
const end = shown.listen({ shelf: (event) => told.push(event), lost: (isLost) => told.push(isLost), view: () => "3x4" });
assert.equal(streams[0].address, "/base/events?session=s&since=&view=3x4");
streams[0].onopen();
streams[0].kinds.shelf({ data: '{"changes": []}', lastEventId: "7" });
streams[0].readyState = 2;
streams[0].onerror();
await new Promise((done) => real(done, 200));
assert.equal(streams[1].address, "/base/events?session=s&since=7&view=3x4");
streams[1].onopen();
assert.deepEqual(told, [false, { changes: [] }, true, false]);
isVisible = false;
changed();
assert.equal(streams[1].readyState, 2);
isVisible = true;
changed();
assert.equal(streams.length, 3);
end();
assert.deepEqual([streams[2].readyState, isWatched], [2, false]);
assert.throws(() => library.listen({}), /EventSource/);
