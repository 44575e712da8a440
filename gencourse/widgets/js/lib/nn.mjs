// Networks in plain loops over float32, enough for the small nets of a live figure.

const ACTIVATIONS = {
  none: (a) => a,
  relu: (a) => Math.max(a, 0),
  silu: (a) => a / (1 + Math.exp(-a)),
  tanh: Math.tanh,
};

/**
 * A multilayer perceptron from flat arrays. `layers` are {weight, bias, activation}; weight is
 * (outputs, inputs) row by row, as PyTorch stores it. The result is reused by the next call.
 */
export function mlp(layers) {
  const outputs = layers.map(({ bias }) => new Float32Array(bias.length));
  return (x) =>
    layers.reduce((input, { weight, bias, activation }, depth) => {
      const output = outputs[depth];
      const act = ACTIVATIONS[activation];
      const width = input.length;
      for (let row = 0, at = 0; row < bias.length; row++, at += width) {
        let sum = bias[row];
        for (let i = 0; i < width; i++) sum += weight[at + i] * input[i];
        output[row] = act(sum);
      }
      return output;
    }, x);
}

export const sigmoid = (a) => 1 / (1 + Math.exp(-a));
/** log(1 + e^a) without overflow. */
export const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
