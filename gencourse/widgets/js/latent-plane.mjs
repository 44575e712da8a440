// The plane of latent codes of a VAE with two of them. One idea: two numbers are enough to draw a
// digit, and at the seams between classes the decoder invents.

import { drawImages } from "./lib/canvas.mjs";
import { button, choice, format, h, readouts, slider, sub, svg, table, toggle } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { SIDE, fromText, normalise, toText, unpack } from "./lib/ink.mjs";
import { normal } from "./lib/random.mjs";
import { logPrior, vae } from "./lib/vae.mjs";
import { pen } from "./lib/pen.mjs";

export { fromText, normalise, toText } from "./lib/ink.mjs";
export { vae } from "./lib/vae.mjs";
export { readWeights } from "./lib/weights.mjs";

const CELLS = 16; // small digits along each side of the plane
const FRAMES = 11; // digits in the film of a walk
const STEPS = 60; // points of the entropy curve above it
const SECONDS = 5; // a walk's duration
const NEIGHBOURS = 10;
const NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const DIGITS = NAMES.map((_, digit) => [String(digit), String(digit)]);

const plural = (digit, n) => `${n} ${NAMES[digit]}${n === 1 ? "" : digit === 6 ? "es" : "s"}`;
const mix = (a, b, t) => a.map((v, i) => v + t * (b[i] - v));

export default liveFigure(({ state, set, player, weights, signal, still, describedBy }) => {
  const { meta, tensors } = weights;
  const model = vae(weights);
  const extent = meta.extent;
  const clamp = (v) => Math.min(Math.max(v, -extent), extent);

  // --- what the weights file brings besides the networks: test digits, and codes of the test set
  const bytes = (SIDE * SIDE) / 8;
  const example = (digit) => unpack(tensors.examples.subarray(digit * bytes, (digit + 1) * bytes));
  const codes = Array.from(tensors.labels, (label, i) => ({
    label, z: [tensors.codes[2 * i], tensors.codes[2 * i + 1]],
  }));
  const classes = DIGITS.map(([digit]) => ({
    digit, mean: tensors.means.subarray(2 * digit, 2 * digit + 2), std: tensors.stds.subarray(2 * digit, 2 * digit + 2),
  }));

  /** How many of the nearest test codes belong to each class, the most frequent first. */
  const neighbours = (z) => {
    const counts = new Map();
    codes
      .map(({ label, z: [a, b] }) => [(a - z[0]) ** 2 + (b - z[1]) ** 2, label])
      .sort(([a], [b]) => a - b)
      .slice(0, NEIGHBOURS)
      .forEach(([, label]) => counts.set(label, (counts.get(label) ?? 0) + 1));
    return [...counts].sort(([a, n], [b, m]) => m - n || a - b);
  };

  // --- the digit under study: none, a test digit by its class, or the reader's own
  let memo = {};
  const studied = (x) => {
    if (memo.x !== x) {
      const image = x.length === 1 ? example(x) : fromText(x);
      memo = { x, found: x && image ? { image, ...model.bound(image) } : null };
    }
    return memo.found;
  };
  const study = (x) => {
    const found = studied(x);
    set({ x, ...(found && { z: [...found.mean] }) });
  };

  // --- the plane
  const grid = h("canvas");
  const dots = svg("g", { class: "gm-codes" },
    codes.map(({ label, z }) => svg("text", { x: z[0], y: -z[1] }, label)));
  const ellipse = svg("ellipse", { class: "gm-posterior" });
  const path = svg("line", { class: "gm-path" });
  const ends = [0, 1].map(() => svg("text", { class: "gm-stop" }));
  const overlay = svg("svg", { viewBox: [-extent, -extent, 2 * extent, 2 * extent].join(" "), "aria-hidden": "true" },
    dots,
    svg("g", { class: "gm-means" }, classes.map(({ digit, mean }) => svg("text", { x: mean[0], y: -mean[1] }, digit))),
    path, ends, ellipse);
  const ring = h("span", { class: "gm-ring" });
  const plane = h("div", {
    class: "gm-plane", tabindex: 0, role: "application", "aria-roledescription": "two-dimensional slider",
    "aria-label": "Plane of latent codes. Arrow keys move the ring, with Shift in larger steps.",
    "aria-describedby": describedBy,
  }, grid, overlay, ring);
  const ticks = [-2, 0, 2];
  const place = (v) => `${(50 * (v / extent + 1)).toFixed(2)}%`;
  const axes = h("div", { class: "gm-axes", "aria-hidden": "true" },
    h("div", { class: "gm-axis-y" }, ticks.map((v) => h("span", { style: `top:${place(-v)}` }, format(v, 0))), h("b", {}, sub("z", 2))),
    plane,
    h("div", { class: "gm-axis-x" }, ticks.map((v) => h("span", { style: `left:${place(v)}` }, format(v, 0))), h("b", {}, sub("z", 1))));

  const move = (z) => {
    walker.pause();
    set({ z: z.map(clamp) });
  };
  let held = false;
  const drag = (event) => {
    const box = plane.getBoundingClientRect();
    move([
      extent * ((2 * (event.clientX - box.left)) / box.width - 1),
      extent * (1 - (2 * (event.clientY - box.top)) / box.height),
    ]);
  };
  plane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = true;
    plane.setPointerCapture(event.pointerId);
    // A finger put down beside the ring may be about to scroll the page.
    if (event.pointerType === "mouse" || event.target === ring) drag(event);
  });
  plane.addEventListener("pointerup", drag);
  plane.addEventListener("pointermove", (event) => held && drag(event));
  for (const end of ["pointerup", "pointercancel"]) plane.addEventListener(end, () => (held = false));
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  plane.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) move(state().z.map((v, i) => v + arrow[i] * (event.shiftKey ? 0.5 : 0.05)));
    else if (event.key === "Home") move([0, 0]);
    else if (event.key === " " && state().walk.length) stepOrToggle();
    else return;
    event.preventDefault();
  });

  // --- what the decoder draws at the ring
  const drawn = h("canvas", { class: "gm-digit", role: "img" });
  const atRing = readouts([
    [h("i", {}, "z")],
    [["log ", h("i", {}, "p"), "(", h("i", {}, "z"), ")"], "nats"],
    ["pixel entropy", "nats"],
    ["nearest codes"],
  ]);
  const sliders = [0, 1].map((i) =>
    slider({
      label: sub("z", i + 1), spoken: `z ${i + 1}`, min: -extent, max: extent, step: 0.01,
      oninput: (value) => move(state().z.map((v, j) => (i === j ? value : v))),
    }));

  // --- sample the prior: one seed, one draw, the next seed
  const seed = h("input", {
    type: "number", min: 0, max: 9999, step: 1, id: `${describedBy}-seed`,
    onchange: () => sample(Math.abs(Math.round(Number(seed.value))) || 0),
  });
  const sample = (seed) => {
    const draw = normal(seed);
    walker.pause();
    set({ z: [draw(), draw()], seed });
  };

  // --- a walk between two test digits
  const film = h("canvas", { class: "gm-film", role: "img", "aria-label": `${FRAMES} digits decoded along the walk` });
  const curve = svg("polyline");
  const here = svg("line", { y1: 0, y2: 100, class: "gm-here" });
  const curveBox = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, curve, here);
  const marks = ["start", "end", "peak"].map((name) => h("span", { class: `gm-${name}` }));
  const [from, to] = ["from", "to"].map((label, i) =>
    choice({ label, options: DIGITS, onchange: (digit) => startWalk(state().walk.map((v, j) => (i === j ? Number(digit) : v))) }));
  const along = slider({
    label: "along the walk", min: 0, max: 1, step: 0.01,
    oninput: (t) => {
      walker.pause();
      walkTo(t);
    },
  });
  let walkKey, route;
  const walkTo = (t) => set({ z: mix(...route, t) });
  const progress = (z) => {
    const [a, b] = route;
    const d = [b[0] - a[0], b[1] - a[1]];
    const length2 = d[0] ** 2 + d[1] ** 2;
    return length2 ? Math.min(Math.max(((z[0] - a[0]) * d[0] + (z[1] - a[1]) * d[1]) / length2, 0), 1) : 0;
  };
  let t = 0;
  const walker = player(
    (seconds) => {
      t = Math.min(t + seconds / SECONDS, 1);
      walkTo(t);
      return t < 1;
    },
    () => {
      playButton.textContent = walker.playing ? "Pause" : "Play";
    },
  );
  const startWalk = (walk) => {
    walker.pause();
    set({ walk });
    layRoute(walk);
    walkTo((t = 0));
    if (!still.matches) walker.play();
  };
  const playOrPause = () => {
    if (!walker.playing) t = progress(state().z) % 1;
    walker.toggle();
  };
  const step = () => {
    walker.pause();
    const now = Math.round(progress(state().z) * (FRAMES - 1));
    walkTo((t = ((now + 1) % FRAMES) / (FRAMES - 1)));
  };
  const stepOrToggle = () => (still.matches ? step() : playOrPause());
  const playButton = button("Play", playOrPause, { class: "gm-play" });
  const stepButton = button("Step", step);
  const walkPanel = h("section", { class: "gm-panel gm-walk", id: `${describedBy}-walk`, "aria-label": "Walk between two digits" },
    h("div", { class: "gm-row" }, from.element, to.element, playButton, stepButton, along.element),
    h("p", { class: "gm-hint" }, "Pixel entropy along the walk, in nats"),
    h("div", { class: "gm-strip" }, h("div", { class: "gm-curve" }, curveBox, marks), film));
  const walkButton = button("Walk between two digits", () => {
    if (state().walk.length) {
      walker.pause();
      set({ walk: [] });
    } else startWalk([4, 0]);
  }, { "aria-controls": walkPanel.id });
  const layRoute = ([a, b]) => {
    route = [a, b].map((digit) => model.encode(example(digit)).mean);
    drawImages(film, { columns: FRAMES, side: SIDE, ink: (i) => model.decode(mix(...route, i / (FRAMES - 1))) });
    const heights = Array.from({ length: STEPS + 1 }, (_, i) => model.entropy(mix(...route, i / STEPS)));
    const [low, high] = [Math.min(...heights), Math.max(...heights)];
    // The first and the last frame are centred at their ends of the curve.
    const across = (i) => (100 * (0.5 + (i / STEPS) * (FRAMES - 1))) / FRAMES;
    const up = (v) => 100 - (100 * (v - low)) / Math.max(high - low, 1);
    curve.setAttribute("points", heights.map((v, i) => `${across(i)},${up(v)}`).join(" "));
    [0, STEPS, heights.indexOf(high)].forEach((i, k) => {
      marks[k].textContent = format(heights[i], 0);
      marks[k].style.left = `${across(i)}%`;
      marks[k].style.top = `${up(heights[i])}%`;
    });
  };

  // --- draw your own
  const pad = pen({
    label: "Drawing pad. Arrow keys move the pen, Space puts it down and lifts it.",
    onstroke: (strokes) => study(toText(normalise(strokes))), signal,
  });
  const seen = h("canvas", { class: "gm-seen", role: "img" });
  const pick = choice({
    label: "or take a test digit", options: [["", "–"], ...DIGITS],
    onchange: (digit) => {
      pad.clear();
      study(digit);
    },
  });
  const clearButton = button("Clear", () => {
    pad.clear();
    set({ x: "" });
  });
  const given = () => [h("i", {}, "x"), " | ", h("i", {}, "z")];
  const ofDigit = readouts([
    [["reconstruction, E", h("sub", {}, h("i", {}, "q")), " log ", h("i", {}, "p"), "(", given(), ")"], "nats"],
    [["KL(", h("i", {}, "q"), " ‖ ", h("i", {}, "p"), ")"], "nats"],
    ["ELBO", "nats"],
    [["log ", h("i", {}, "p"), "(", given(), ") at the ring"], "nats"],
  ]);
  const verdict = h("p", { class: "gm-hint" });
  let drawing = false;
  const drawPanel = h("section", { class: "gm-panel gm-own", id: `${describedBy}-own`, "aria-label": "Draw your own" },
    h("div", { class: "gm-pad-box" }, pad.element, h("p", { class: "gm-hint" }, "Draw a digit here.")),
    h("div", { class: "gm-seen-box" }, seen, h("p", { class: "gm-hint" }, "What the encoder sees: 28 × 28, centred.")),
    h("div", { class: "gm-own-side" }, h("div", { class: "gm-row" }, pick.element, clearButton), ofDigit.element, verdict));
  const drawButton = button("Draw your own", () => {
    drawing = drawPanel.hidden;
    set(drawing ? {} : { x: "" });
    if (!drawing) pad.clear();
  }, { "aria-controls": drawPanel.id });

  const codesToggle = toggle("Test codes", (codes) => set({ codes }));

  return {
    body: [
      h("div", { class: "gm-pics" }, axes, h("div", { class: "gm-side" }, drawn, atRing.element)),
      h("div", { class: "gm-sliders" }, sliders.map(({ element }) => element)),
      h("div", { class: "gm-row gm-main" },
        button("Sample the prior", () => sample(state().seed + 1), { class: "gm-first" }),
        h("span", { class: "gm-choice" }, h("label", { for: seed.id }, "seed"), seed),
        walkButton, drawButton),
      walkPanel, drawPanel,
    ],
    extras: [codesToggle.element],
    onreset() {
      drawing = false;
      pad.clear();
    },

    paint() {
      const cell = (i) => extent * ((2 * i + 1) / CELLS - 1);
      drawImages(grid, {
        columns: CELLS, rows: CELLS, side: SIDE,
        ink: (i) => model.decode([cell(i % CELLS), -cell(Math.floor(i / CELLS))]),
      });
      walkKey = memo.drawnX = undefined;
      pad.paint();
    },

    update({ z, x, walk, codes: shown, seed: drawnSeed }) {
      const found = studied(x);
      ring.style.left = place(clamp(z[0]));
      ring.style.top = place(-clamp(z[1]));
      sliders.forEach((slider, i) => slider.update(z[i]));
      drawImages(drawn, { columns: 1, side: SIDE, ink: () => model.decode(z) });
      const near = neighbours(z);
      drawn.setAttribute("aria-label", `The digit decoded at the ring; it looks most like a ${NAMES[near[0][0]]}.`);
      atRing.update([
        `(${format(z[0])}, ${format(z[1])})`, format(logPrior(z)), format(model.entropy(z), 1),
        near.map(([digit, n]) => String(digit).repeat(n)).join(" "),
      ]);
      plane.classList.toggle("gm-faint", shown);
      codesToggle.update(shown);
      if (document.activeElement !== seed) seed.value = drawnSeed;

      walkPanel.hidden = !walk.length;
      walkButton.setAttribute("aria-expanded", String(!!walk.length));
      path.style.display = ends[0].style.display = ends[1].style.display = walk.length ? "" : "none";
      if (walk.length) {
        if (walkKey !== walk.join()) {
          walkKey = walk.join();
          layRoute(walk);
          from.update(walk[0]);
          to.update(walk[1]);
          const [a, b] = route;
          for (const [key, value] of Object.entries({ x1: a[0], y1: -a[1], x2: b[0], y2: -b[1] })) path.setAttribute(key, value);
          route.forEach((end, i) => {
            ends[i].setAttribute("x", end[0]);
            ends[i].setAttribute("y", -end[1]);
            ends[i].textContent = walk[i];
          });
        }
        const now = progress(z);
        along.update(now);
        playButton.hidden = still.matches;
        const at = (100 * (0.5 + now * (FRAMES - 1))) / FRAMES;
        here.setAttribute("x1", at);
        here.setAttribute("x2", at);
      }

      drawPanel.hidden = !x && !drawing;
      drawButton.setAttribute("aria-expanded", String(!drawPanel.hidden));
      ellipse.style.display = found ? "" : "none";
      if (found) {
        const { mean, std } = found;
        for (const [key, value] of Object.entries({ cx: mean[0], cy: -mean[1], rx: 2 * std[0], ry: 2 * std[1] }))
          ellipse.setAttribute(key, value);
      }
      if (!drawPanel.hidden) {
        pick.update(x.length === 1 ? x : "");
        drawImages(seen, { columns: 1, side: SIDE, ink: () => found?.image ?? new Uint8Array(SIDE * SIDE) });
        seen.setAttribute("aria-label", found ? "The binary image that the encoder sees." : "No digit yet.");
        const atRing = found && model.logLikelihood(found.image, z);
        ofDigit.update(found
          ? [found.reconstruction, found.kl, found.elbo, atRing].map((v) => format(v, 1))
          : ["–", "–", "–", "–"]);
        const gain = found ? atRing - model.logLikelihood(found.image, found.mean) : 0;
        verdict.textContent = Math.abs(gain) < 0.05 ? ""
          : `${format(Math.abs(gain), 1)} nats ${gain > 0 ? "better" : "worse"} than at the encoder’s mean.`;
      }
    },

    describe({ z, x, walk }) {
      const near = neighbours(z);
      const found = studied(x);
      return [
        `The ring is at z1 = ${format(z[0])}, z2 = ${format(z[1])}.`,
        `Of the ${NEIGHBOURS} nearest test codes ${near.map(([digit, n]) => plural(digit, n)).join(", ")}${near[0][1] < 8 ? ": a seam" : ""}.`,
        `The decoder's pixel entropy there is ${format(model.entropy(z), 0)} nats.`,
        walk.length ? `A walk from ${NAMES[walk[0]]} to ${NAMES[walk[1]]} is ${Math.round(100 * progress(z))} percent done.` : "",
        found ? `${x.length === 1 ? `The test digit ${NAMES[x]}` : "Your digit"} has reconstruction ${format(found.reconstruction, 1)} nats, `
          + `KL ${format(found.kl, 1)} nats, ELBO ${format(found.elbo, 1)} nats.` : "",
      ].filter(Boolean).join(" ");
    },

    table({ z, x }) {
      const found = studied(x);
      const near = neighbours(z).map(([digit, n]) => plural(digit, n)).join(", ");
      return [
        table("At the ring", ["quantity", "value"], [
          ["z1", format(z[0])], ["z2", format(z[1])], ["log p(z), nats", format(logPrior(z))],
          ["pixel entropy, nats", format(model.entropy(z), 1)], [`nearest ${NEIGHBOURS} test codes`, near],
          ...(found ? [["reconstruction, nats", format(found.reconstruction, 1)], ["KL, nats", format(found.kl, 1)], ["ELBO, nats", format(found.elbo, 1)]] : []),
        ]),
        table("Where the encoder puts the test digits", ["class", "mean z1", "mean z2", "spread z1", "spread z2"],
          classes.map(({ digit, mean, std }) => [digit, ...[...mean, ...std].map((v) => format(v))])),
      ];
    },
  };
});
