// The plane of the game: the critic as the ground, data, made points, and the pushes on these.

import { colour } from "../lib/canvas.mjs";
import { h } from "../lib/dom.mjs";
import { sigmoid } from "../lib/nn.mjs";

const PIXELS = 720; // the page scales it
const SIDE = 48; // the critic is asked at SIDE × SIDE points
const TINT = 0.36; // the strongest colour of the ground
const PUSHED = 4; // every how many made points show their push
const REACH = [0.45, 0.75]; // length of an arrow per unit of push, and the longest

export function arena(extent) {
  const canvas = h("canvas", { width: PIXELS, height: PIXELS });
  const ground = h("canvas", { width: SIDE, height: SIDE });
  const scale = PIXELS / (2 * extent);
  const across = (x) => PIXELS / 2 + scale * x;
  const down = (y) => PIXELS / 2 - scale * y;
  const grid = Float64Array.from({ length: 2 * SIDE * SIDE }, (_, k) => {
    const cell = k % 2 ? Math.floor(k / 2 / SIDE) : (k / 2) % SIDE;
    const along = extent * ((2 * cell + 1) / SIDE - 1);
    return k % 2 ? -along : along;
  });

  let colours = {};

  /** How sure the critic is: from -1, made, over 0 to 1, data. Above or below `even` it leans. */
  const sure = (c, even) => 2 * sigmoid(c - even) - 1;

  const drawGround = (context, { criticAt }, even) => {
    const { paper, ink, family } = colours;
    const small = ground.getContext("2d");
    const picture = small.createImageData(SIDE, SIDE);
    criticAt(grid, SIDE * SIDE).forEach((c, i) => {
      const lean = sure(c, even);
      const full = lean > 0 ? ink : family;
      for (let k = 0; k < 3; k++)
        picture.data[4 * i + k] = paper[k] + TINT * Math.abs(lean) * (full[k] - paper[k]);
      picture.data[4 * i + 3] = 255;
    });
    small.putImageData(picture, 0, 0);
    context.drawImage(ground, 0, 0, PIXELS, PIXELS);
  };

  return {
    canvas,
    paint() {
      colours = Object.fromEntries(["paper", "ink", "family"].map((token) => [token, colour(canvas, token)]));
    },
    /** `own` holds the points that the reader placed, to be outlined. */
    draw({ standing, data, own, even, pushes }) {
      const { made, push } = standing;
      const style = (token, alpha = 1) => `rgb(${colours[token].join(" ")} / ${alpha})`;
      const context = canvas.getContext("2d");
      drawGround(context, standing, even);

      context.fillStyle = style("ink", 0.5);
      context.beginPath();
      for (let i = 0; i < data.length; i += 2) {
        const [x, y] = [across(data[i]), down(data[i + 1])];
        context.moveTo(x, y);
        context.arc(x, y, 3, 0, 7);
      }
      context.fill();

      context.strokeStyle = style("ink");
      context.lineWidth = 3;
      for (const [x, y] of own) {
        context.beginPath();
        context.arc(across(x), down(y), 11, 0, 7);
        context.stroke();
      }

      context.fillStyle = style("family", 0.9);
      context.strokeStyle = style("paper", 0.7);
      context.lineWidth = 1;
      context.beginPath();
      for (let i = 0; i < made.length; i += 2) {
        const [x, y] = [across(made[i]), down(made[i + 1])];
        context.moveTo(x, y - 6);
        context.lineTo(x + 5.2, y + 3.5);
        context.lineTo(x - 5.2, y + 3.5);
        context.closePath();
      }
      context.fill();
      context.stroke();

      if (!pushes) return;
      context.strokeStyle = style("family");
      context.lineWidth = 2.5;
      context.lineCap = "round";
      context.beginPath();
      for (let i = 0; i < made.length; i += 2 * PUSHED) {
        const [u, v] = [push[i], push[i + 1]];
        const size = Math.hypot(u, v);
        const length = scale * Math.min(REACH[0] * size, REACH[1]);
        if (length < 4) continue;
        const [cos, sin] = [u / size, -v / size];
        const [x, y] = [across(made[i]), down(made[i + 1])];
        const [tipX, tipY] = [x + length * cos, y + length * sin];
        const head = Math.min(9, length / 2);
        context.moveTo(x, y);
        context.lineTo(tipX, tipY);
        for (const side of [-0.5, 0.5]) {
          context.moveTo(tipX, tipY);
          context.lineTo(tipX - head * (cos - side * sin), tipY - head * (sin + side * cos));
        }
      }
      context.stroke();
    },
  };
}
