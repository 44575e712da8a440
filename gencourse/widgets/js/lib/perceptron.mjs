// A perceptron that learns: batches, gradients, gradients of gradients, Adam. It computes in
// doubles, so that a test can follow PyTorch's float64 over many steps.

import { sigmoid } from "./nn.mjs";

// Three products of matrices stored row by row, X (n, inputs), Y (n, outputs), W (outputs, inputs).
// Four rows at a time: each number that is fetched is used four times.

/** Y = X Wᵀ + b; without b, Y = X Wᵀ. */
function forwards(Y, X, W, b, n, inputs, outputs) {
  for (let r = 0; r < n; r += 4) {
    const x0 = r * inputs;
    const x1 = Math.min(r + 1, n - 1) * inputs;
    const x2 = Math.min(r + 2, n - 1) * inputs;
    const x3 = Math.min(r + 3, n - 1) * inputs;
    for (let o = 0, w = 0; o < outputs; o++) {
      let s0 = b ? b[o] : 0;
      let [s1, s2, s3] = [s0, s0, s0];
      for (let i = 0; i < inputs; i++, w++) {
        s0 += W[w] * X[x0 + i];
        s1 += W[w] * X[x1 + i];
        s2 += W[w] * X[x2 + i];
        s3 += W[w] * X[x3 + i];
      }
      const y = r * outputs + o;
      Y[y] = s0;
      if (r + 1 < n) Y[y + outputs] = s1;
      if (r + 2 < n) Y[y + 2 * outputs] = s2;
      if (r + 3 < n) Y[y + 3 * outputs] = s3;
    }
  }
}

/** X = Y W. */
function backwards(X, Y, W, n, inputs, outputs) {
  X.fill(0, 0, n * inputs);
  for (let r = 0; r < n; r++) {
    const x = r * inputs;
    for (let o = 0; o < outputs; o += 4) {
      const y = r * outputs + o;
      const y0 = Y[y];
      const y1 = o + 1 < outputs ? Y[y + 1] : 0;
      const y2 = o + 2 < outputs ? Y[y + 2] : 0;
      const y3 = o + 3 < outputs ? Y[y + 3] : 0;
      const w0 = o * inputs;
      const w1 = Math.min(o + 1, outputs - 1) * inputs;
      const w2 = Math.min(o + 2, outputs - 1) * inputs;
      const w3 = Math.min(o + 3, outputs - 1) * inputs;
      for (let i = 0; i < inputs; i++)
        X[x + i] += y0 * W[w0 + i] + y1 * W[w1 + i] + y2 * W[w2 + i] + y3 * W[w3 + i];
    }
  }
}

/** W += Yᵀ X, and, with b, b += the sum of the rows of Y. */
function outer(W, b, Y, X, n, inputs, outputs) {
  for (let r = 0; r < n; r += 4) {
    const y = r * outputs;
    const x0 = r * inputs;
    const x1 = Math.min(r + 1, n - 1) * inputs;
    const x2 = Math.min(r + 2, n - 1) * inputs;
    const x3 = Math.min(r + 3, n - 1) * inputs;
    for (let o = 0, w = 0; o < outputs; o++) {
      const y0 = Y[y + o];
      const y1 = r + 1 < n ? Y[y + o + outputs] : 0;
      const y2 = r + 2 < n ? Y[y + o + 2 * outputs] : 0;
      const y3 = r + 3 < n ? Y[y + o + 3 * outputs] : 0;
      for (let i = 0; i < inputs; i++, w++)
        W[w] += y0 * X[x0 + i] + y1 * X[x1 + i] + y2 * X[x2 + i] + y3 * X[x3 + i];
      if (b) b[o] += y0 + y1 + y2 + y3;
    }
  }
}

/** How many numbers a perceptron of these widths learns. */
export const count = (sizes) =>
  sizes.slice(1).reduce((sum, outputs, l) => sum + outputs * (sizes[l] + 1), 0);

/**
 * Linear layers with a SiLU between each two, for batches of at most `capacity` rows. `parameters`
 * (of length `count(sizes)`) holds W₁, b₁, W₂, b₂, …, each W (outputs, inputs) row by row, as
 * PyTorch stores it; `gradient`, of the same length, collects gradients until it is emptied. What
 * the functions return is overwritten by the next call.
 */
export function perceptron(sizes, parameters, capacity) {
  const gradient = new Float64Array(parameters.length);
  let at = 0;
  const part = (size) => [parameters, gradient].map((all) => all.subarray(at, at + size)).concat((at += size));
  const room = (width) => new Float64Array(capacity * width);
  const layers = sizes.slice(1).map((outputs, l) => {
    const inputs = sizes[l];
    const [W, dW] = part(outputs * inputs);
    const [b, db] = part(outputs);
    return {
      inputs, outputs, W, dW, b, db, silu: l < sizes.length - 2,
      a: room(outputs), h: room(outputs), slope: room(outputs), // a, silu(a), silu'(a)
      da: room(outputs), dx: room(inputs),
      // The same along a direction in the space of inputs, for gradients of slopes.
      aDot: room(outputs), hDot: room(outputs), daDot: room(outputs), dxDot: room(inputs),
    };
  });
  let input;

  /** The outputs (n, out) for inputs (n, in). */
  function forward(x, n) {
    input = x;
    for (const { inputs, outputs, W, b, silu, a, h, slope } of layers) {
      forwards(silu ? a : h, x, W, b, n, inputs, outputs);
      if (silu)
        for (let k = 0; k < n * outputs; k++) {
          const s = sigmoid(a[k]);
          h[k] = a[k] * s;
          slope[k] = s * (1 + a[k] * (1 - s));
        }
      x = h;
    }
    return x;
  }

  /**
   * After `forward`: from the gradients at the outputs, (n, out), those at the inputs, (n, in).
   * Adds those of the parameters to `gradient`, unless `learn` is false.
   */
  function backward(dy, n, learn = true) {
    for (let l = layers.length; l--; ) {
      const { inputs, outputs, W, dW, db, silu, slope, da, dx } = layers[l];
      if (silu) for (let k = 0; k < n * outputs; k++) da[k] = dy[k] * slope[k];
      const d = silu ? da : dy;
      if (learn) outer(dW, db, d, l ? layers[l - 1].h : input, n, inputs, outputs);
      backwards(dx, d, W, n, inputs, outputs);
      dy = dx;
    }
    return dy;
  }

  /**
   * After `forward`, for a network of one output y: adds to `gradient` that of Σ v·∇ₓ y, a number v
   * for each input, (n, in). Σ v·∇ₓ y is the derivative of y as x moves along v; it is computed
   * forwards, and then differentiated backwards.
   */
  function slopeBackward(v, n) {
    let xDot = v;
    for (const { inputs, outputs, W, silu, slope, aDot, hDot } of layers) {
      forwards(silu ? aDot : hDot, xDot, W, null, n, inputs, outputs);
      if (silu) for (let k = 0; k < n * outputs; k++) hDot[k] = slope[k] * aDot[k];
      xDot = hDot;
    }
    let dy = new Float64Array(n);
    let dyDot = dy.map(() => 1);
    for (let l = layers.length; l--; ) {
      const { inputs, outputs, W, dW, db, silu, a, slope, aDot, da, daDot, dx, dxDot } = layers[l];
      for (let k = 0; k < n * outputs; k++) {
        if (silu) {
          const s = sigmoid(a[k]);
          const curvature = s * (1 - s) * (2 + a[k] * (1 - 2 * s));
          da[k] = dy[k] * slope[k] + dyDot[k] * curvature * aDot[k];
          daDot[k] = dyDot[k] * slope[k];
        } else {
          da[k] = dy[k];
          daDot[k] = dyDot[k];
        }
      }
      outer(dW, db, da, l ? layers[l - 1].h : input, n, inputs, outputs);
      outer(dW, null, daDot, l ? layers[l - 1].hDot : v, n, inputs, outputs);
      backwards(dx, da, W, n, inputs, outputs);
      backwards(dxDot, daDot, W, n, inputs, outputs);
      [dy, dyDot] = [dx, dxDot];
    }
  }

  return { sizes, parameters, gradient, forward, backward, slopeBackward };
}

/** PyTorch's own start for linear layers: uniform between ±1/√inputs, weights and biases. */
export function initialise(sizes, uniform) {
  const parameters = new Float64Array(count(sizes));
  let at = 0;
  sizes.slice(1).forEach((outputs, l) => {
    const bound = 1 / Math.sqrt(sizes[l]);
    for (const end = at + outputs * (sizes[l] + 1); at < end; at++) parameters[at] = bound * (2 * uniform() - 1);
  });
  return parameters;
}

/**
 * Adam (Kingma and Ba, 2015) for a perceptron. `state` holds its parameters, both moments and the
 * number of steps; `step()` moves the parameters and empties their gradient.
 */
export function adam({ parameters, gradient }, { learningRate, betas: [beta1, beta2] }) {
  const zeros = () => new Float64Array(parameters.length);
  const state = { parameters, first: zeros(), second: zeros(), steps: 0 };
  const step = () => {
    const { first, second } = state;
    state.steps++;
    const rate = learningRate / (1 - beta1 ** state.steps);
    const scale = 1 / (1 - beta2 ** state.steps);
    for (let k = 0; k < parameters.length; k++) {
      const g = gradient[k];
      first[k] += (1 - beta1) * (g - first[k]);
      second[k] += (1 - beta2) * (g * g - second[k]);
      parameters[k] -= (rate * first[k]) / (Math.sqrt(second[k] * scale) + 1e-8);
    }
    gradient.fill(0);
  };
  return { state, step };
}

/** Makes the optimiser continue from a state like its own, which is copied. */
export function restore({ state }, { parameters, first, second, steps }) {
  state.parameters.set(parameters);
  state.first.set(first);
  state.second.set(second);
  state.steps = steps;
}
