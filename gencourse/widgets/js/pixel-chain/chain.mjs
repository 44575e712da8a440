// The chain rule, one pixel at a time: which pixel is next, what it becomes, what that costs.

import { sigmoid, softplus } from "../lib/nn.mjs";
import { uniform } from "../lib/random.mjs";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const range = Array.from({ length: PIXELS }, (_, i) => i);

/** From the upper left corner clockwise to the middle. */
function spiral() {
  const order = [];
  for (let ring = 0; ring < SIDE / 2; ring++) {
    const [low, high] = [ring, SIDE - 1 - ring];
    for (let k = low; k < high; k++) order.push(low * SIDE + k);
    for (let k = low; k < high; k++) order.push(k * SIDE + high);
    for (let k = high; k > low; k--) order.push(high * SIDE + k);
    for (let k = high; k > low; k--) order.push(k * SIDE + low);
  }
  return order;
}

/** Any of the 784! orderings, drawn by the seed (Fisher and Yates). */
function shuffled(seed) {
  const order = [...range];
  const draw = uniform(seed);
  for (let i = PIXELS - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * draw());
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** The orderings by name; "certain" is not one, since it depends on what has been drawn. */
export const ORDERS = {
  raster: () => range,
  columns: () => range.map((k) => (k % SIDE) * SIDE + Math.floor(k / SIDE)),
  spiral,
  random: shuffled,
};

/** The entropy in nats of a pixel whose logit is a. */
export const entropy = (a) => softplus(a) - a * sigmoid(a);

/** The next hidden pixel, or -1 when all are visible. */
export function nextPixel(order, seed, visible, logits) {
  if (order !== "certain") return ORDERS[order](seed).find((i) => !visible[i]) ?? -1;
  let best = -1;
  for (const i of range)
    if (!visible[i] && (best < 0 || Math.abs(logits[i]) > Math.abs(logits[best]))) best = i;
  return best;
}

/** The value that the seed draws for pixel i: one number decides it, whatever the order. */
export const drawn = (seed, i, logit) => Number(uniform(seed + 7919 * (i + 1))() < sigmoid(logit));

/** -log p(value) in nats, for a pixel whose logit is a. */
export const cost = (a, value) => softplus(value ? -a : a);
