// The order-agnostic network: from any visible pixels to a logit for every pixel. Cells of 2 × 2
// pixels are the places of a residual convolutional network; gencourse/nn/residual_conv.py is the
// same in PyTorch.

const SIDE = 28;
const CELLS = SIDE / 2; // along each side
const PLACES = CELLS * CELLS;

/** Zeros around every channel, so that a tap never has to ask whether it is inside. */
function pad(input, channels, margin) {
  const side = CELLS + 2 * margin;
  const padded = new Float32Array(channels * side * side);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < CELLS; y++)
      padded.set(
        input.subarray(c * PLACES + y * CELLS, c * PLACES + (y + 1) * CELLS),
        (c * side + y + margin) * side + margin,
      );
  return padded;
}

/** A 3 × 3 convolution with taps `dilation` apart, zeros outside. */
function convolve(input, channels, { weight, bias }, dilation) {
  const padded = pad(input, channels, dilation);
  const side = CELLS + 2 * dilation;
  const output = new Float32Array(bias.length * PLACES);
  for (let o = 0; o < bias.length; o++) {
    output.fill(bias[o], o * PLACES, (o + 1) * PLACES);
    for (let c = 0; c < channels; c++) {
      const w = 9 * (o * channels + c);
      const [a, b, d, e, f, g, h, i, j] = weight.subarray(w, w + 9);
      for (let y = 0; y < CELLS; y++) {
        let p = (c * side + y) * side;
        let q = p + dilation * side;
        let r = q + dilation * side;
        const row = o * PLACES + y * CELLS;
        for (let at = row; at < row + CELLS; at++, p++, q++, r++)
          output[at] +=
            a * padded[p] + b * padded[p + dilation] + d * padded[p + 2 * dilation]
            + e * padded[q] + f * padded[q + dilation] + g * padded[q + 2 * dilation]
            + h * padded[r] + i * padded[r + dilation] + j * padded[r + 2 * dilation];
      }
    }
  }
  return output;
}

const silu = (values) => values.map((v) => v / (1 + Math.exp(-v)));

/** Where pixel i of an image lies among the cells: its place, and which of the four it is. */
const cellOf = (i) => {
  const [row, column] = [Math.floor(i / SIDE), i % SIDE];
  return [(row >> 1) * CELLS + (column >> 1), 2 * (row & 1) + (column & 1)];
};

/** `logits(x, visible)`, 784 numbers: what the network says of each pixel given the visible ones. */
export function network({ meta, tensors }) {
  const layer = (name) => ({ weight: tensors[`${name}.weight`], bias: tensors[`${name}.bias`] });
  const first = layer("first");
  const layers = meta.dilations.map((dilation, k) => [layer(`layers.${k}`), dilation]);
  const last = layer("last");
  const channels = first.bias.length;

  return (x, visible) => {
    const cells = new Float32Array(8 * PLACES);
    for (let i = 0; i < SIDE * SIDE; i++) {
      const [place, part] = cellOf(i);
      cells[part * PLACES + place] = x[i] * visible[i];
      cells[(4 + part) * PLACES + place] = visible[i];
    }
    let h = convolve(cells, 8, first, 1).map((v, i) => v + tensors.place[i]);
    for (const [each, dilation] of layers) {
      const change = convolve(silu(h), channels, each, dilation);
      h = h.map((v, i) => v + change[i]);
    }
    h = silu(h);
    return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [place, part] = cellOf(i);
      let sum = last.bias[part];
      for (let c = 0; c < channels; c++) sum += last.weight[part * channels + c] * h[c * PLACES + place];
      return sum;
    });
  };
}
