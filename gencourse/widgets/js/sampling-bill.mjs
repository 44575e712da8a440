// What a sample costs. One idea: every family pays in passes of a network, and how many it needs is
// written in its mathematics: one, T, or one for each of D values.

import { colour } from "./lib/canvas.mjs";
import { button, format, h, numberField, readouts, slider, table, toggle } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { bills, crossing, done } from "./sampling-bill/bill.mjs";

// For the tests, which compare them with the measurement.
export { readWeights } from "./lib/weights.mjs";
export { bills, crossing, done } from "./sampling-bill/bill.mjs";

const [LEAST, MOST] = [-1, 7]; // of the axes of time, powers of ten of a millisecond
const STEPS = 4; // decades of T
const SECONDS = 7; // in which the clock runs over all powers
const NAMES = {
  one: ["one pass", "VAE, GAN, coupling flow"], refine: ["T passes", "diffusion and its kin"], chain: ["D passes", "autoregressive"],
};
const TOKENS = { one: "ink", refine: "diffusion", chain: "autoregressive" };

/** Milliseconds as a person says them. */
function duration(ms) {
  if (ms < 1000) return `${format(ms, ms < 10 ? 2 : 0)} ms`;
  if (ms < 120e3) return `${format(ms / 1000, 1)} s`;
  return ms < 7200e3 ? `${format(ms / 60e3, 0)} min` : `${format(ms / 3600e3, 1)} h`;
}

export default liveFigure((frame) => {
  const { state, set, player, still, weights } = frame;
  const { measured } = weights.meta;
  const setting = ({ values, steps, cached, own }) =>
    ({ measured, values, steps, cached, scale: own ? own / measured.pass : 1 });
  const share = (ms) => Math.min(Math.max((Math.log10(ms) - LEAST) / (MOST - LEAST), 0), 1);
  /** The clock runs through powers of ten, so that a pass and an hour are both seen, until all is paid. */
  const reading = (now) => {
    const longest = Math.max(...bills(setting(now)).map(({ total }) => total));
    return now.clock ? Math.min(10 ** (LEAST + now.clock * (MOST - LEAST)), longest) : 0;
  };
  const last = (now) => Math.max(...bills(setting(now)).map(({ total }) => share(total)));

  const runner = player(
    (seconds) => {
      const now = state();
      set({ clock: Math.min(now.clock + seconds / SECONDS, 1) });
      return now.clock + seconds / SECONDS < last(now);
    },
    () => (play.textContent = runner.playing ? "Pause" : "Play"),
  );
  const play = button("Play", () => {
    if (!runner.playing && state().clock >= last(state())) set({ clock: 0 });
    runner.toggle();
  }, { class: "gm-play gm-first" });
  const step = button("Step", () => {
    runner.pause();
    const { clock } = state();
    set({ clock: clock >= last(state()) ? 0 : Math.min(Math.floor(8 * clock + 1) / 8, 1) });
  });

  // --- the three bills
  const rows = Object.keys(NAMES).map((name) => {
    const [passes, family] = NAMES[name];
    const [whole, paid] = [h("span", { class: "gm-whole" }), h("span", { class: "gm-paid" })];
    const text = h("span", { class: "gm-number" });
    const element = h("div", { class: `gm-bill gm-bill-${name}` },
      h("span", {}, h("b", {}, passes), h("span", { class: "gm-hint" }, family)),
      h("span", { class: "gm-bar" }, whole, paid), text);
    return { name, element, whole, paid, text };
  });

  // --- the crossing, on axes of powers of ten
  const canvas = h("canvas", { width: 800, height: 360, role: "img" });
  const percent = (v) => `${(100 * v).toFixed(2)}%`;
  const times = [0, 3, 6].map((power) => [power, ["1 ms", "1 s", "17 min"][power / 3]]);
  const plot = h("div", { class: "gm-axes gm-cost" },
    h("div", { class: "gm-axis-y", "aria-hidden": "true" },
      times.map(([power, text]) => h("span", { style: `bottom:${percent((power - LEAST) / (MOST - LEAST))}` }, text))),
    canvas,
    h("div", { class: "gm-axis-x", "aria-hidden": "true" },
      [0, 1, 2, 3].map((power) => h("span", { style: `left:${percent(power / STEPS)}` }, String(10 ** power))),
      h("b", {}, h("i", {}, "T"))));

  const named = (input, output, text) => {
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  const values = slider({
    label: h("span", {}, h("i", {}, "D"), ", values in a sample"), spoken: "D, values in a sample", min: 6, max: 16, step: 1,
    oninput: (power) => set({ values: 2 ** power }),
  });
  const steps = slider({
    label: h("span", {}, h("i", {}, "T"), ", steps of a refinement"), spoken: "T, steps of a refinement", min: 0, max: STEPS, step: 0.02,
    oninput: (power) => set({ steps: Math.round(10 ** power) }),
  });
  const remember = toggle("The chain remembers its past", (cached) => set({ cached }));
  const own = numberField({ label: "your ms a pass (0: ours)", onchange: (own) => set({ own }) });
  const numbers = readouts([
    ["clock"],
    ["a pass over the whole sample"],
    ["the chain costs as much as T =", "passes"],
  ]);

  const verdict = (now) => {
    const [, refine, chain] = bills(setting(now));
    const ratio = chain.total / refine.total;
    return `${now.steps} steps cost ${duration(refine.total)}, the chain ${duration(chain.total)}: `
      + (ratio >= 1 ? `${format(ratio, 1)} times as much.` : `${format(1 / ratio, 1)} times less.`);
  };
  const says = h("p", { class: "gm-hint gm-says" });

  return {
    body: [
      h("div", { class: "gm-bills" }, rows.map(({ element }) => element)),
      says,
      plot,
      h("div", { class: "gm-row gm-main gm-time" }, play, step),
      h("div", { class: "gm-sliders gm-stacked" }, values.element, steps.element),
      h("div", { class: "gm-row gm-main gm-stacked" }, remember.element, own.element),
      numbers.element,
    ],
    accepts: {
      values: (values) => values >= 64 && values <= 65536 && Number.isInteger(Math.log2(values)),
      steps: (steps) => Number.isInteger(steps) && steps >= 1 && steps <= 10 ** STEPS,
      own: (own) => Number.isInteger(own) && own >= 0 && own <= 1e6,
      clock: (clock) => clock >= 0 && clock <= 1,
    },

    paint() {},

    update(now) {
      const clock = reading(now);
      const all = bills(setting(now));
      all.forEach((bill, k) => {
        const { whole, paid, text } = rows[k];
        whole.style.width = percent(share(bill.total));
        paid.style.width = percent(clock ? share(Math.min(clock, bill.total)) : 0);
        text.textContent = `${done(bill, clock)} of ${bill.passes} · ${duration(bill.total)}`;
      });
      says.textContent = verdict(now);
      values.update(Math.log2(now.values));
      named(values.input, values.element.querySelector("output"), String(now.values));
      steps.update(Math.log10(now.steps));
      named(steps.input, steps.element.querySelector("output"), String(now.steps));
      remember.update(now.cached);
      own.update(now.own);
      numbers.update([duration(clock), duration(all[0].each), format(crossing(setting(now)), 0)]);
      play.hidden = still.matches;

      const context = canvas.getContext("2d");
      const { width, height } = canvas;
      const token = (name) => `rgb(${colour(canvas, name)})`;
      const x = (T) => (width * Math.log10(T)) / STEPS;
      const y = (ms) => height * (1 - (Math.log10(ms) - LEAST) / (MOST - LEAST));
      const stroke = (name, thick, dash, ...points) => {
        context.strokeStyle = token(name);
        context.lineWidth = thick;
        context.setLineDash(dash);
        context.beginPath();
        points.forEach((point) => context.lineTo(...point));
        context.stroke();
      };
      const dot = (name, at, size) => {
        context.fillStyle = token(name);
        context.beginPath();
        context.arc(...at, size, 0, 7);
        context.fill();
      };
      context.fillStyle = token("paper");
      context.fillRect(0, 0, width, height);
      for (let power = 1; power < STEPS; power++) stroke("rule", 1, [], [x(10 ** power), 0], [x(10 ** power), height]);
      for (const [power] of times) stroke("rule", 1, [], [0, y(10 ** power)], [width, y(10 ** power)]);
      const [one, refine] = all;
      stroke("diffusion", 5, [], [0, y(one.total)], [width, y(10 ** STEPS * one.total)]);
      for (const cached of [false, true]) {
        const other = { ...setting(now), cached };
        const { total } = bills(other)[2];
        const chosen = cached === now.cached;
        stroke("autoregressive", chosen ? 5 : 2, cached ? [14, 8] : [], [0, y(total)], [width, y(total)]);
        if (crossing(other) <= 10 ** STEPS) dot("ink", [x(crossing(other)), y(total)], chosen ? 10 : 5);
      }
      dot("diffusion", [x(now.steps), y(refine.total)], 9);
      canvas.setAttribute("aria-label",
        `Time against the number of steps T, both in powers of ten. The chain's lines are level; the line of T passes `
        + `rises and crosses the chosen one at T = ${format(crossing(setting(now)), 0)}.`);
    },

    describe: (now) => [
      `A sample has ${now.values} values; the chain ${now.cached ? "remembers" : "does not remember"} its past.`,
      `${verdict(now)} They cost the same at T = ${format(crossing(setting(now)), 0)}.`,
      `The clock stands at ${duration(reading(now))}.`,
    ].join(" "),

    table: (now) => [
      table("The bill", ["sampler", "passes", "each, ms", "in all, ms", "done at the clock"],
        bills(setting(now)).map((bill) => [
          NAMES[bill.name].join(": "), bill.passes, format(bill.each, 3), format(bill.total, 2), done(bill, reading(now)),
        ])),
      table("Where chain and refinement cost the same", ["the chain", "T"], [false, true].map((cached) => [
        cached ? "remembers its past" : "remembers nothing", format(crossing({ ...setting(now), cached }), 0),
      ])),
    ],
  };
});
