import { strict as assert } from "node:assert";
import { parse } from "./acorn.mjs";
const meaning = (key, value) => (key === "start" || key === "end" ? undefined : typeof value === "bigint" ? `${value}` : value);
for (const [name, texts] of Object.entries(given)) {
  const [written, served] = texts.map((text) => JSON.stringify(parse(text, { ecmaVersion: 2022, sourceType: "module" }), meaning));
  assert.equal(served, written, name);
}
