// The plane itself: a digit for each small square, a ring to move, and what lies over the digits.

import { drawImages } from "../lib/canvas.mjs";
import { ARROWS, format, h, setAll, sub, svg } from "../lib/dom.mjs";
import { SIDE } from "../lib/ink.mjs";

const CELLS = 18; // small digits along each side
const TICKS = [-2, 0, 2];

export function planeView({ frame, model, codes, extent, move, onspace }) {
  const { state, describedBy } = frame;
  const clamp = (v) => Math.min(Math.max(v, -extent), extent);
  const percent = (v) => `${(50 * (v / extent + 1)).toFixed(2)}%`;
  // In the overlay a unit of z is a hundred, so that letters have a size that browsers like; the
  // plane's second axis points up, the page's down.
  const at = ([x, y]) => ({ x: 100 * x, y: -100 * y });
  const label = (text, z) => svg("text", at(z), text);
  const corner = at([-extent, extent]);

  const grid = h("canvas");
  const posterior = svg("ellipse", { class: "gm-posterior" });
  const overlay = svg("svg",
    { viewBox: [corner.x, corner.y, 200 * extent, 200 * extent].join(" "), "aria-hidden": "true" },
    svg("g", { class: "gm-codes" }, codes.points.map(({ digit, z }) => label(digit, z))),
    svg("g", { class: "gm-means" }, codes.classes.map(({ digit, mean }) => label(digit, mean))),
    posterior);
  const route = svg("g", { class: "gm-route" });
  overlay.append(route);
  const ring = h("span", { class: "gm-ring" });
  const plane = h("div", {
    class: "gm-plane",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "two-dimensional slider",
    "aria-label": "Plane of latent codes. Arrow keys move the ring, with Shift in larger steps.",
    "aria-describedby": describedBy,
  }, grid, overlay, ring);
  const ticks = (side, name, z) =>
    h("div", { class: `gm-axis-${name}`, "aria-hidden": "true" },
      TICKS.map((v) => h("span", { style: `${side}:${percent(v)}` }, format(v, 0))), h("b", {}, sub("z", z)));
  const element = h("div", { class: "gm-axes" }, ticks("bottom", "y", 2), plane, ticks("left", "x", 1));

  let held = false;
  const drag = (event) => {
    const box = plane.getBoundingClientRect();
    move([
      clamp(extent * ((2 * (event.clientX - box.left)) / box.width - 1)),
      clamp(extent * (1 - (2 * (event.clientY - box.top)) / box.height)),
    ]);
  };
  plane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = true;
    plane.setPointerCapture(event.pointerId);
    // A finger put down beside the ring may be about to scroll the page: wait until it lifts.
    if (event.pointerType === "mouse" || event.target === ring) drag(event);
  });
  plane.addEventListener("pointermove", (event) => held && drag(event));
  plane.addEventListener("pointerup", (event) => {
    if (held) drag(event);
    held = false;
  });
  plane.addEventListener("pointercancel", () => (held = false));
  plane.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    const size = event.shiftKey ? 0.5 : 0.05;
    if (arrow) move(state().z.map((v, axis) => clamp(v + size * arrow[axis])));
    else if (event.key === "Home") move([0, 0]);
    else if (event.key === " " && state().walk.length) onspace();
    else return;
    event.preventDefault();
  });

  return {
    element,
    /** Where the walk is drawn, and where in it a code lies. */
    route,
    at,
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
      ring.style.left = percent(clamp(z[0]));
      ring.style.top = percent(-clamp(z[1]));
      plane.classList.toggle("gm-faint", shown);
      posterior.style.display = found ? "" : "none";
      if (!found) return;
      const { x: cx, y: cy } = at(found.mean);
      const [rx, ry] = found.std.map((std) => 200 * std); // two standard deviations
      setAll(posterior, { cx, cy, rx, ry });
    },
  };
}
