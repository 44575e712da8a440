// The plane itself: a digit for each small square, a ring to move, and what lies over the digits.

import { drawImages } from "../lib/canvas.mjs";
import { h, setAll, svg } from "../lib/dom.mjs";
import { SIDE } from "../lib/ink.mjs";
import { at, overlay, squarePlane } from "../lib/plane.mjs";

const CELLS = 18; // small digits along each side

export function planeView({ frame, model, codes, extent, move, onspace }) {
  const { state, describedBy } = frame;
  const label = (text, z) => svg("text", at(z), text);

  const grid = h("canvas");
  const posterior = svg("ellipse", { class: "gm-posterior" });
  const route = svg("g", { class: "gm-route" });
  const over = overlay(extent,
    svg("g", { class: "gm-codes" }, codes.points.map(({ digit, z }) => label(digit, z))),
    svg("g", { class: "gm-means" }, codes.classes.map(({ digit, mean }) => label(digit, mean))),
    posterior, route);
  const square = squarePlane({
    extent,
    symbol: "z",
    label: "Plane of latent codes",
    describedBy,
    layers: [grid, over],
    position: () => state().z,
    onmove: move,
    onspace: () => state().walk.length > 0 && onspace(),
  });

  return {
    element: square.element,
    /** Where the walk is drawn. */
    route,
    paint() {
      const centre = (i) => extent * ((2 * i + 1) / CELLS - 1);
      drawImages(grid, {
        columns: CELLS,
        rows: CELLS,
        side: SIDE,
        ink: (i) => model.decode([centre(i % CELLS), -centre(Math.floor(i / CELLS))]),
      });
    },
    update({ z, codes: shown }, found) {
      square.update(z);
      square.plane.classList.toggle("gm-faint", shown);
      posterior.style.display = found ? "" : "none";
      if (!found) return;
      const { x: cx, y: cy } = at(found.mean);
      const [rx, ry] = found.std.map((std) => 200 * std); // two standard deviations
      setAll(posterior, { cx, cy, rx, ry });
    },
  };
}
