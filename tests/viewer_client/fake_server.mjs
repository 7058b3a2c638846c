/* A server that a test answers for. What a test appends follows here. */

import { Library } from "./client.js";
import { strict as assert } from "node:assert";

const real = globalThis.setTimeout;
globalThis.setTimeout = (does, ms, ...more) => real(does, ms / 100, ...more); // pauses are a hundredth
const turn = () => new Promise((done) => real(done, 0));

/* A record as the server packs it: so many images of 1 byte, of a width. */
function record(count, width) {
  const array = (length) => [0xdc, length >> 8, length & 255];
  const word = (number) => [0xcd, number >> 8, number & 255];
  const head = [0x94, 2, 1, ...array(count)];
  for (let at = 0; at < count; at += 1) head.push(0x92, 0xa1, 120, 1);
  head.push(...array(count));
  for (let at = 0; at < count; at += 1) head.push(0x93, ...word(at), ...word(width), ...word(width));
  const bytes = new Uint8Array(4 + head.length + count);
  new DataView(bytes.buffer).setUint32(0, head.length, true);
  bytes.set(head, 4);
  return bytes;
}

const asked = [];
let open = 0;
const runs = (count) => ({
  runs: [{ count, width_pt: 595, height_pt: 842, levels: [] }], labels: [{ count, text: "", number: 1 }], problems: [], image_service: "",
});
const json = (value, options) => new Response(JSON.stringify(value), options);
let count = 10;
let answer = () => undefined; // what a test wants to be told at an address
async function fetch(address, options = {}) {
  asked.push(address);
  await turn();
  if (options.signal?.aborted) throw new DOMException("given up", "AbortError");
  const told = await answer(address, options);
  if (told) return told;
  if (address.endsWith("runs.json")) return json({ ...runs(count), direction: "ltr", name: "x" });
  const [, first, last] = /previews\/(\d+)-(\d+)$/.exec(address) ?? [];
  if (first) return new Response(record(last - first + 1, 256));
  return new Response(new Uint8Array(1));
}
const decode = async () => {
  open += 1;
  return { width: 256, height: 256, close() { open -= 1; } };
};
const library = new Library("", { fetch, decode });
const down = () => { throw new TypeError("not reached"); };
