// One target, four families. One idea: what a family is good at is built in; from the same data, at
// the same size and rate, each gets something right that another cannot even say.

import { colour } from "./lib/canvas.mjs";
import { background } from "./lib/background.mjs";
import { button, choice, format, h, numberField, readouts, slider, sub, table } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { pairs } from "./lib/targets.mjs";
import { PASSES } from "./ring-race/models.mjs";
import { NEIGHBOURS, freshRace, raceOn, standings } from "./ring-race/race.mjs";
import source from "worker/ring-race";

// For the tests, which compare them with PyTorch.
export { uniform } from "./lib/random.mjs";
export { dataset } from "./lib/targets.mjs";
export { runners } from "./ring-race/models.mjs";
export { freshRace, raceOn, standings } from "./ring-race/race.mjs";
export { readWeights } from "./lib/weights.mjs";

const EXTENT = 3;
const PIXELS = 320;
const BUDGET = 40; // milliseconds of training between two pictures
const MOST_STEPS = 20000;
const MOST_POINTS = 12;
const NAMES = { vae: "VAE", gan: "GAN", flow: "flow", autoregressive: "autoregressive" };
const VERBS = { vae: "compress", gan: "contest", flow: "invert", autoregressive: "chain" };
const LIKELIHOOD = { vae: "bound", gan: "none", flow: "exact", autoregressive: "exact" };
const MARKS = {
  vae: (c, x, y) => c.rect(x - 3, y - 3, 6, 6),
  gan: (c, x, y) => (c.moveTo(x, y - 4), c.lineTo(x + 4, y + 3), c.lineTo(x - 4, y + 3), c.closePath()),
  flow: (c, x, y) => (c.moveTo(x, y - 4.5), c.lineTo(x + 4, y), c.lineTo(x, y + 4.5), c.lineTo(x - 4, y), c.closePath()),
  autoregressive: (c, x, y) => (c.rect(x - 4, y - 1.25, 8, 2.5), c.rect(x - 1.25, y - 4, 2.5, 8)),
};

export default liveFigure((frame) => {
  const { state, set, player, weights, signal, still } = frame;
  const clamp = (v) => Math.min(Math.max(v, -EXTENT), EXTENT);
  const round = (v) => Math.round(100 * v) / 100;
  const { tensors, meta: { opening } } = weights;

  // --- where the race stands: the models at the state's position, if they are known there
  const positionOf = ({ seed, data, points, steps }) => [seed, data, data === "own" && points, steps].join("|");
  const openingRace = {
    seed: opening.seed, steps: opening.steps,
    models: Object.fromEntries(Object.entries(opening.models).map(([name, { parts, ...rest }]) => [name, {
      ...rest,
      ...Object.fromEntries(Object.entries(parts).map(([part, steps]) => {
        const [parameters, first, second] = ["parameters", "first", "second"].map((key) => tensors[`${name}.${part}.${key}`]);
        return [part, { parameters, first, second, steps }];
      })),
    }])),
  };
  const openingAt = positionOf({ ...opening, data: "ring", points: [] });
  let there = {};
  const arrive = (now, saved) => (there = { position: positionOf(now), saved, seen: standings(saved, now.data, now.points) });
  /** Goes to the state's position if that can be done at once; says whether it is there. */
  const reach = (now) => {
    const position = positionOf(now);
    if (there.position === position) return true;
    if (position === openingAt) arrive(now, openingRace);
    else if (now.steps === 0) arrive(now, freshRace(now.seed));
    else return false;
    return true;
  };

  // --- racing on, in a worker
  const training = background(source, raceOn);
  signal.addEventListener("abort", training.stop);
  let busy = false;
  let cost = null;
  const ask = async (saved, steps) => {
    const { data, points } = state();
    const position = positionOf(state());
    busy = true;
    const answer = await training.ask({ saved, data, points, steps, budget: BUDGET });
    busy = false;
    return signal.aborted || positionOf(state()) !== position ? null : answer;
  };
  const moveOn = ({ saved }) => {
    arrive({ ...state(), steps: saved.steps }, saved);
    set({ steps: saved.steps });
  };
  // What the worker sent: shown when the next picture is due, so that nothing changes where nobody looks.
  let landed = null;
  let goal = MOST_STEPS;
  const racing = player(
    () => {
      const now = state();
      if (!reach(now)) return true; // a link's race is being run again: wait
      if (landed?.from === there.position) {
        cost = landed.cost;
        moveOn(landed);
      }
      landed = null;
      const left = Math.min(goal, MOST_STEPS) - state().steps;
      if (left <= 0) return false;
      if (!busy) {
        const from = there.position;
        ask(there.saved, left).then((answer) => (landed = answer && { ...answer, from }));
      }
      return true;
    },
    () => {
      play.textContent = racing.playing ? "Pause" : "Play";
      cost = landed = null;
      set({});
    },
  );
  const start = (steps = MOST_STEPS) => {
    goal = state().steps + steps;
    racing.play();
  };
  const playOrPause = () => (racing.playing ? racing.pause() : start());
  const step = () => {
    racing.pause();
    const { data, points } = state();
    if (reach(state())) moveOn(raceOn({ saved: there.saved, data, points, steps: 1 }));
  };

  // After a link: the whole race again, out of sight; the picture comes when it is done.
  let way = {};
  const rerunning = player(
    () => {
      const now = state();
      if (reach(now)) return false;
      const position = positionOf(now);
      const onTheWay = now.steps > opening.steps && positionOf({ ...now, steps: opening.steps }) === openingAt;
      if (way.position !== position) way = { position, saved: onTheWay ? openingRace : freshRace(now.seed) };
      if (!busy)
        ask(way.saved, now.steps - way.saved.steps).then((answer) => {
          if (!answer) return;
          way.saved = answer.saved;
          if (way.saved.steps === now.steps) arrive(now, way.saved);
        });
      return true;
    },
    () => set({}),
  );

  // --- what the reader can change
  const anew = (changes) => set({ steps: 0, ...changes });
  const place = (x) => {
    const { points } = state();
    if (points.length < 2 * MOST_POINTS) anew({ points: [...points, ...x.map(round)] });
  };
  const removeLast = () => {
    const { points } = state();
    if (points.length > 2) anew({ points: points.slice(0, -2) });
  };
  const play = button("Play", playOrPause, { class: "gm-first gm-play" });
  const hundred = button("100 steps", () => start(100));
  const fresh = button("New race", () => anew({ seed: state().seed + 1 }));
  const seed = numberField({ label: "seed", onchange: (seed) => anew({ seed }) });
  const data = choice({
    label: "data", options: [["ring", "ring"], ["eight", "eight Gaussians"], ["own", "your own points"]],
    onchange: (data) => anew({ data }),
  });
  const neighbours = slider({
    label: ["neighbours ", h("i", {}, "k")], spoken: "neighbours k", min: 1, max: NEIGHBOURS, step: 1, decimals: 0,
    oninput: (k) => set({ k }),
  });
  const sliders = [0, 1].map((axis) =>
    slider({
      label: sub("x", axis + 1), spoken: `x ${axis + 1}`, min: -EXTENT, max: EXTENT, step: 0.01,
      oninput: (value) => set({ x: state().x.map((v, i) => (i === axis ? value : v)) }),
    }));
  const own = h("section", { class: "gm-panel", "aria-label": "Your own points" },
    h("div", { class: "gm-sliders" }, sliders.map(({ element }) => element)),
    h("div", { class: "gm-row" },
      button("Put a point there", () => place(state().x)), button("Remove the last", removeLast)),
    h("p", { class: "gm-hint" },
      `Click in any square, or choose a place with the sliders: up to ${MOST_POINTS} points, each the centre of a `
      + "cloud. A new point starts a new race."));

  // --- a lane for each family: its samples over the data, and its meters
  const lanes = Object.keys(NAMES).map((name) => {
    const canvas = h("canvas", { width: PIXELS, height: PIXELS, role: "img" });
    canvas.addEventListener("click", ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      const x = [(clientX - box.left) / box.width, 1 - (clientY - box.top) / box.height].map((v) => clamp(EXTENT * (2 * v - 1)));
      if (state().data === "own") place(x);
    });
    const meters = readouts([["precision"], ["recall"], [`log p, ${LIKELIHOOD[name]}`], ["passes"], ["ms a step"]]);
    return {
      name, canvas, meters,
      element: h("section", { class: "gm-lane", "data-runner": name, "aria-label": NAMES[name] },
        h("p", { class: "gm-lane-name" }, h("b", {}, NAMES[name]), ` ${VERBS[name]}`), canvas, meters.element),
    };
  });
  const draw = ({ name, canvas }, real, { made }, now) => {
    const context = canvas.getContext("2d");
    const scale = PIXELS / (2 * EXTENT);
    const style = (token, alpha = 1) => `rgb(${colour(canvas, token).join(" ")} / ${alpha})`;
    const dots = (points, mark) => {
      context.beginPath();
      for (let i = 0; i < points.length; i += 2) mark(PIXELS / 2 + scale * points[i], PIXELS / 2 - scale * points[i + 1]);
      context.fill();
    };
    context.fillStyle = style("paper");
    context.fillRect(0, 0, PIXELS, PIXELS);
    context.fillStyle = style("ink", 0.35);
    dots(real, (x, y) => (context.moveTo(x, y), context.arc(x, y, 2.4, 0, 7)));
    context.fillStyle = style("family", 0.85);
    dots(made, (x, y) => MARKS[name](context, x, y));
    if (now.data !== "own") return;
    context.strokeStyle = style("ink");
    context.lineWidth = 2;
    for (const [x, y] of [...pairs(now.points), now.x]) {
      context.beginPath();
      context.arc(PIXELS / 2 + scale * x, PIXELS / 2 - scale * y, 7, 0, 7);
      context.stroke();
    }
  };

  /** The meters of a lane, as text. */
  const metersOf = (name, seen, { k }) => [
    `${format(100 * seen.precision(k), 0)} %`,
    `${format(100 * seen.recall(k), 0)} %`,
    seen.logProb === null ? "none" : `${LIKELIHOOD[name] === "bound" ? "≥ " : ""}${format(seen.logProb)}`,
    String(PASSES[name]),
  ];
  const steps = h("p", { class: "gm-hint gm-lap" });

  return {
    body: [
      h("div", { class: "gm-lanes" }, lanes.map(({ element }) => element)),
      steps,
      h("div", { class: "gm-row gm-race" }, play, button("Step", step), hundred, fresh, seed.element),
      h("div", { class: "gm-row gm-race" }, data.element, neighbours.element),
      own,
    ],
    accepts: {
      data: (data) => ["ring", "eight", "own"].includes(data),
      points: (points) => points.length >= 2 && points.length <= 2 * MOST_POINTS && points.length % 2 === 0
        && points.every((v) => Math.abs(v) <= EXTENT),
      seed: (seed) => Number.isInteger(seed) && seed >= 0,
      steps: (steps) => Number.isInteger(steps) && steps >= 0 && steps <= MOST_STEPS,
      k: (k) => Number.isInteger(k) && k >= 1 && k <= NEIGHBOURS,
      x: (x) => x.length === 2 && x.every((v) => Math.abs(v) <= EXTENT),
    },

    paint() {},

    update(now) {
      const here = reach(now);
      if (!here) {
        if (!there.seen) arrive({ ...now, steps: 0 }, freshRace(now.seed));
        if (!rerunning.playing) rerunning.play();
      }
      const { saved, seen } = there;
      for (const lane of lanes) {
        const stands = seen.models[lane.name];
        const meters = metersOf(lane.name, stands, now);
        draw(lane, seen.real, stands, now);
        lane.meters.update([...meters, cost && racing.playing ? format(cost[lane.name], 1) : "–"]);
        lane.canvas.setAttribute("aria-label", `Samples of the ${NAMES[lane.name]} over the data: precision ${meters[0]}, recall ${meters[1]}.`);
      }
      steps.textContent = here ? `After ${saved.steps} steps of 128 points each.` : `Racing again to step ${now.steps} …`;
      play.hidden = still.matches;
      for (const [control, value] of [[data, now.data], [seed, now.seed], [neighbours, now.k]]) control.update(value);
      sliders.forEach((slider, axis) => slider.update(now.x[axis]));
      own.hidden = now.data !== "own";
    },

    describe(now) {
      const { saved, seen } = there;
      return `After ${saved.steps} steps, by ${now.k} neighbour${now.k === 1 ? "" : "s"}: ` + lanes.map(({ name }) => {
        const [precision, recall, logProb] = metersOf(name, seen.models[name], now);
        return `${NAMES[name]}, precision ${precision}, recall ${recall}, likelihood ${LIKELIHOOD[name]}`
          + (logProb === "none" ? "" : ` ${logProb} nats`);
      }).join("; ") + ".";
    },

    table(now) {
      const { saved, seen } = there;
      return [
        table(`The race after ${saved.steps} steps, k = ${now.k}`,
          ["family", "precision", "recall", "likelihood", "mean log p, nats", "passes for a sample", "parameters"],
          lanes.map(({ name }) => {
            const [precision, recall, logProb, passes] = metersOf(name, seen.models[name], now);
            return [NAMES[name], precision, recall, LIKELIHOOD[name], logProb, passes, seen.models[name].size];
          })),
      ];
    },
  };
});
