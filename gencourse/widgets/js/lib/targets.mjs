// Data in the plane for models that are trained in the page, and the parts into which they fall.

import { gaussian } from "./random.mjs";

const RADIUS = 2;
const PARTS = 8;
const OWN_NOISE = 0.2;

const onCircle = (k) => [RADIUS * Math.cos((2 * Math.PI * k) / PARTS), RADIUS * Math.sin((2 * Math.PI * k) / PARTS)];
const CENTRES = Array.from({ length: PARTS }, (_, k) => onCircle(k));

const nearest = (centres) => ([x, y]) => {
  let best = [Infinity, 0];
  centres.forEach(([a, b], k) => {
    const distance = Math.hypot(x - a, y - b);
    if (distance < best[0]) best = [distance, k];
  });
  return best;
};

const mixture = (centres, noise) => ({
  centres,
  noise,
  clean: (u) => centres[Math.floor(centres.length * u)],
  place: nearest(centres),
});

/**
 * Data by name: `eight`, `ring`, or `own`, the reader's points. `clean(u)` is the clean point that a
 * uniform number chooses, `noise` the standard deviation about it, and `place(x)` the distance of a
 * point to the data's skeleton and the part that it falls into.
 */
function target(data, points) {
  if (data === "eight") return { ...mixture(CENTRES, 0.2), part: "mode" };
  if (data === "own")
    return { ...mixture(pairs(points), OWN_NOISE), part: "point" };
  return {
    centres: CENTRES,
    noise: 0.15,
    part: "eighth",
    clean: (u) => onCircle(PARTS * u),
    place: ([x, y]) => [
      Math.abs(Math.hypot(x, y) - RADIUS),
      (Math.round((PARTS * Math.atan2(y, x)) / (2 * Math.PI)) + PARTS) % PARTS,
    ],
  };
}

/** The reader's points as pairs. */
export const pairs = (points) => points.flatMap((x, k) => (k % 2 ? [] : [[x, points[k + 1]]]));

/** The data, with `sample(n, u)`, n points drawn with uniform numbers, and `covered(x)`. */
export function dataset(data, points) {
  const { centres, noise, part, clean, place } = target(data, points);

  const sample = (n, u) => {
    const draw = gaussian(u);
    const x = new Float64Array(2 * n);
    for (let i = 0; i < n; i++) {
      const [a, b] = clean(u());
      x[2 * i] = a + noise * draw();
      x[2 * i + 1] = b + noise * draw();
    }
    return x;
  };

  /**
   * How many points fall on each part, within three standard deviations of the data; how many parts
   * have at least a tenth of their fair share; and the share of points on any part.
   */
  const covered = (x) => {
    const counts = centres.map(() => 0);
    for (let i = 0; i < x.length; i += 2) {
      const [distance, k] = place([x[i], x[i + 1]]);
      if (distance <= 3 * noise) counts[k]++;
    }
    const fair = x.length / 2 / centres.length;
    return {
      counts,
      parts: counts.filter((n) => n >= 0.1 * fair).length,
      close: counts.reduce((a, b) => a + b, 0) / (x.length / 2),
    };
  };

  return { centres, part, sample, covered };
}
