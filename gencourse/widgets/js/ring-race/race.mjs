// The race: all four models learn in turn, a step each, and are judged by the same measures.

import { uniform } from "../lib/random.mjs";
import { dataset } from "../lib/targets.mjs";
import { BATCH, SHOWN, runners } from "./models.mjs";

export const NEIGHBOURS = 10; // the most that the measures can use
const [SHOWN_DATA, SHOWN_NOISE] = [31, 2024]; // the seeds of what is shown

const each = (models, of) => Object.fromEntries(Object.entries(models).map(([name, model]) => [name, of(model, name)]));

export const freshRace = (seed) => ({ seed, steps: 0, models: each(runners(seed), (model) => model.save()) });

function takeUp({ seed, models }) {
  const all = runners(seed);
  for (const name in all) all[name].restore(models[name]);
  return all;
}

/** Races on from `saved` for `steps` steps, or until `budget` milliseconds are over. */
export function raceOn({ saved, data, points, steps, budget = Infinity }) {
  const { seed } = saved;
  const models = takeUp(saved);
  const { sample } = dataset(data, points);
  const cost = each(models, () => 0);
  const start = performance.now();
  let played = 0;
  while (played < steps && performance.now() - start < budget) {
    const at = saved.steps + played;
    for (const name in models) {
      const u = uniform(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(at + 1, 0xc2b2ae35));
      const before = performance.now();
      models[name].learn(sample(BATCH, u), BATCH, u, sample);
      cost[name] += performance.now() - before;
    }
    played++;
  }
  return {
    saved: { seed, steps: saved.steps + played, models: each(models, (model) => model.save()) },
    played,
    cost: each(cost, (ms) => ms / played), // milliseconds for each step
  };
}

/** Distances of points (n, 2) to points (m, 2), row by row. */
function distances(x, y) {
  const [n, m] = [x.length / 2, y.length / 2];
  const all = new Float64Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++)
      all[i * m + j] = Math.sqrt((x[2 * i] - y[2 * j]) ** 2 + (x[2 * i + 1] - y[2 * j + 1]) ** 2);
  return all;
}

/** For each point, the distances to its nearest ten among the others, in order. */
function radii(x) {
  const n = x.length / 2;
  const all = distances(x, x);
  return Array.from({ length: n }, (_, i) => {
    all[i * n + i] = Infinity;
    return all.slice(i * n, i * n + n).sort().subarray(0, NEIGHBOURS);
  });
}

/**
 * How every model stands: samples; `precision(k)`, the share of samples that lie within the k-th
 * neighbour's distance of some data point; `recall(k)`, the same with samples and data exchanged; and
 * the mean of log p over the data shown, or of its bound, in nats; null where there is none.
 */
export function standings(saved, data, points) {
  const models = takeUp(saved);
  const set = dataset(data, points);
  const real = set.sample(SHOWN, uniform(SHOWN_DATA));
  const realRadii = radii(real);
  return {
    real,
    models: each(models, (model) => {
      const made = model.sample(SHOWN, uniform(SHOWN_NOISE));
      const madeRadii = radii(made);
      const across = distances(made, real);
      const share = (inside) => Array.from({ length: SHOWN }, (_, i) => inside(i)).filter(Boolean).length / SHOWN;
      const some = (inside) => {
        for (let j = 0; j < SHOWN; j++) if (inside(j)) return true;
        return false;
      };
      const logs = model.logProb?.(real, SHOWN, uniform(SHOWN_NOISE));
      return {
        made, size: model.size,
        precision: (k) => share((i) => some((j) => across[i * SHOWN + j] <= realRadii[j][k - 1])),
        recall: (k) => share((j) => some((i) => across[i * SHOWN + j] <= madeRadii[i][k - 1])),
        logProb: logs ? logs.reduce((sum, v) => sum + v, 0) / SHOWN : null,
      };
    }),
  };
}
