// The game itself, with no page around it: two networks, four pairs of losses, two penalties.

import { sigmoid, softplus } from "../lib/nn.mjs";
import { adam, initialise, perceptron, restore } from "../lib/perceptron.mjs";
import { gaussian, uniform } from "../lib/random.mjs";
import { dataset } from "../lib/targets.mjs";

export const BATCH = 128;
export const LOSSES = ["minimax", "non-saturating", "hinge", "wasserstein"];

const NOISE = 2; // numbers in z
const GENERATOR = [NOISE, 32, 32, 2];
const CRITIC = [2, 32, 32, 1];
const ROWS = 2304; // the most points that a network is asked about at once
const SHOWN_NOISE = 2024; // the seed of the noise behind the points that are shown
export const MADE = 400; // points to see and to judge
const ADAM = { learningRate: 2e-3, betas: [0.5, 0.99] };
const R1 = 0.1; // the weight of half the squared slope at the data
const UNIT_SLOPE = 1; // the weight of (slope - 1)² between the data and what was made

let watched;

const relu = (a) => Math.max(a, 0);

// In terms of the critic's number c: the critic's loss at a real and at a made point, the
// generator's loss, and the derivative of each; -log sigmoid(c) is softplus(-c).
const logistic = {
  real: [(c) => softplus(-c), (c) => -sigmoid(-c)],
  made: [softplus, sigmoid],
};
const climb = [(c) => -c, () => -1];
const OBJECTIVES = {
  minimax: { ...logistic, generator: [(c) => -softplus(c), (c) => -sigmoid(c)] },
  "non-saturating": { ...logistic, generator: [(c) => softplus(-c), (c) => -sigmoid(-c)] },
  hinge: {
    real: [(c) => relu(1 - c), (c) => (c < 1 ? -1 : 0)],
    made: [(c) => relu(1 + c), (c) => (c > -1 ? 1 : 0)],
    generator: climb,
  },
  wasserstein: { real: climb, made: [(c) => c, () => 1], generator: climb },
};

/**
 * A game between networks fresh from the seed, which also decides every draw to come, or, with
 * `saved`, one that goes on from there. `save(game)` is a game in numbers only, to keep or to send.
 */
export function openGame(seed, saved, rows = 2 * BATCH) {
  const start = uniform(seed);
  const generator = perceptron(GENERATOR, initialise(GENERATOR, start), rows);
  const critic = perceptron(CRITIC, initialise(CRITIC, start), rows);
  const optimisers = { generator: adam(generator, ADAM), critic: adam(critic, ADAM) };
  for (const player in saved ? optimisers : {}) restore(optimisers[player], saved[player]);
  const { steps = 0, losses = { critic: null, generator: null } } = saved ?? {};
  return { seed, generator, critic, optimisers, steps, losses: { ...losses } };
}

export const save = ({ seed, steps, losses, optimisers: { generator, critic } }) =>
  structuredClone({ seed, steps, losses, generator: generator.state, critic: critic.state });

/** Uniform draws for one turn of one step: the same however the reader came to that step. */
const draws = ({ seed, steps }, turn) =>
  uniform(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(16 * steps + turn, 0x85ebca6b));

const noise = (n, u) => Float64Array.from({ length: n * NOISE }, gaussian(u));

/** The mean over a batch of a loss [f, f'] of the critic's numbers, and its gradient in each. */
function meanLoss([f, slope], c, gradient) {
  for (let i = 0; i < BATCH; i++) gradient[i] = slope(c[i]) / BATCH;
  return c.subarray(0, BATCH).reduce((sum, v) => sum + f(v) / BATCH, 0);
}

/** One turn of the critic: an Adam step on its loss, penalty included, at a fresh batch. */
function criticTurn(game, { loss, penalty }, sample) {
  const { generator, critic } = game;
  const { real, made } = OBJECTIVES[loss];
  const u = draws(game, 0);
  const x = new Float64Array(4 * BATCH); // the data, then what was made
  x.set(sample(BATCH, u));
  x.set(generator.forward(noise(BATCH, u), BATCH).subarray(0, 2 * BATCH), 2 * BATCH);
  const c = critic.forward(x, 2 * BATCH);
  const d = new Float64Array(2 * BATCH);
  let value = meanLoss(real, c, d) + meanLoss(made, c.subarray(BATCH), d.subarray(BATCH));
  critic.backward(d, 2 * BATCH);
  if (penalty)
    value += loss === "wasserstein"
      ? penalise(critic, between(x, u), (slope) => [UNIT_SLOPE * (slope - 1) ** 2, 2 * UNIT_SLOPE * (slope - 1)])
      : penalise(critic, x, (slope) => [(R1 / 2) * slope ** 2, R1 * slope]);
  game.optimisers.critic.step();
  game.losses.critic = value;
}

/** A random point on the segment from each made point to its real partner. */
function between(x, u) {
  const at = new Float64Array(2 * BATCH);
  for (let i = 0; i < BATCH; i++) {
    const t = u();
    for (const k of [2 * i, 2 * i + 1]) at[k] = x[2 * BATCH + k] + t * (x[k] - x[2 * BATCH + k]);
  }
  return at;
}

/**
 * The mean of a penalty on the length of the critic's gradient at a batch of points; its gradient in
 * the critic's weights is added to theirs. `penalty(slope)` gives its value and its derivative.
 */
function penalise(critic, x, penalty) {
  critic.forward(x, BATCH);
  const g = critic.backward(new Float64Array(BATCH).fill(1), BATCH, false);
  const v = new Float64Array(2 * BATCH);
  let mean = 0;
  for (let i = 0; i < BATCH; i++) {
    const slope = Math.hypot(g[2 * i], g[2 * i + 1]);
    const [value, derivative] = penalty(slope);
    mean += value / BATCH;
    for (const k of [2 * i, 2 * i + 1]) v[k] = slope && (derivative * g[k]) / (slope * BATCH);
  }
  critic.slopeBackward(v, BATCH);
  return mean;
}

/** One turn of the generator: an Adam step on its loss, the critic standing still. */
function generatorTurn(game, { loss }, turn) {
  const { generator, critic } = game;
  const d = new Float64Array(BATCH);
  const x = generator.forward(noise(BATCH, draws(game, 1 + turn)), BATCH);
  const value = meanLoss(OBJECTIVES[loss].generator, critic.forward(x, BATCH), d);
  generator.backward(critic.backward(d, BATCH, false), BATCH);
  game.optimisers.generator.step();
  game.losses.generator = value;
}

/** One step: the critic's turn, then the generator's `turns`. `halfway` is called between them. */
export function playStep(game, settings, sample, halfway) {
  criticTurn(game, settings, sample);
  halfway?.(game);
  for (let turn = 0; turn < settings.turns; turn++) generatorTurn(game, settings, turn);
  game.steps++;
}

/**
 * Plays on from a saved game for `steps` steps, or until `budget` milliseconds are over. Returns the
 * game saved again, how many steps it played, and at which rate a second. `halfway` is called with
 * the game in each step, between the critic's turn and the generator's.
 */
export function playOn({ saved, settings, data, points, steps, budget = Infinity }, halfway) {
  const game = openGame(saved.seed, saved);
  const { sample } = dataset(data, points);
  const start = performance.now();
  let played = 0;
  while (played < steps && performance.now() - start < budget) {
    playStep(game, settings, sample, halfway);
    played++;
  }
  return { saved: save(game), played, rate: (1000 * played) / (performance.now() - start) };
}

/**
 * How a game stands, for those who watch it: made points, pushes on them, the critic's numbers. One
 * pair of networks serves all who watch, so a standing holds until the next is asked for.
 */
export function standing(saved, { loss }) {
  watched ??= openGame(0, null, ROWS);
  const { generator, critic } = watched;
  generator.parameters.set(saved.generator.parameters);
  critic.parameters.set(saved.critic.parameters);
  const made = generator.forward(noise(MADE, uniform(SHOWN_NOISE)), MADE).slice(0, 2 * MADE);
  const [, slope] = OBJECTIVES[loss].generator;
  const down = critic.forward(made, MADE).slice(0, MADE).map((c) => -slope(c));
  return {
    made,
    /** At each made point, minus the gradient of the generator's loss: where it would go. */
    push: critic.backward(down, MADE, false).slice(0, 2 * MADE),
    /** The critic's numbers at n points, reused by the next call. */
    criticAt: (x, n) => critic.forward(x, n).subarray(0, n),
    /** The gradient of the critic's number at a point. */
    slopeAt: (x) => (critic.forward(x, 1), critic.backward([1], 1, false).slice(0, 2)),
  };
}
