// Reads a weights file: "GMW1", the CRC-32 of all that follows, the length of a JSON header, the
// header {meta, tensors: [{name, dtype, shape}]}, padding to eight bytes, then the tensors one after
// the other, each padded to eight bytes. Everything is little-endian. gencourse/widgets/weights.py
// writes it.

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Half precision to single: a sign, five bits of exponent, ten of mantissa; no infinities arise.
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const size = exponent ? 2 ** (exponent - 25) * (1024 + mantissa) : 2 ** -24 * mantissa;
  return bits & 0x8000 ? -size : size;
}

const DECODE = {
  f16: (buffer) => Float32Array.from(new Uint16Array(buffer), half),
  f32: (buffer) => new Float32Array(buffer),
  u8: (buffer) => new Uint8Array(buffer),
};
const BYTES = { f16: 2, f32: 4, u8: 1 };
const padded = (bytes) => Math.ceil(bytes / 8) * 8;

/** The file's `meta` and its tensors by name, as flat typed arrays. Throws when it is damaged. */
export function readWeights(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (bytes.length < 16 || String.fromCharCode(...bytes.subarray(0, 4)) !== "GMW1")
    throw new Error("this is not a weights file");
  if (view.getUint32(4, true) !== crc32(bytes.subarray(8)))
    throw new Error("the weights file is damaged");
  const headerEnd = 12 + view.getUint32(8, true);
  const { meta, tensors } = JSON.parse(new TextDecoder().decode(bytes.subarray(12, headerEnd)));
  const arrays = {};
  let at = padded(headerEnd);
  for (const { name, dtype, shape } of tensors) {
    const size = BYTES[dtype] * shape.reduce((a, b) => a * b, 1);
    arrays[name] = DECODE[dtype](bytes.slice(at, at + size).buffer);
    at += padded(size);
  }
  return { meta, tensors: arrays };
}
