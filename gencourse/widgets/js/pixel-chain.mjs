// A digit, pixel by pixel. One idea: an image is a chain of conditionals, each pixel given those
// already visible, and their nats add up.

import { colour } from "./lib/canvas.mjs";
import { ARROWS, button, choice, format, h, numberField, readouts, setAll, slider, svg, table } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { SIDE, fromText, toText, unpack } from "./lib/ink.mjs";
import { sigmoid } from "./lib/nn.mjs";
import { ORDERS, cost, drawn, entropy, nextPixel } from "./pixel-chain/chain.mjs";
import { network } from "./pixel-chain/network.mjs";

// For the tests, which compare them with PyTorch.
export { toText } from "./lib/ink.mjs";
export { readWeights } from "./lib/weights.mjs";
export { ORDERS, cost, drawn, nextPixel } from "./pixel-chain/chain.mjs";
export { network } from "./pixel-chain/network.mjs";

const PIXELS = SIDE * SIDE;
const BUDGET = 10; // milliseconds of passes in a frame that plays
const where = (i) => [Math.floor(i / SIDE), i % SIDE];
const mask = (seen) => Uint8Array.from({ length: PIXELS }, (_, i) => seen(...where(i)));
const MASKS = {
  all: mask(() => 1),
  none: mask(() => 0),
  upper: mask((row) => row < SIDE / 2),
  left: mask((_, column) => column < SIDE / 2),
};
const TOOLS = { hide: "hide", ink: "draw ink", paper: "draw paper" };
const ORDER_NAMES = {
  raster: "row by row", columns: "column by column", spiral: "spiral", random: "random", certain: "most certain first",
};

export default liveFigure((frame) => {
  const { state, set, player, still, weights, describedBy } = frame;
  const logitsOf = network(weights);
  const example = (digit) => unpack(weights.tensors.examples.subarray(98 * digit, 98 * digit + 98));

  // --- what the state says, as pixels; the network runs again only when they change
  const image = (x) => (x.length === 1 ? example(Number(x)) : fromText(x));
  const visibleIn = (seen) => MASKS[seen] ?? fromText(seen);
  let kept = {};
  const read = (given = state()) => {
    if (kept.x !== given.x || kept.seen !== given.seen) {
      const [x, visible] = [image(given.x), visibleIn(given.seen)];
      kept = { x: given.x, seen: given.seen, pixels: { x, visible, logits: logitsOf(x, visible) } };
    }
    const made = given.made ? fromText(given.made) : MASKS.none;
    return { ...given, ...kept.pixels, made, next: nextPixel(given.order, given.seed, kept.pixels.visible, kept.pixels.logits) };
  };
  const count = (pixels) => pixels.reduce((sum, v) => sum + v, 0);
  /** A new start: what is visible is given, and nothing has been paid for yet. */
  const begin = (changes) => {
    runner.pause();
    set({ ...changes, made: "", nats: [0, 0] });
  };

  // --- one link of the chain
  const link = () => {
    const { x, visible, made, logits, next, seed, source, nats } = read();
    if (next < 0) return false;
    const value = source === "model" ? drawn(seed, next, logits[next]) : x[next];
    const paid = cost(logits[next], value);
    const [pixels, seen, filled] = [x, visible, made].map((each) => Uint8Array.from(each));
    pixels[next] = value;
    seen[next] = filled[next] = 1;
    set({ x: toText(pixels), seen: toText(seen), made: toText(filled), nats: [nats[0] + paid, paid] });
    return count(seen) < PIXELS;
  };
  const runner = player(
    () => {
      const start = performance.now();
      let more = true;
      while (more && performance.now() - start < BUDGET) more = link();
      return more;
    },
    () => (play.textContent = runner.playing ? "Pause" : "Play"),
  );
  const step = () => {
    runner.pause();
    link();
  };
  const play = button("Play", () => runner.toggle(), { class: "gm-play gm-first" });

  // --- the picture, and the pen in it
  const canvas = h("canvas", { width: SIDE, height: SIDE });
  const box = (name) => svg("rect", { class: name, width: 1, height: 1 });
  const [here, coming] = [box("gm-here-pixel"), box("gm-next-pixel")];
  const pad = h("div", {
    class: "gm-chain",
    tabindex: 0,
    role: "application",
    "aria-label": "Pixels of the digit. Arrow keys move the pen, Space uses it.",
    "aria-describedby": describedBy,
  }, canvas, svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" }, coming, here));
  const use = (row, column) => {
    const { x, visible } = read();
    const [pixels, seen] = [x, visible].map((each) => Uint8Array.from(each));
    const reach = tool === "hide" ? 2 : 1; // pixels to the right and below that the pen covers too
    for (let r = row; r < Math.min(row + reach + 1, SIDE); r++)
      for (let c = column; c < Math.min(column + reach + 1, SIDE); c++) {
        seen[r * SIDE + c] = Number(tool !== "hide");
        if (tool !== "hide") pixels[r * SIDE + c] = Number(tool === "ink");
      }
    begin({ x: toText(pixels), seen: toText(seen), at: [row, column] });
  };
  let tool = "hide";
  let held = false;
  const clamp = (v) => Math.min(Math.max(v, 0), SIDE - 1);
  const under = (event) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    return [((event.clientY - top) / height) * SIDE, ((event.clientX - left) / width) * SIDE].map((v) => clamp(Math.floor(v)));
  };
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = true;
    pad.setPointerCapture(event.pointerId);
    use(...under(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (held) use(...under(event));
    else if (event.pointerType === "mouse") set({ at: under(event) });
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (held = false));
  pad.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    const [row, column] = state().at;
    if (arrow) set({ at: [clamp(row - arrow[1]), clamp(column + arrow[0])] });
    else if (event.key === " ") use(row, column);
    else return;
    event.preventDefault();
  });

  // --- controls
  const words = (names) => Object.entries(names);
  const sliders = ["row", "column"].map((label, axis) =>
    slider({
      label, min: 0, max: SIDE - 1, step: 1, decimals: 0,
      oninput: (value) => set({ at: state().at.map((v, k) => (k === axis ? value : v)) }),
    }));
  const digit = choice({
    label: "digit",
    options: [...Array(10).keys()].map((d) => [d, d]).concat([["own", "yours"]]),
    onchange: (d) => begin({ x: d === "own" ? state().x : d, seen: MASKS[state().seen] ? state().seen : "upper" }),
  });
  const seen = choice({
    label: "visible",
    options: words({ upper: "upper half", left: "left half", none: "nothing", all: "everything", own: "as it is" }),
    onchange: (seen) => MASKS[seen] && begin({ seen }),
  });
  const pen = choice({ label: "pen", options: words(TOOLS), onchange: (name) => (tool = name) });
  const order = choice({ label: "order", options: words(ORDER_NAMES), onchange: (order) => set({ order }) });
  const source = choice({
    label: "next pixel",
    options: words({ model: "drawn", digit: "the digit’s" }),
    onchange: (source) => set({ source }),
  });
  const seed = numberField({ label: "seed", onchange: (seed) => set({ seed }) });
  const i = (letter) => h("i", {}, letter);
  const numbers = readouts([
    ["pixel under the pen"],
    [[i("p"), "(ink | visible)"]],
    ["its entropy", "nats"],
    ["hidden pixels"],
    ["last link", "nats"],
    ["chain so far", "nats"],
  ]);
  const says = h("p", { class: "gm-hint gm-says" });

  const probability = ({ at: [row, column], logits, visible, x }) => {
    const k = row * SIDE + column;
    return visible[k] ? `visible: ${x[k] ? "ink" : "paper"}` : format(sigmoid(logits[k]), 3);
  };
  const unsure = ({ at: [row, column], logits, visible }) => {
    const k = row * SIDE + column;
    return visible[k] ? 0 : entropy(logits[k]);
  };
  const links = ({ made }) => count(made);
  const summary = (now) => {
    const n = links(now);
    if (!n) return "No link yet. Play, or step: each hidden pixel is decided given all that is visible.";
    const verb = now.source === "model" ? "drawn" : "taken";
    return `${n} pixels ${verb}, ${format(now.nats[0], 2)} nats: ${format(now.nats[0] / n, 3)} for each.`;
  };

  return {
    body: [
      h("div", { class: "gm-pics gm-chained" }, pad, h("div", { class: "gm-side" }, numbers.element, says)),
      h("div", { class: "gm-row gm-main gm-steps" }, play, button("Step", step), order.element, seed.element),
      h("div", { class: "gm-row gm-main gm-settings" }, digit.element, seen.element, pen.element, source.element),
      h("div", { class: "gm-sliders" }, sliders.map(({ element }) => element)),
    ],
    accepts: {
      x: (x) => /^\d$/.test(x) || fromText(x) !== null,
      seen: (seen) => seen in MASKS || fromText(seen) !== null,
      made: (made) => made === "" || fromText(made) !== null,
      nats: (nats) => nats.length === 2 && nats.every((v) => v >= 0),
      order: (order) => order === "certain" || Object.hasOwn(ORDERS, order),
      source: (source) => ["model", "digit"].includes(source),
      at: (at) => at.length === 2 && at.every((v) => Number.isInteger(v) && v >= 0 && v < SIDE),
      seed: (seed) => Number.isInteger(seed) && seed >= 0,
    },

    paint() {},

    update(given) {
      const now = read(given);
      const { x, visible, made, logits, next, at } = now;
      const [paper, ink, family, rule] = ["paper", "ink", "family", "rule"].map((token) => colour(canvas, token));
      const context = canvas.getContext("2d");
      const picture = context.createImageData(SIDE, SIDE);
      for (let k = 0; k < PIXELS; k++) {
        const p = sigmoid(logits[k]);
        const shade = visible[k] ? (x[k] ? (made[k] ? family : ink) : paper) : rule.map((v, c) => v + p * (family[c] - v));
        picture.data.set([...shade, 255], 4 * k);
      }
      context.putImageData(picture, 0, 0);
      setAll(here, { x: at[1], y: at[0] });
      coming.style.display = next < 0 ? "none" : "";
      if (next >= 0) setAll(coming, { x: next % SIDE, y: Math.floor(next / SIDE) });
      numbers.update([
        `row ${at[0]}, column ${at[1]}`, probability(now), format(unsure(now), 3), String(PIXELS - count(visible)),
        format(now.nats[1], 3), format(now.nats[0], 2),
      ]);
      says.textContent = summary(now);
      sliders.forEach((slider, axis) => slider.update(at[axis]));
      digit.update(given.x.length === 1 ? given.x : "own");
      seen.update(given.seen in MASKS ? given.seen : "own");
      order.update(given.order);
      source.update(given.source);
      pen.update(tool);
      seed.update(given.seed);
      play.hidden = still.matches;
    },

    describe(given) {
      const now = read(given);
      const hidden = PIXELS - count(now.visible);
      const said = probability(now);
      return [
        `${hidden} of ${PIXELS} pixels are hidden, in the order ${ORDER_NAMES[now.order]}.`,
        `At row ${now.at[0]}, column ${now.at[1]} the pixel is ${/^v/.test(said) ? said : `ink with probability ${said}`}.`,
        summary(now),
      ].join(" ");
    },

    table(given) {
      const now = read(given);
      const { logits, visible, x, made, at } = now;
      const [row] = at;
      return [
        table("The chain", ["quantity", "value"], [
          ["pixels hidden", PIXELS - count(visible)],
          ["links made", links(now)],
          ["last link, nats", format(now.nats[1], 4)],
          ["chain so far, nats", format(now.nats[0], 3)],
        ]),
        table(`Row ${row} of the image`, ["column", "state", "p(ink | visible)"],
          Array.from({ length: SIDE }, (_, column) => {
            const k = row * SIDE + column;
            const value = x[k] ? "ink" : "paper";
            return [column, visible[k] ? `${made[k] ? "made" : "given"}: ${value}` : "hidden",
              visible[k] ? "–" : format(sigmoid(logits[k]), 3)];
          })),
      ];
    },
  };
});
