// Couplings of the plane: where they take a point, and what they do to area and density.
//
// A coupling moves one coordinate, v, by what it sees in the other, u:
//
//     v ↦ v·exp(s(u)) + b(u),    log |det J| = s(u),
//
// so that it inverts without solving anything. Half done it is v·exp(s/2) + b/2: again a coupling.

import { mlp } from "../lib/nn.mjs";

const LOG_2PI = Math.log(2 * Math.PI);

/** log N(z; 0, I) in the plane. */
export const logBase = ([a, b]) => -(a * a + b * b) / 2 - LOG_2PI;

const REACH = 16;
const KNOTS = 3072;
const WIDTH = (2 * REACH) / KNOTS;

/**
 * A coupling of the coordinate `moves` by f(u) = [s, b]. What one number decides is a pair of
 * curves, so f is sampled once between -REACH and REACH: `bend(u)` reads it off by the cubic through
 * the four nearest samples, for a trained network right to 1e-5 and forty times as fast.
 */
function coupling(moves, f) {
  const [s, b] = [new Float64Array(KNOTS + 1), new Float64Array(KNOTS + 1)];
  for (let k = 0; k <= KNOTS; k++) [s[k], b[k]] = f(k * WIDTH - REACH);
  const bend = (u) => {
    const place = (u + REACH) / WIDTH;
    const k = Math.floor(place);
    if (!(k >= 1 && k <= KNOTS - 2)) return f(u);
    const [p, q, r, t] = [place - k + 1, place - k, place - k - 1, place - k - 2];
    const [w0, w1, w2, w3] = [-(q * r * t) / 6, (p * r * t) / 2, -(p * q * t) / 2, (p * q * r) / 6];
    const read = (curve) => w0 * curve[k - 1] + w1 * curve[k] + w2 * curve[k + 1] + w3 * curve[k + 2];
    return [read(s), read(b)];
  };
  return { moves, bend, s, b };
}

/**
 * The trained couplings of a weights file, in the order in which z becomes x. The networks were
 * trained in the other direction, v exp(s) + b from data to noise, so each is turned round.
 */
export const trained = ({ meta, tensors }) =>
  meta.couplings.map(({ moves, layers, limit }) => {
    const network = mlp(layers.map(([name, activation]) => ({
      weight: tensors[`${name}.weight`], bias: tensors[`${name}.bias`], activation,
    })));
    return coupling(moves, (u) => {
      const [a, b] = network([u]);
      const s = -limit * Math.tanh(a / limit);
      return [s, -b * Math.exp(s)];
    });
  });

/** What a coupling makes of a point when `amount` of it, from 0 to 1, is done. */
const move = (point, { moves }, [s, b], amount) => {
  const moved = [...point];
  moved[moves] = point[moves] * Math.exp(amount * s) + amount * b;
  return moved;
};
const unmove = (point, { moves }, [s, b], amount) => {
  const moved = [...point];
  moved[moves] = (point[moves] - amount * b) * Math.exp(-amount * s);
  return moved;
};

/**
 * The path of z through all couplings: its place before each of them and after the last, what each
 * does there, and the sum of log |det J| so far.
 */
export function pathFrom(flow, z) {
  const path = { flow, places: [z], bends: [], logDets: [0] };
  for (const coupling of flow) {
    const place = path.places.at(-1);
    const bend = coupling.bend(place[1 - coupling.moves]);
    path.bends.push(bend);
    path.places.push(move(place, coupling, bend, 1));
    path.logDets.push(path.logDets.at(-1) + bend[0]);
  }
  return path;
}

/** Where a path is at time t, t couplings done, and log |det J| from z to there. */
export function along({ flow, places, bends, logDets }, t) {
  const k = Math.min(Math.floor(t), flow.length - 1);
  return {
    point: move(places[k], flow[k], bends[k], t - k),
    logDet: logDets[k] + (t - k) * bends[k][0],
  };
}

/** The z whose path is at `point` at time t. */
export function pullBack(flow, point, t) {
  for (let k = Math.ceil(t) - 1; k >= 0; k--) {
    const coupling = flow[k];
    point = unmove(point, coupling, coupling.bend(point[1 - coupling.moves]), Math.min(t - k, 1));
  }
  return point;
}

/** log p(x) in nats, by the change of variables, for the path that ends in x. */
export const logDensity = (path) => logBase(path.places[0]) - path.logDets.at(-1);

/**
 * The density at time t over [-extent, extent]², n × n numbers, the first row at the top: each is
 * pulled back on its own. A shade needs no more than straight lines between the samples of s and b.
 */
export function densities(flow, t, extent, n) {
  const found = new Float64Array(n * n);
  const steps = flow.slice(0, Math.ceil(t)).map((each, k) => ({ ...each, amount: Math.min(t - k, 1) })).reverse();
  for (let i = 0; i < n * n; i++) {
    let x = extent * ((2 * (i % n) + 1) / n - 1);
    let y = extent * (1 - (2 * Math.floor(i / n) + 1) / n);
    let logDet = 0;
    for (const { moves, s, b, amount } of steps) {
      const place = Math.min(Math.max(((moves ? x : y) + REACH) / WIDTH, 0), KNOTS - 1e-9);
      const k = Math.floor(place);
      const f = place - k;
      const scale = amount * (s[k] + f * (s[k + 1] - s[k]));
      const shift = amount * (b[k] + f * (b[k + 1] - b[k]));
      if (moves) y = (y - shift) * Math.exp(-scale);
      else x = (x - shift) * Math.exp(-scale);
      logDet += scale;
    }
    found[i] = Math.exp(-(x * x + y * y) / 2 - LOG_2PI - logDet);
  }
  return found;
}

const FINE = 0.15; // no piece of a carried line is longer, where that can be had
const HALVINGS = 8;

/** The paths of points along the line from a to b, closer together where the flow stretches it. */
export function carriedLine(flow, a, b, pieces) {
  const at = (f) => pathFrom(flow, [a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])]);
  const long = (p, q) => p.places.some(([x, y], k) => Math.hypot(x - q.places[k][0], y - q.places[k][1]) > FINE);
  const between = (from, p, to, q, halvings) => {
    if (!halvings || !long(p, q)) return [q];
    const half = (from + to) / 2;
    const middle = at(half);
    return [...between(from, p, half, middle, halvings - 1), ...between(half, middle, to, q, halvings - 1)];
  };
  const line = [at(0)];
  for (let i = 0; i < pieces; i++)
    line.push(...between(i / pieces, line.at(-1), (i + 1) / pieces, at((i + 1) / pieces), HALVINGS));
  return line;
}

const square = ([x, y], side) =>
  [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([i, j]) => [x + (i * side) / 2, y + (j * side) / 2]);

/** The outline of a square with centre z, carried: paths of the points along its four sides. */
export const carriedSquare = (flow, z, side) =>
  square(z, side).flatMap((corner, k, corners) => carriedLine(flow, corner, corners[(k + 1) % 4], 8));

const TINY = 1e-5;

/**
 * The books at the point z, at time t. `stretch` is measured: what the area of a tiny square around
 * z has become, by its four corners, over what it was. `density` is computed by the change of
 * variables. Neither is made from the other, so that their product stays is a result.
 */
export function books(flow, z) {
  const path = pathFrom(flow, z);
  const corners = square(z, TINY).map((corner) => pathFrom(flow, corner));
  return (t) => {
    const { point, logDet } = along(path, t);
    const [p, q, r, s] = corners.map((corner) => along(corner, t).point);
    // Half the cross product of the diagonals.
    const area = Math.abs((r[0] - p[0]) * (s[1] - q[1]) - (r[1] - p[1]) * (s[0] - q[0])) / 2;
    return { point, logDet, stretch: area / TINY ** 2, density: Math.exp(logBase(z) - logDet) };
  };
}

const HANDLES = [-2, 0, 2];

/**
 * A curve through three heights at u = -2, 0 and 2, level beyond them: two cubics that meet with
 * the slope of the line between their far ends.
 */
export function curve([low, middle, high]) {
  const slope = (high - low) / (HANDLES[2] - HANDLES[0]);
  const width = HANDLES[1] - HANDLES[0];
  return (u) => {
    if (u <= HANDLES[0]) return low;
    if (u >= HANDLES[2]) return high;
    const left = u < HANDLES[1];
    const f = left ? (u - HANDLES[0]) / width : u / width; // how far between its two handles
    const rise = f * f * (3 - 2 * f);
    return left ? low + (middle - low) * rise + width * slope * f * f * (f - 1)
      : middle + (high - middle) * rise + width * slope * f * (1 - f) ** 2;
  };
}

/**
 * Two couplings bent by hand: the first moves the second coordinate, the second the first. `heights`
 * are, for each of them, three of its log-scale and three of its shift.
 */
export const bentByHand = (heights) =>
  [0, 1].map((k) => {
    const [s, b] = [0, 1].map((part) => curve(heights.slice(6 * k + 3 * part, 6 * k + 3 * part + 3)));
    return coupling(1 - k, (u) => [s(u), b(u)]);
  });
