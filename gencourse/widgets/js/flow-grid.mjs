// A grid carried through the couplings of a flow. One idea: mass is neither made nor lost; where
// area shrinks the density rises, and their product stays.

import { bendPanel } from "./flow-grid/bend.mjs";
import {
  along, bentByHand, books, carriedSquare, logBase, logDensity, pathFrom, pullBack, trained,
} from "./flow-grid/couplings.mjs";
import { ground } from "./flow-grid/ground.mjs";
import { button, choice, format, h, numberField, readouts, setAll, slider, sub, svg, table, toggle } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { at, overlay, squarePlane } from "./lib/plane.mjs";
import { normal } from "./lib/random.mjs";

// For the tests, which compare them with PyTorch.
export { along, bentByHand, books, curve, densities, logDensity, pathFrom, pullBack, trained } from "./flow-grid/couplings.mjs";
export { readWeights } from "./lib/weights.mjs";

const SIDE = 0.5; // of the cell around the ring, before the flow
const SAMPLES = 300;
const SECONDS = 1.2; // for each coupling
const OWN = "bend your own";
const MOST = 80; // points that the ring can leave

export default liveFigure((frame) => {
  const { state, set, player, still, weights, describedBy } = frame;
  const { extent, target } = weights.meta;
  const clamp = (v) => Math.min(Math.max(v, -extent), extent);
  const data = Array.from({ length: weights.tensors.data.length / 2 }, (_, i) =>
    [...weights.tensors.data.subarray(2 * i, 2 * i + 2)]);
  const pairs = (numbers) => Array.from({ length: numbers.length / 2 }, (_, i) => numbers.slice(2 * i, 2 * i + 2));

  // --- what depends on the flow alone: kept until the flow changes
  const learned = trained(weights);
  const flows = new Map();
  const lay = ({ flow: kind, bend }) => {
    const key = kind === "own" ? bend.join() : kind;
    if (!flows.has(key)) {
      if (kind === "own") flows.clear(); // of the reader's own couplings, the last are kept
      const flow = kind === "own" ? bentByHand(bend) : learned;
      const pulled = data.map((x) => pathFrom(flow, pullBack(flow, x, flow.length)));
      flows.set(key, {
        flow,
        // One for each plane: each keeps the shades it last drew.
        draw: [ground(flow, extent), ground(flow, extent)],
        data: pulled,
        fit: pulled.reduce((sum, path) => sum + logDensity(path), 0) / pulled.length,
      });
    }
    return flows.get(key);
  };
  const trainedFit = lay({ flow: "trained" }).fit;
  /** The state, its flow, and its time within that flow. */
  const now = (current = state()) => {
    const laid = lay(current);
    return { ...current, ...laid, t: Math.min(current.t, laid.flow.length) };
  };

  // --- moving the point: before the flow, or after it and then pulled back
  const round = (v) => Math.round(1e4 * v) / 1e4;
  const move = (z) => {
    const { points, leave } = state();
    const to = z.map(round);
    const [last, next] = [points.slice(-2), to];
    const far = !last.length || Math.hypot(last[0] - next[0], last[1] - next[1]) > 0.08;
    set({ z: to, ...(leave && far && { points: [...points, ...to].slice(-2 * MOST) }) });
  };
  const moveAfter = (x) => {
    const { flow, t } = now();
    move(pullBack(flow, x, t));
  };

  const plane = (symbol, label, position, onmove) => {
    const canvas = h("canvas", { width: symbol === "z" ? 400 : 640, height: symbol === "z" ? 400 : 640 });
    const cell = svg("polygon", { class: "gm-cell" });
    const square = squarePlane({
      extent, symbol, label, describedBy, position, onmove, onspace: () => playOrStep(),
      layers: [canvas, overlay(extent, cell)],
    });
    return { canvas, cell, ...square };
  };
  const before = plane("z", "The base, before the flow", () => state().z, move);
  const after = plane("x", "The plane, after the couplings done", () => {
    const { flow, z, t } = now();
    return along(pathFrom(flow, z), t).point;
  }, moveAfter);
  const title = (name, element, ...words) =>
    h("div", { class: name }, h("p", { class: "gm-hint gm-over" }, words), element);
  const done = h("span", { class: "gm-number" });

  // --- time
  const walker = player(
    (seconds) => {
      const { t, flow } = now();
      set({ t: Math.min(t + seconds / SECONDS, flow.length) });
      return t + seconds / SECONDS < flow.length;
    },
    () => (play.textContent = walker.playing ? "Pause" : "Play"),
  );
  const goTo = (t) => {
    walker.pause();
    set({ t });
  };
  const playOrPause = () => {
    const { t, flow } = now();
    if (!walker.playing && t === flow.length) set({ t: 0 });
    walker.toggle();
  };
  const step = () => {
    const { t, flow } = now();
    goTo(t === flow.length ? 0 : Math.floor(t) + 1);
  };
  const playOrStep = () => (still.matches ? step() : playOrPause());
  const play = button("Play", playOrPause, { class: "gm-play gm-first" });
  const time = slider({ label: "couplings done", min: 0, max: 1, step: 0.05, oninput: goTo });
  const says = h("p", { class: "gm-hint gm-says" });

  // --- the point as two sliders, and the numbers
  const sliders = [0, 1].map((axis) =>
    slider({
      label: sub("z", axis + 1), spoken: `z ${axis + 1}`, min: -extent, max: extent, step: 0.01,
      oninput: (value) => move(state().z.map((v, i) => (i === axis ? value : v))),
    }));
  const i = (letter) => h("i", {}, letter);
  const numbers = readouts([
    ["stretch of area", "times"],
    ["density at the ring", "/unit²"],
    ["their product", "/unit²"],
    ["density before", "/unit²"],
    ["pulled back within", "unit"],
    [["data: log ", i("p"), ", mean"], "nats"],
  ]);

  // --- what is shown
  const bending = bendPanel({ set, state, describedBy, title: OWN });
  const kind = choice({
    label: "flow",
    options: [["trained", `trained on ${target}`], ["own", OWN]],
    onchange: (flow) => {
      walker.pause();
      set(flow === "own" ? { flow, t: 2, dots: "data" } : { flow, t: learned.length });
    },
  });
  const dots = choice({
    label: "dots",
    options: [["none", "none"], ["samples", "samples, pushed"], ["data", "data, pulled back"]],
    onchange: (dots) => set({ dots }),
  });
  const seed = numberField({ label: "seed", onchange: (seed) => set({ seed, dots: "samples" }) });
  const leave = toggle("Leave points", (leave) => set({ leave }));
  const clear = button("Clear points", () => set({ points: [] }), { class: "gm-quiet" });

  const sampled = ({ flow, seed }) => {
    const draw = normal(seed);
    return Array.from({ length: SAMPLES }, () => pathFrom(flow, [draw(), draw()]));
  };
  const shownDots = (current) => [
    ...(current.dots === "samples" ? [{ mark: "samples", paths: sampled(current) }] : []),
    ...(current.dots === "data" ? [{ mark: "data", paths: current.data }] : []),
    { mark: "own", paths: pairs(current.points).map((z) => pathFrom(current.flow, z)) },
  ];
  /** The ring at one time: the figure, its description and its table agree. */
  const account = ({ flow, z, t }) => {
    const at = books(flow, z)(t);
    const back = pullBack(flow, at.point, t);
    return { ...at, error: Math.hypot(back[0] - z[0], back[1] - z[1]) };
  };
  const outline = (rim, t) => rim.map((path) => at(along(path, t).point)).map(({ x, y }) => `${x},${y}`).join(" ");
  const tiny = (v) => (v ? v.toExponential(0).replace("-", "−") : "0");
  const pair = (point) => `(${point.map((v) => format(v)).join(", ")})`;
  const axis = (letter, k) => `${letter}${"₁₂"[k]}`;

  /** What the coupling under way does, in a sentence. */
  const action = ({ flow, z, t }) => {
    const k = Math.min(Math.floor(t), flow.length - 1);
    const { bends } = pathFrom(flow, z);
    const { moves } = flow[k];
    const [s, b] = bends[k];
    return `Coupling ${k + 1} of ${flow.length} moves ${axis("x", moves)} and sees only ${axis("x", 1 - moves)}: `
      + `at the ring ×\u00a0${format(Math.exp(s))}, then ${b < 0 ? "−" : "+"}\u00a0${format(Math.abs(b))}.`;
  };

  return {
    body: [
      h("div", { class: "gm-pics gm-carried" },
        h("div", { class: "gm-side" },
          title("gm-before", before.element, "Before: ", i("N"), "(0, ", i("I"), ")"), numbers.element),
        title("gm-after", after.element, "After ", done)),
      h("div", { class: "gm-row gm-main gm-time" }, play, button("Step", step), time.element),
      says,
      h("div", { class: "gm-sliders" }, sliders.map(({ element }) => element)),
      h("div", { class: "gm-row gm-main gm-choices" }, kind.element, dots.element, seed.element),
      bending.element,
    ],
    extras: [leave.element, clear],
    accepts: {
      flow: (flow) => ["trained", "own"].includes(flow),
      t: (t) => t >= 0,
      z: (z) => z.length === 2,
      bend: (bend) => bend.length === 12 && bend.every(bending.possible),
      dots: (dots) => ["none", "samples", "data"].includes(dots),
      points: (points) => points.length % 2 === 0 && points.length <= 2 * MOST,
      seed: (seed) => Number.isInteger(seed) && seed >= 0,
    },

    paint() {},

    update(given) {
      const current = now(given);
      const { flow, z, t, fit } = current;
      const { point, stretch, density, error } = account(current);
      const marks = shownDots(current);
      current.draw[0](before.canvas, 0, marks);
      current.draw[1](after.canvas, t, marks);
      before.update(z);
      after.update(point);
      const rim = carriedSquare(flow, z, SIDE);
      setAll(before.cell, { points: outline(rim, 0) });
      setAll(after.cell, { points: outline(rim, t) });
      done.textContent = `${format(t, t % 1 ? 2 : 0)} of ${flow.length} couplings`;
      time.input.max = flow.length;
      time.update(t);
      says.textContent = action(current);
      sliders.forEach((slider, axis) => slider.update(z[axis]));
      numbers.update([
        format(stretch, 4), format(density, 4), format(stretch * density, 4), format(Math.exp(logBase(z)), 4),
        tiny(error), format(fit, 3),
      ]);
      kind.update(given.flow);
      dots.update(given.dots);
      seed.update(given.seed);
      leave.update(given.leave);
      clear.hidden = !given.points.length;
      play.hidden = still.matches;
      bending.element.hidden = given.flow !== "own";
      if (given.flow === "own") bending.update(given, [fit, trainedFit]);
    },

    describe(given) {
      const current = now(given);
      const { flow, z, t, fit } = current;
      const { point, stretch, density } = account(current);
      return [
        `After ${format(t, t % 1 ? 2 : 0)} of ${flow.length} couplings the point z = ${pair(z)} is at x = ${pair(point)}.`,
        `Area there is ${format(stretch, 4)} times what it was, and the density ${format(density, 4)} per unit of area;`,
        `their product is ${format(stretch * density, 4)}, and the density before was ${format(Math.exp(logBase(z)), 4)}.`,
        action(current),
        `The data have a mean log density of ${format(fit, 3)} nats.`,
      ].join(" ");
    },

    table(given) {
      const current = now(given);
      const { flow, z } = current;
      const booksAt = books(flow, z);
      return [
        table("The ring, coupling by coupling", [
          "couplings done", "x1", "x2", "log |det J|, nats", "stretch of area", "density, /unit²", "product, /unit²",
        ], flow.concat(null).map((_, k) => {
          const { point, logDet, stretch, density } = booksAt(k);
          return [k, ...point.map((v) => format(v)), format(logDet, 3), format(stretch, 4), format(density, 4),
            format(stretch * density, 4)];
        })),
        ...(given.points.length ? [table("The points left", ["point", "z1", "z2", "x1", "x2"],
          pairs(given.points).map((z, k) =>
            [k + 1, ...[...z, ...pathFrom(flow, z).places.at(-1)].map((v) => format(v))]))] : []),
      ];
    },
  };
});
