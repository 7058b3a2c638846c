/* Records: many encoded images in one answer (bundles of tiles, previews). A length of 4 bytes, little-endian; that many
   bytes of msgpack [version, columns, [[media type, length]…], [[blob, width, height]…], [problem…]]; then the blobs. */

const RECORD_VERSION = 2;
/** @type {Record<number, number>} */
const SIZES = { 0xcc: 1, 0xcd: 2, 0xce: 4, 0xd9: 1, 0xda: 2, 0xdc: 2, 0xdd: 4 };

/**
 * One image of a record; a width of 0 marks one that could not be made, whose blob says why.
 * @typedef {{blob: Blob, width: number, height: number}} RecordImage
 */

/**
 * The images of a record, row by row. Throws an Error if it is of another version.
 * @param {ArrayBuffer} buffer
 * @returns {{columns: number, images: RecordImage[]}}
 */
export function unpackRecord(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  /** @type {[number, number, [string, number][], [number, number, number][]]} */
  const [version, columns, blobs, index] = msgpack(new DataView(buffer, 4, length));
  if (version !== RECORD_VERSION) throw new Error(`a record of version ${version}, not ${RECORD_VERSION}`);
  let offset = 4 + length;
  const parts = blobs.map(([type, size]) => {
    offset += size;
    return new Blob([new Uint8Array(buffer, offset - size, size)], { type });
  });
  return { columns, images: index.map(([blob, width, height]) => ({ blob: parts[blob], width, height })) };
}

/**
 * The part of msgpack that headers use: arrays, whole numbers, text.
 * @param {DataView} view
 * @returns {any}
 */
function msgpack(view) {
  let at = 0;
  /** @param {number} size */
  const text = (size) => {
    at += size;
    return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at - size, size));
  };
  /** @type {(size: number) => any[]} */
  const array = (size) => Array.from({ length: size }, read);
  /** @returns {any} */
  function read() {
    const kind = view.getUint8(at);
    at += 1;
    if (kind < 0x80) return kind;
    if (kind >= 0x90 && kind < 0xa0) return array(kind & 15);
    if (kind >= 0xa0 && kind < 0xc0) return text(kind & 31);
    const size = SIZES[kind];
    if (!size) throw new Error(`unexpected msgpack 0x${kind.toString(16)}`);
    const number = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at);
    at += size;
    if (kind <= 0xce) return number;
    return kind <= 0xda ? text(number) : array(number);
  }
  return read();
}
