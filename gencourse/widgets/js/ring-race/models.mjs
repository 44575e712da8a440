// Four models of points in the plane, as small as can be: each learns from a batch, samples, and
// says what it can of the density. All learn by Adam at one rate from one stream of data.

import { openGame, playStep, save } from "../gan-game/game.mjs";
import { adam, initialise, perceptron, restore } from "../lib/perceptron.mjs";
import { gaussian, uniform } from "../lib/random.mjs";

export const BATCH = 128;
export const SHOWN = 300; // samples to see and to judge
const ADAM = { learningRate: 3e-3, betas: [0.9, 0.99] };
const LOG_2PI = Math.log(2 * Math.PI);

const VAE = { encoder: [2, 28, 28, 4], decoder: [2, 28, 28, 2] };
const COUPLINGS = 6;
const COUPLING = [1, 16, 16, 2];
const COMPONENTS = 8;
const CHAIN = { first: [1, 3 * COMPONENTS], second: [1, 32, 32, 3 * COMPONENTS] };

const normals = (n, u) => Float64Array.from({ length: n }, gaussian(u));

/** A network with its optimiser, fresh from uniform draws. */
function learner(sizes, u) {
  const network = perceptron(sizes, initialise(sizes, u), Math.max(BATCH, SHOWN));
  const optimiser = adam(network, ADAM);
  return { ...network, optimiser };
}

/** A model of `parts`, learners by name, which can be saved and taken up again. */
const model = (parts, functions) => ({
  size: Object.values(parts).reduce((sum, { parameters }) => sum + parameters.length, 0),
  save: () => Object.fromEntries(Object.entries(parts).map(([name, { optimiser }]) => [name, structuredClone(optimiser.state)])),
  restore: (saved) => Object.entries(parts).forEach(([name, { optimiser }]) => restore(optimiser, saved[name])),
  move: () => Object.values(parts).forEach(({ optimiser }) => optimiser.step()),
  ...functions,
});

/**
 * A VAE with two latents: x = decoder(z) + scale · noise. Its bound on log p(x) is
 * E_q[log p(x|z)] - KL(q(z|x) ‖ N(0, I)), with one draw of z for each x.
 */
function vae(u) {
  const encoder = learner(VAE.encoder, u);
  const decoder = learner(VAE.decoder, u);
  const spread = learner([1, 1], u); // its bias is the logarithm of the scale
  spread.parameters.set([0, -1]);
  const scaleOf = () => Math.exp(spread.parameters[1]);

  /** The bound at n points; with `learn`, also the gradients of minus its mean. */
  const bound = (x, n, u, learn = false) => {
    const epsilon = normals(2 * n, u);
    const code = encoder.forward(x, n).slice(0, 4 * n);
    const z = new Float64Array(2 * n);
    for (let i = 0; i < n; i++)
      for (const j of [0, 1]) z[2 * i + j] = code[4 * i + j] + Math.exp(code[4 * i + 2 + j] / 2) * epsilon[2 * i + j];
    const mean = decoder.forward(z, n);
    const scale = scaleOf();
    const values = new Float64Array(n);
    const dMean = new Float64Array(2 * n);
    let dScale = 0;
    for (let k = 0; k < 2 * n; k++) {
      const residual = (x[k] - mean[k]) / scale;
      values[k >> 1] -= residual ** 2 / 2 + Math.log(scale) + LOG_2PI / 2;
      dMean[k] = -residual / scale / n;
      dScale += (1 - residual ** 2) / n;
    }
    const dz = learn ? decoder.backward(dMean, n) : null;
    const dCode = new Float64Array(4 * n);
    for (let i = 0; i < n; i++)
      for (const j of [0, 1]) {
        const [m, logVar] = [code[4 * i + j], code[4 * i + 2 + j]];
        const std = Math.exp(logVar / 2);
        values[i] -= (m * m + std * std - 1 - logVar) / 2;
        if (!learn) continue;
        dCode[4 * i + j] = dz[2 * i + j] + m / n;
        dCode[4 * i + 2 + j] = (dz[2 * i + j] * std * epsilon[2 * i + j]) / 2 + (std * std - 1) / (2 * n);
      }
    if (learn) {
      encoder.backward(dCode, n);
      spread.gradient[1] += dScale;
    }
    return values;
  };
  return model({ encoder, decoder, spread }, {
    learn(x, n, u) {
      bound(x, n, u, true);
      this.move();
    },
    sample(n, u) {
      const mean = decoder.forward(normals(2 * n, u), n).slice(0, 2 * n);
      const noise = normals(2 * n, u);
      return mean.map((v, k) => v + scaleOf() * noise[k]);
    },
    logProb: (x, n, u) => bound(x, n, u),
  });
}

/**
 * Six affine couplings, which move one coordinate each by what a network makes of the other. From
 * data to noise a coupling takes y to (y - shift) / exp(s); log p(x) = log N(z; 0, I) - Σ s.
 */
function flow(u) {
  const couplings = Array.from({ length: COUPLINGS }, () => learner(COUPLING, u));
  const limit = (a) => 2 * Math.tanh(a / 2); // of the log-scale, so that no step is wild
  const column = (x, n, j) => Float64Array.from({ length: n }, (_, i) => x[2 * i + j]);

  const toNoise = (x, n, learn = false) => {
    const z = Float64Array.from(x);
    const logDet = new Float64Array(n);
    const steps = couplings.map((coupling, k) => {
      const moved = k % 2;
      const out = coupling.forward(column(z, n, 1 - moved), n).slice(0, 2 * n);
      const s = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        s[i] = limit(out[2 * i]);
        z[2 * i + moved] = (z[2 * i + moved] - out[2 * i + 1]) * Math.exp(-s[i]);
        logDet[i] -= s[i];
      }
      return { moved, s, after: column(z, n, moved) };
    });
    if (learn) {
      const d = z.map((v) => v / n);
      for (let k = COUPLINGS; k--; ) {
        const { moved, s, after } = steps[k];
        const dOut = new Float64Array(2 * n);
        for (let i = 0; i < n; i++) {
          const down = d[2 * i + moved];
          d[2 * i + moved] = down * Math.exp(-s[i]);
          dOut[2 * i] = (1 / n - down * after[i]) * (1 - (s[i] / 2) ** 2);
          dOut[2 * i + 1] = -d[2 * i + moved];
        }
        const dKept = couplings[k].backward(dOut, n);
        for (let i = 0; i < n; i++) d[2 * i + 1 - moved] += dKept[i];
      }
    }
    return { z, logDet };
  };
  return model(Object.fromEntries(couplings.map((coupling, k) => [`coupling ${k}`, coupling])), {
    learn(x, n) {
      toNoise(x, n, true);
      this.move();
    },
    sample(n, u) {
      const x = normals(2 * n, u);
      for (let k = COUPLINGS; k--; ) {
        const moved = k % 2;
        const out = couplings[k].forward(column(x, n, 1 - moved), n);
        for (let i = 0; i < n; i++)
          x[2 * i + moved] = x[2 * i + moved] * Math.exp(limit(out[2 * i])) + out[2 * i + 1];
      }
      return x;
    },
    logProb(x, n) {
      const { z, logDet } = toNoise(x, n);
      return logDet.map((v, i) => v - (z[2 * i] ** 2 + z[2 * i + 1] ** 2) / 2 - LOG_2PI);
    },
  });
}

/**
 * log p(x) = log p(x₁) + log p(x₂ | x₁), each a mixture of Gaussians whose logits, means and
 * log-scales a network gives; the network of the first sees nothing.
 */
function chain(u) {
  const first = learner(CHAIN.first, u);
  const second = learner(CHAIN.second, u);
  for (const { parameters } of [first, second]) // means spread over the plane at the start
    for (let k = 0; k < COMPONENTS; k++)
      parameters[parameters.length - 2 * COMPONENTS + k] = (5 * (k + 0.5)) / COMPONENTS - 2.5;
  const smallest = -4; // of the log-scales

  /** log p(y) of n numbers under the mixtures that `network` makes of `given`. */
  const mixture = (network, given, y, n, learn) => {
    const out = network.forward(given, n);
    const width = 3 * COMPONENTS;
    const d = new Float64Array(n * width);
    const logs = new Float64Array(COMPONENTS);
    const values = Float64Array.from({ length: n }, (_, i) => {
      const at = i * width;
      let [total, all] = [-Infinity, -Infinity]; // log Σ exp of the logits, and of the terms
      const add = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
      for (let k = 0; k < COMPONENTS; k++) {
        const logScale = Math.max(out[at + 2 * COMPONENTS + k], smallest);
        const residual = (y[i] - out[at + COMPONENTS + k]) * Math.exp(-logScale);
        logs[k] = out[at + k] - residual ** 2 / 2 - logScale - LOG_2PI / 2;
        total = k ? add(total, out[at + k]) : out[at + k];
        all = k ? add(all, logs[k]) : logs[k];
      }
      for (let k = 0; learn && k < COMPONENTS; k++) {
        const logScale = Math.max(out[at + 2 * COMPONENTS + k], smallest);
        const residual = (y[i] - out[at + COMPONENTS + k]) * Math.exp(-logScale);
        const share = Math.exp(logs[k] - all) / n; // of the component in this point
        d[at + k] = Math.exp(out[at + k] - total) / n - share;
        d[at + COMPONENTS + k] = -share * residual * Math.exp(-logScale);
        d[at + 2 * COMPONENTS + k] = out[at + 2 * COMPONENTS + k] > smallest ? share * (1 - residual ** 2) : 0;
      }
      return all - total;
    });
    if (learn) network.backward(d, n);
    return values;
  };
  const draw = (network, given, n, u) => {
    const out = network.forward(given, n);
    const normal = gaussian(u);
    return Float64Array.from({ length: n }, (_, i) => {
      const at = i * 3 * COMPONENTS;
      const weights = Array.from({ length: COMPONENTS }, (_, k) => Math.exp(out[at + k]));
      let left = u() * weights.reduce((a, b) => a + b);
      let k = 0;
      while (k < COMPONENTS - 1 && (left -= weights[k]) > 0) k++;
      return out[at + COMPONENTS + k] + Math.exp(Math.max(out[at + 2 * COMPONENTS + k], smallest)) * normal();
    });
  };
  const halves = (x, n) => [0, 1].map((j) => Float64Array.from({ length: n }, (_, i) => x[2 * i + j]));
  const logProb = (x, n, learn) => {
    const [x1, x2] = halves(x, n);
    const start = mixture(first, new Float64Array(n), x1, n, learn);
    return mixture(second, x1, x2, n, learn).map((v, i) => v + start[i]);
  };
  return model({ first, second }, {
    learn(x, n) {
      logProb(x, n, true);
      this.move();
    },
    sample(n, u) {
      const x1 = draw(first, new Float64Array(n), n, u);
      const x2 = draw(second, x1, n, u);
      return Float64Array.from({ length: 2 * n }, (_, k) => (k % 2 ? x2 : x1)[k >> 1]);
    },
    logProb: (x, n) => logProb(x, n, false),
  });
}

/** The GAN is the one of the game: non-saturating, with the gradient penalty. */
function gan(seed) {
  let game = openGame(seed, null, SHOWN);
  const rules = { loss: "non-saturating", penalty: true, turns: 1 };
  return {
    size: game.generator.parameters.length + game.critic.parameters.length,
    save: () => save(game),
    restore: (saved) => (game = openGame(saved.seed, saved, SHOWN)),
    // It draws its own batches, from the same data.
    learn: (x, n, u, sample) => playStep(game, rules, sample),
    sample: (n, u) => game.generator.forward(normals(2 * n, u), n).slice(0, 2 * n),
  };
}

/** All four, fresh from the seed, in the order of the book. */
export function runners(seed) {
  const u = uniform(Math.imul(seed + 1, 0x27d4eb2f));
  return { vae: vae(u), gan: gan(seed), flow: flow(u), autoregressive: chain(u) };
}

/** Passes through a network, one after the other, that one sample takes. */
export const PASSES = { vae: 1, gan: 1, flow: COUPLINGS, autoregressive: 2 };
