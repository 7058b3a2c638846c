/* Records: many encoded images in one answer (bundles of tiles, previews). A length of 4 bytes, little-endian; that many
   bytes of msgpack [version, columns, [[media type, length]…], [[blob, width, height]…]]; then the blobs. */

const VERSION = 1;

/** [{blob, width, height}] of a record; a width of 0 marks an image that could not be made, whose blob says why. */
export function unpackRecord(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const [version, columns, blobs, index] = msgpack(new DataView(buffer, 4, length));
  if (version !== VERSION) throw new Error(`a record of version ${version}, not ${VERSION}`);
  let offset = 4 + length;
  const parts = blobs.map(([type, size]) => {
    offset += size;
    return new Blob([new Uint8Array(buffer, offset - size, size)], { type });
  });
  return { columns, images: index.map(([blob, width, height]) => ({ blob: parts[blob], width, height })) };
}

/* The part of msgpack that headers use: arrays, whole numbers, text. */
function msgpack(view) {
  let at = 0;
  const text = (size) => {
    at += size;
    return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at - size, size));
  };
  const array = (size) => Array.from({ length: size }, read);
  function read() {
    const kind = view.getUint8(at);
    at += 1;
    if (kind < 0x80) return kind;
    if (kind >= 0x90 && kind < 0xa0) return array(kind & 15);
    if (kind >= 0xa0 && kind < 0xc0) return text(kind & 31);
    const sizes = { 0xcc: 1, 0xcd: 2, 0xce: 4, 0xd9: 1, 0xda: 2, 0xdc: 2, 0xdd: 4 };
    const size = sizes[kind];
    if (!size) throw new Error(`unexpected msgpack 0x${kind.toString(16)}`);
    const number = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at);
    at += size;
    if (kind <= 0xce) return number;
    return kind <= 0xda ? text(number) : array(number);
  }
  return read();
}
