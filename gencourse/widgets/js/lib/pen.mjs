// A pad to draw on, by pointer or by keyboard. Points are in [0, 1] × [0, 1].

import { colour } from "./canvas.mjs";
import { ARROWS, h } from "./dom.mjs";

const SIZE = 336; // canvas pixels; the page scales it
const STEP = 0.03; // an arrow key moves the pen by this much
const TOP = [0.5, 0.2]; // where the keyboard's pen starts

/** The pad: `onstroke(strokes)` follows every change, `clear()` empties it, `paint()` redraws it. */
export function pen({ label, onstroke }) {
  const element = h("canvas", {
    class: "gm-pad", width: SIZE, height: SIZE, tabindex: 0, role: "application", "aria-label": label,
  });
  let strokes = [];
  let down = false; // by pointer
  let writing = false; // by keyboard
  let tip = null; // where the keyboard's pen is

  const paint = () => {
    const context = element.getContext("2d");
    const style = (token) => `rgb(${colour(element, token)})`;
    context.fillStyle = style("paper");
    context.fillRect(0, 0, SIZE, SIZE);
    context.strokeStyle = style("ink");
    context.lineWidth = SIZE / 12;
    context.lineCap = context.lineJoin = "round";
    for (const [first, ...rest] of strokes) {
      context.beginPath();
      context.moveTo(SIZE * first[0], SIZE * first[1]);
      for (const [x, y] of rest.length ? rest : [first]) context.lineTo(SIZE * x, SIZE * y);
      context.stroke();
    }
    if (tip && document.activeElement === element) {
      context.strokeStyle = style("family");
      context.lineWidth = writing ? 8 : 3;
      context.beginPath();
      context.arc(SIZE * tip[0], SIZE * tip[1], SIZE / 24, 0, 7);
      context.stroke();
    }
  };
  const extend = (point) => {
    strokes.at(-1).push(point);
    paint();
    onstroke(strokes);
  };
  const begin = (point) => {
    strokes.push([]);
    extend(point);
  };

  const at = ({ clientX, clientY }) => {
    const box = element.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    down = true;
    tip = null;
    writing = false;
    element.setPointerCapture(event.pointerId);
    begin(at(event));
  });
  element.addEventListener("pointermove", (event) => down && extend(at(event)));
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (down = false));

  element.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const [x, y] = tip ?? TOP;
      tip = [x + STEP * arrow[0], y - STEP * arrow[1]].map((v) => Math.min(Math.max(v, 0), 1));
      if (writing) extend(tip);
    } else if (event.key === " ") {
      tip ??= TOP;
      writing = !writing;
      if (writing) begin(tip);
    } else return;
    event.preventDefault();
    paint();
  });
  element.addEventListener("focus", paint);
  element.addEventListener("blur", () => {
    writing = false;
    paint();
  });

  return {
    element,
    paint,
    clear() {
      strokes = [];
      tip = null;
      writing = false;
      paint();
    },
  };
}
