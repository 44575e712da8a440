// The plane of latent codes of a VAE with two of them. One idea: two numbers are enough to draw a
// digit, and at the seams between classes the decoder invents.

import { testCodes } from "./latent-plane/codes.mjs";
import { ownDigit } from "./latent-plane/own.mjs";
import { planeView } from "./latent-plane/plane.mjs";
import { walkBetween } from "./latent-plane/walk.mjs";
import { drawImages } from "./lib/canvas.mjs";
import { button, format, h, numberField, readouts, slider, sub, table, toggle } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { SIDE, fromText } from "./lib/ink.mjs";
import { normal } from "./lib/random.mjs";
import { logPrior, vae } from "./lib/vae.mjs";

// For the tests, which compare them with PyTorch.
export { fromText, normalise, toText } from "./lib/ink.mjs";
export { normal } from "./lib/random.mjs";
export { vae } from "./lib/vae.mjs";
export { readWeights } from "./lib/weights.mjs";

export default liveFigure((frame) => {
  const { state, set, weights } = frame;
  const model = vae(weights);
  const codes = testCodes(weights);
  const extent = weights.meta.extent;

  /** The reader takes the ring in hand: what moved it by itself stops. */
  const move = (z) => {
    walk.pause();
    set({ z });
  };

  const plane = planeView({ frame, model, codes, extent, move, onspace: () => walk.playOrStep() });
  const walk = walkBetween({ frame, model, codes, plane });
  const own = ownDigit({ frame, model, codes, move });

  const drawn = h("canvas", { class: "gm-digit", role: "img" });
  const atRing = readouts([
    [h("i", {}, "z")],
    [["log ", h("i", {}, "p"), "(", h("i", {}, "z"), ")"], "nats"],
    ["pixel entropy", "nats"],
    ["nearest codes"],
  ]);
  const sliders = [0, 1].map((axis) =>
    slider({
      label: sub("z", axis + 1),
      spoken: `z ${axis + 1}`,
      min: -extent,
      max: extent,
      step: 0.01,
      oninput: (value) => move(state().z.map((v, i) => (i === axis ? value : v))),
    }));

  const sample = (seed) => {
    const draw = normal(seed);
    move([draw(), draw()]);
    set({ seed });
  };
  const seed = numberField({ label: "seed", onchange: sample });
  const showCodes = toggle("Show test codes", (codes) => set({ codes }));

  return {
    body: [
      h("div", { class: "gm-pics" }, plane.element, h("div", { class: "gm-side" }, drawn, atRing.element)),
      h("div", { class: "gm-sliders" }, sliders.map(({ element }) => element)),
      h("div", { class: "gm-row gm-main" },
        button("Sample the prior", () => sample(state().seed + 1), { class: "gm-first" }),
        seed.element, walk.button, own.button),
      walk.panel,
      own.panel,
    ],
    extras: [showCodes.element],
    accepts: {
      z: (z) => z.length === 2,
      x: (x) => /^\d?$/.test(x) || fromText(x) !== null,
      walk: (walk) => [0, 2].includes(walk.length) && walk.every((digit) => digit in codes.names),
      seed: (seed) => Number.isInteger(seed) && seed >= 0,
    },
    onreset: own.close,

    paint() {
      plane.paint();
      walk.paint();
      own.paint();
    },

    update(now) {
      const { z } = now;
      const near = codes.nearest(z);
      plane.update(now, own.found(now.x));
      sliders.forEach((slider, axis) => slider.update(z[axis]));
      drawImages(drawn, { side: SIDE, ink: () => model.decode(z) });
      drawn.setAttribute("aria-label",
        `What the decoder draws at the ring, among test codes of ${codes.list(near)}.`);
      atRing.update([
        `(${format(z[0])}, ${format(z[1])})`,
        format(logPrior(z)),
        format(model.entropy(z), 1),
        near.map(([digit, n]) => String(digit).repeat(n)).join(" "),
      ]);
      seed.update(now.seed);
      showCodes.update(now.codes);
      walk.update(now);
      own.update(now);
    },

    describe(now) {
      const { z } = now;
      const near = codes.nearest(z);
      return [
        `The ring is at z1 = ${format(z[0])}, z2 = ${format(z[1])}.`,
        `The nearest test codes are ${codes.list(near)}${near[0][1] < 8 ? ": a seam" : ""}.`,
        `The decoder's pixel entropy there is ${format(model.entropy(z), 0)} nats.`,
        walk.describe(now),
        own.describe(now),
      ].filter(Boolean).join(" ");
    },

    table(now) {
      const { z } = now;
      return [
        table("At the ring", ["quantity", "value"], [
          ["z1", format(z[0])],
          ["z2", format(z[1])],
          ["log p(z), nats", format(logPrior(z))],
          ["pixel entropy, nats", format(model.entropy(z), 1)],
          ["nearest test codes", codes.list(codes.nearest(z))],
          ...own.rows(now),
        ]),
        table(
          "Where the encoder puts the test digits",
          ["class", "mean z1", "mean z2", "spread z1", "spread z2"],
          codes.classes.map(({ digit, mean, std }) =>
            [digit, ...[...mean, ...std].map((v) => format(v))]),
        ),
      ];
    },
  };
});
