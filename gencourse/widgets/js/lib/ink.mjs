// A reader's own digit: strokes on a pad, and the 28 × 28 binary image that the encoder sees.

export const SIDE = 28;
const FIT = 20; // as in MNIST: the digit fills a 20 × 20 box, its centre of mass in the middle
const RADIUS = 1.3; // half the thickness of a stroke, in pixels

/** 28 × 28 bytes, 1 where a stroke covers the pixel's centre. Strokes are lists of [x, y] points. */
function draw(strokes) {
  const image = new Uint8Array(SIDE * SIDE);
  for (const stroke of strokes)
    stroke.forEach(([bx, by], k) => {
      const [ax, ay] = stroke[Math.max(k - 1, 0)];
      const [dx, dy] = [bx - ax, by - ay];
      const length2 = dx * dx + dy * dy;
      for (let i = 0; i < image.length; i++) {
        const [x, y] = [(i % SIDE) + 0.5 - ax, Math.floor(i / SIDE) + 0.5 - ay];
        const t = length2 && Math.min(Math.max((x * dx + y * dy) / length2, 0), 1);
        if ((x - t * dx) ** 2 + (y - t * dy) ** 2 <= RADIUS ** 2) image[i] = 1;
      }
    });
  return image;
}

/** The strokes as MNIST would show them: fitted into 20 × 20, centred by mass, in {0, 1}. */
export function normalise(strokes) {
  const points = strokes.flat();
  if (!points.length) return null;
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  // A dot stays a dot; a digit's longer side becomes 20 pixels, the thickness of the pen included.
  const scale = Math.min((FIT - 2 * RADIUS) / Math.max(right - left, bottom - top, 1e-6), 8 * SIDE);
  const place = (cx, cy) =>
    strokes.map((stroke) => stroke.map(([x, y]) => [
      (x - (left + right) / 2) * scale + cx, (y - (top + bottom) / 2) * scale + cy,
    ]));
  const image = draw(place(SIDE / 2, SIDE / 2));
  let [mass, mx, my] = [0, 0, 0];
  image.forEach((ink, i) => {
    mass += ink;
    mx += ink * ((i % SIDE) + 0.5);
    my += ink * (Math.floor(i / SIDE) + 0.5);
  });
  return draw(place(SIDE - mx / mass, SIDE - my / mass));
}

/** A binary image as 131 characters of URL-safe base64, eight pixels a byte, for state and links. */
export function toText(image) {
  let bytes = "";
  for (let i = 0; i < image.length; i += 8)
    bytes += String.fromCharCode(image.slice(i, i + 8).reduce((byte, bit, k) => byte | (bit << k), 0));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The image that `toText` wrote, or null when the text holds none. */
export function fromText(text) {
  let bytes;
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return null;
  }
  return bytes.length * 8 === SIDE * SIDE ? unpack(Uint8Array.from(bytes, (c) => c.charCodeAt(0))) : null;
}

/** Pixels from bytes that hold eight each, the lowest bit first. */
export const unpack = (bytes) =>
  Uint8Array.from({ length: 8 * bytes.length }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1);
