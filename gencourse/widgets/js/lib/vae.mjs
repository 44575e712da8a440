// A Bernoulli VAE in the page: encoder, decoder, and the two terms of its bound.

import { mlp, sigmoid, softplus } from "./nn.mjs";

// Eight-point Gauss-Hermite rule for the standard normal: E[f(ε)] ≈ Σ weight f(node).
const NODES = [0.5390798113513751, 1.6365190424351082, 2.8024858612875416, 4.144547186125894];
const WEIGHTS = [0.3730122576790775, 0.11723990766175906, 0.009635220120788267, 0.00011261453837536777];
const RULE = NODES.flatMap((node, i) => [[node, WEIGHTS[i]], [-node, WEIGHTS[i]]]);

/** `encode(x)`, `decode(z)` and `bound(x)` of the network in a weights file. Everything in nats. */
export function vae({ meta, tensors }) {
  const layers = (names) =>
    mlp(names.map(([name, activation]) => ({
      weight: tensors[`${name}.weight`], bias: tensors[`${name}.bias`], activation,
    })));
  const encoder = layers(meta.encoder);
  const logits = layers(meta.decoder);

  /** The mean and the log-variance of q(z|x), two numbers each. */
  const encode = (x) => {
    const output = encoder(x);
    return { mean: [output[0], output[1]], logVar: [output[2], output[3]] };
  };

  /** The probability of ink at each pixel. */
  const decode = (z) => logits(z).map(sigmoid);

  /** The entropy of p(x|z): how unsure the decoder is of its own pixels. */
  const entropy = (z) => logits(z).reduce((sum, a) => sum + softplus(a) - a * sigmoid(a), 0);

  /** log p(x|z). */
  const logLikelihood = (x, z) => logits(z).reduce((sum, a, i) => sum + x[i] * a - softplus(a), 0);

  /**
   * The two terms of the ELBO. The KL is exact; the reconstruction, an expectation over the two
   * dimensions of q(z|x), is a Gauss-Hermite quadrature at 8 × 8 points.
   */
  const bound = (x) => {
    const { mean, logVar } = encode(x);
    const std = logVar.map((v) => Math.exp(v / 2));
    let reconstruction = 0;
    for (const [e1, w1] of RULE)
      for (const [e2, w2] of RULE)
        reconstruction += w1 * w2 * logLikelihood(x, [mean[0] + std[0] * e1, mean[1] + std[1] * e2]);
    const kl = mean.reduce((sum, m, i) => sum + (m * m + std[i] ** 2 - 1 - logVar[i]) / 2, 0);
    return { mean, std, reconstruction, kl, elbo: reconstruction - kl };
  };

  return { encode, decode, entropy, logLikelihood, bound };
}

/** log p(z) under the standard normal. */
export const logPrior = (z) => z.reduce((sum, v) => sum - (v * v + Math.log(2 * Math.PI)) / 2, 0);
