// A square of the plane with a ring to move, by pointer and by arrow keys.

import { ARROWS, format, h, sub, svg } from "./dom.mjs";

/**
 * The square [-extent, extent]² with its axes. What `layers` holds lies in it, the first at the
 * back; `symbol` names the axes, `label` says what it is. `position()` is where the ring stands,
 * `onmove(point)` is told where the reader wants it, and `onspace()`, if given, says whether Space
 * meant something.
 */
export function squarePlane({
  extent, symbol, label, describedBy, layers, position, onmove, onspace = () => false, ticks = [-2, 0, 2],
}) {
  const clamp = (v) => Math.min(Math.max(v, -extent), extent);
  const percent = (v) => `${(50 * (v / extent + 1)).toFixed(2)}%`;

  const ring = h("span", { class: "gm-ring" });
  const plane = h("div", {
    class: "gm-plane",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "two-dimensional slider",
    "aria-label": `${label}. Arrow keys move the ring, with Shift in larger steps.`,
    "aria-describedby": describedBy,
  }, layers, ring);
  const marks = (side, name, axis) =>
    h("div", { class: `gm-axis-${name}`, "aria-hidden": "true" },
      ticks.map((v) => h("span", { style: `${side}:${percent(v)}` }, format(v, 0))),
      h("b", {}, sub(symbol, axis)));
  const element = h("div", { class: "gm-axes" }, marks("bottom", "y", 2), plane, marks("left", "x", 1));

  let held = false;
  const drag = (event) => {
    const box = plane.getBoundingClientRect();
    onmove([
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
    if (arrow) onmove(position().map((v, axis) => clamp(v + size * arrow[axis])));
    else if (event.key === "Home") onmove([0, 0]);
    else if (event.key !== " " || onspace() === false) return;
    event.preventDefault();
  });

  return {
    element,
    plane,
    update([x, y]) {
      ring.style.left = percent(clamp(x));
      ring.style.top = percent(-clamp(y));
    },
  };
}

/**
 * A drawing that lies over a square plane. A unit of the plane is a hundred of its own, so that
 * letters have a size that browsers like; the plane's second axis points up, the page's down.
 */
export const overlay = (extent, ...children) =>
  svg("svg",
    { viewBox: `${-100 * extent} ${-100 * extent} ${200 * extent} ${200 * extent}`, "aria-hidden": "true" },
    ...children);

/** Where a point of the plane is in its overlay. */
export const at = ([x, y]) => ({ x: 100 * x, y: -100 * y });
