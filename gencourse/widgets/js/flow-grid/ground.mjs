// The plane at one time of the flow: its density as shade, the carried grid, and dots.

import { colour } from "../lib/canvas.mjs";
import { along, carriedLine, densities } from "./couplings.mjs";

const STEP = 0.5; // between the lines of the grid, before the flow
const PIXELS = 180; // shades along each side
const SHADED = 0.16; // the density, per unit of area, that is drawn 63 % dark

/** The grid over [-extent, extent]² under a flow; `draw(canvas, t, dots)` shows it at time t. */
export function ground(flow, extent) {
  const count = Math.round((2 * extent) / STEP) + 1;
  const lines = Array.from({ length: count }, (_, k) => k * STEP - extent).flatMap((v) => [
    carriedLine(flow, [v, -extent], [v, extent], 24), carriedLine(flow, [-extent, v], [extent, v], 24),
  ]);
  const shade = document.createElement("canvas");
  shade.width = shade.height = PIXELS;
  let shaded = "";

  /** Fill `shade`, unless it holds just that. */
  const fill = (t, paper, family) => {
    const key = [t, paper].join();
    if (shaded === key) return;
    shaded = key;
    const context = shade.getContext("2d");
    const picture = context.createImageData(PIXELS, PIXELS);
    densities(flow, t, extent, PIXELS).forEach((density, i) => {
      const share = 1 - Math.exp(-density / SHADED);
      for (let c = 0; c < 3; c++) picture.data[4 * i + c] = paper[c] + share * (family[c] - paper[c]);
      picture.data[4 * i + 3] = 255;
    });
    context.putImageData(picture, 0, 0);
  };

  return (canvas, t, dots) => {
    const context = canvas.getContext("2d");
    const { width } = canvas;
    const [paper, family, ink] = ["paper", "family", "ink"].map((token) => colour(canvas, token));
    const css = (rgb, alpha = 1) => `rgb(${rgb.join(" ")} / ${alpha})`;
    const place = (path) => {
      const [x, y] = along(path, t).point;
      return [(width * (x / extent + 1)) / 2, (width * (1 - y / extent)) / 2];
    };

    fill(t, paper, family);
    context.drawImage(shade, 0, 0, width, width);
    context.lineWidth = width / 480;
    context.strokeStyle = css(ink, 0.34);
    context.beginPath();
    for (const [first, ...rest] of lines) {
      context.moveTo(...place(first));
      for (const path of rest) context.lineTo(...place(path));
    }
    context.stroke();

    for (const { paths, mark } of dots) {
      const size = (mark === "own" ? 4.4 : 2.6) * (width / 480);
      context.fillStyle = css(mark === "samples" ? paper : ink);
      context.strokeStyle = css(mark === "samples" ? family : paper);
      context.lineWidth = (mark === "data" ? 0.5 : 1.3) * (width / 480);
      for (const path of paths) {
        context.beginPath();
        if (mark === "data") context.arc(...place(path), size * 0.75, 0, 7);
        else diamond(context, ...place(path), size);
        context.fill();
        context.stroke();
      }
    }
  };
}

/** The mark of the family. */
function diamond(context, x, y, size) {
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.closePath();
}
