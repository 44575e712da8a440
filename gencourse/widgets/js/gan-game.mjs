// A generator against a critic, trained in front of the reader. One idea: the generator goes where
// the critic's slope points, and each move of the one redraws the ground for the other.

import { arena } from "./gan-game/arena.mjs";
import { dataset, pairs } from "./lib/targets.mjs";
import { LOSSES, MADE, openGame, playOn, save, standing } from "./gan-game/game.mjs";
import { history } from "./gan-game/history.mjs";
import { allSteps, parseScore, positionOf, scoreOf } from "./gan-game/score.mjs";
import { background } from "./lib/background.mjs";
import { button, choice, format, h, numberField, readouts, slider, sub, table, toggle } from "./lib/dom.mjs";
import { liveFigure } from "./lib/figure.mjs";
import { sigmoid } from "./lib/nn.mjs";
import { squarePlane } from "./lib/plane.mjs";
import { uniform } from "./lib/random.mjs";
import source from "worker/gan-game";

// For the tests, which compare them with PyTorch.
export { dataset } from "./lib/targets.mjs";
export { openGame, playOn, save, standing } from "./gan-game/game.mjs";
export { uniform } from "./lib/random.mjs";
export { readWeights } from "./lib/weights.mjs";

const EXTENT = 3;
const BUDGET = 28; // milliseconds of training between two pictures
const TURN = 0.45; // seconds that a turn lasts in slow motion
const MOST_STEPS = 20000;
const MOST_POINTS = 12;
const SHOWN_DATA = 7; // the seed of the data shown
const NAMES = {
  minimax: "minimax (saturating)", "non-saturating": "non-saturating", hinge: "hinge",
  wasserstein: "Wasserstein",
};
// The losses (critic's, generator's) of a draw: a critic that says ½ everywhere, or 0 to the hinge.
const DRAW = {
  minimax: [2 * Math.LN2, -Math.LN2], "non-saturating": [2 * Math.LN2, Math.LN2], hinge: [2, 0],
  wasserstein: [0],
};
const COLLAPSE = { loss: "non-saturating", penalty: false, turns: 4, before: "", steps: 0 };

export default liveFigure((frame) => {
  const { state, set, player, weights, signal, still, describedBy } = frame;
  const clamp = (v) => Math.min(Math.max(v, -EXTENT), EXTENT);
  const round = (v) => Math.round(100 * v) / 100;

  // --- the networks: `there` is the last position reached, by name, with the game saved there
  const { tensors, meta: { opening, past } } = weights;
  const moments = (name) => ({
    parameters: tensors[name], first: tensors[`${name}.first`], second: tensors[`${name}.second`],
    steps: opening.steps,
  });
  const openingAt = positionOf({ ...opening, before: "" });
  const openingGame = {
    seed: opening.seed, steps: opening.steps, losses: opening.losses,
    generator: moments("generator"), critic: moments("critic"),
  };
  const charts = history();
  let there = {};

  /** A point of the charts. */
  const pointOf = (saved, now) => [
    saved.steps, saved.losses.critic, saved.losses.generator,
    dataset(now.data, now.points).covered(standing(saved, now).made).parts,
  ];
  const arrive = (position, saved, past) => {
    there = { position, saved };
    if (past) charts.start(past);
  };
  /** Goes to the state's position if that can be done at once; says whether it is there. */
  const reach = (now) => {
    const position = positionOf(now);
    if (there.position === position) return true;
    if (position === openingAt) arrive(position, openingGame, past);
    else if (!scoreOf(now)) arrive(position, save(openGame(now.seed)), []);
    else return false;
    return true;
  };

  // --- playing on from here
  const training = background(source, playOn);
  signal.addEventListener("abort", training.stop);
  let busy = false;
  let rate = null;
  /** Has `steps` more steps played, within `budget`; null when the reader has gone elsewhere since. */
  const ask = async (saved, stage, steps) => {
    const { data, points } = state();
    const position = positionOf(state());
    busy = true;
    const answer = await training.ask({ saved, settings: trains(stage), data, points, steps, budget: BUDGET });
    busy = false;
    return signal.aborted || positionOf(state()) !== position ? null : answer;
  };
  const trains = ({ loss, penalty, turns }) => ({ loss, penalty, turns });
  // What the worker sent, with the position that it went on from: shown when the next picture is due,
  // so that nothing changes where nobody looks.
  let landed = null;
  const train = async (steps) => {
    const from = there.position;
    const answer = await ask(there.saved, state(), steps);
    landed = answer && { ...answer, from };
  };
  const land = ({ from, saved, played, rate: measured }) => {
    landed = null;
    if (from !== there.position) return;
    rate = measured;
    moveOn(saved, played);
  };
  const moveOn = (saved, played) => {
    const next = { ...state(), steps: state().steps + played };
    arrive(positionOf(next), saved);
    charts.add(pointOf(saved, next));
    set({ steps: next.steps });
  };

  // One step, and the game as it was between its two turns.
  const oneStep = () => {
    const { data, points, ...now } = state();
    let half;
    const { saved } = playOn({ saved: there.saved, settings: trains(now), data, points, steps: 1 },
      (game) => (half = save(game)));
    return { from: there.position, half, saved };
  };
  let pending = null; // a step of which slow motion shows the first half
  let clock = 0;
  const slowly = (seconds) => {
    clock += seconds;
    if (clock < TURN) return;
    clock = 0;
    if (halfway()) {
      moveOn(pending.saved, 1);
      pending = null;
    } else pending = oneStep();
    set({});
  };
  const halfway = () => (pending?.from === there.position ? pending : null);
  const stopHalfway = () => {
    pending = null;
    clock = TURN;
    set({});
  };

  let goal = Infinity; // the number of steps, in all, at which to stop
  const playing = player(
    (seconds) => {
      const now = state();
      if (!reach(now)) return true; // a score is being played again: wait
      if (landed) land(landed);
      const left = Math.min(goal, MOST_STEPS) - allSteps(state());
      if (left <= 0) return false;
      if (now.slow && goal === Infinity) slowly(seconds);
      else if (!busy) train(left);
      return true;
    },
    () => {
      play.textContent = playing.playing ? "Pause" : "Play";
      rate = landed = null;
      stopHalfway();
    },
  );
  const start = (steps = Infinity) => {
    goal = allSteps(state()) + steps;
    playing.play();
  };
  const playOrPause = () => (playing.playing ? playing.pause() : start());
  const step = () => {
    playing.pause();
    if (reach(state())) moveOn(oneStep().saved, 1);
  };

  // --- after a link: the whole score again, out of sight; the picture comes when it is done
  let way = {};
  /** The way to a state's position: from the opening, if that lies on it, else from the start. */
  const wayTo = (now) => {
    const stages = parseScore(scoreOf(now));
    const opens = stages[0].steps > opening.steps
      && positionOf({ ...now, ...stages[0], before: "", steps: opening.steps }) === openingAt;
    const saved = opens ? openingGame : save(openGame(now.seed));
    stages[0].steps -= saved.steps;
    return { position: positionOf(now), stages, saved, points: opens ? [...past] : [] };
  };
  const replaying = player(
    () => {
      const now = state();
      if (reach(now)) return false;
      if (way.position !== positionOf(now)) way = wayTo(now);
      if (!busy) replay(way);
      return true;
    },
    () => set({}),
  );
  const replay = async (here) => {
    const [stage] = here.stages;
    const answer = await ask(here.saved, stage, stage.steps);
    if (!answer) return;
    here.saved = answer.saved;
    here.points.push(pointOf(answer.saved, state()));
    stage.steps -= answer.played;
    if (!stage.steps) here.stages.shift();
    if (!here.stages.length) arrive(here.position, here.saved, here.points);
  };

  // --- what the reader can change
  const settings = (changes) => set({ before: scoreOf(state()), steps: 0, ...changes });
  const anew = (changes) => set({ before: "", steps: 0, ...changes });

  const place = ([a, b]) => {
    const { points } = state();
    if (points.length < 2 * MOST_POINTS) anew({ points: [...points, round(a), round(b)] });
  };
  const removeNearest = () => {
    const { points, x } = state();
    const away = pairs(points).map(([a, b]) => Math.hypot(a - x[0], b - x[1]));
    const k = away.indexOf(Math.min(...away));
    if (away.length > 1) anew({ points: pairs(points).filter((_, i) => i !== k).flat() });
  };

  const view = arena(EXTENT);
  const move = (x) => set({ x: x.map((v) => round(clamp(v))) });
  const plane = squarePlane({
    extent: EXTENT, symbol: "x", label: "The plane of the game", describedBy, layers: [view.canvas],
    position: () => state().x, onmove: move,
    onspace: () => (state().data === "own" ? place(state().x) : still.matches ? step() : playOrPause()),
  });
  // A click that did not drag puts a point of the reader's own.
  let pressed = [];
  plane.plane.addEventListener("pointerdown", ({ clientX, clientY }) => (pressed = [clientX, clientY]));
  plane.plane.addEventListener("click", ({ clientX, clientY }) => {
    const dragged = Math.hypot(clientX - pressed[0], clientY - pressed[1]) > 4;
    if (state().data === "own" && !dragged) place(state().x);
  });

  const sliders = [0, 1].map((axis) =>
    slider({
      label: sub("x", axis + 1), spoken: `x ${axis + 1}`, min: -EXTENT, max: EXTENT, step: 0.01,
      oninput: (value) => move(state().x.map((v, i) => (i === axis ? value : v))),
    }));
  const play = button("Play", playOrPause, { class: "gm-first gm-play" });
  const hundred = button("100 steps", () => start(100));
  const collapse = button("Collapse it", () => {
    set(COLLAPSE);
    if (!still.matches) start();
  });
  const slow = toggle("Slow motion", (slow) => {
    stopHalfway();
    set({ slow });
  });
  const loss = choice({
    label: "losses", options: LOSSES.map((name) => [name, NAMES[name]]), onchange: (loss) => settings({ loss }),
  });
  const turns = choice({
    label: "turns, generator : critic", options: [1, 2, 4, 8].map((n) => [n, `${n} : 1`]),
    onchange: (turns) => settings({ turns: Number(turns) }),
  });
  const penalty = toggle("Gradient penalty", (penalty) => settings({ penalty }));
  const data = choice({
    label: "data", options: [["eight", "eight Gaussians"], ["ring", "ring"], ["own", "your own points"]],
    onchange: (data) => anew({ data }),
  });
  const fresh = button("New game", () => anew({ seed: state().seed + 1 }));
  const seed = numberField({ label: "seed", onchange: (seed) => anew({ seed }) });
  const add = button("Put a point at the ring", () => place(state().x));
  const remove = button("Remove the nearest", removeNearest);
  const own = h("section", { class: "gm-panel", "aria-label": "Your own points" },
    h("div", { class: "gm-row" }, add, remove),
    h("p", { class: "gm-hint" },
      `Click in the plane, or move the ring and press Space: up to ${MOST_POINTS} points, each the centre of a cloud. `
      + "A new point starts a new game."));
  const pushes = toggle("Arrows", (pushes) => set({ pushes }));

  // --- what the reader sees
  const books = readouts([
    ["steps"], ["speed"], ["covered"], ["made on the data"],
    ["critic’s loss"], ["generator’s loss"], ["critic at the ring"], ["its slope there"],
  ]);
  const turn = h("p", { class: "gm-hint gm-turn" });
  const logistic = ({ loss }) => ["minimax", "non-saturating"].includes(loss);
  const inNats = (value, now) => (value === null ? "–" : `${format(value)}${logistic(now) ? " nats" : ""}`);

  /** All that is shown of a state: the networks' standing, and the numbers of it. */
  const look = (now) => {
    const saved = halfway()?.half ?? there.saved;
    const stand = standing(saved, now);
    const set = dataset(now.data, now.points);
    const shown = set.sample(MADE, uniform(SHOWN_DATA));
    const middle = (x) => stand.criticAt(x, MADE).reduce((sum, c) => sum + c, 0) / MADE;
    const c = stand.criticAt(now.x, 1)[0];
    return {
      ...set.covered(stand.made), of: set.centres.length, part: set.part, saved, stand, data: shown, c,
      slope: Math.hypot(...stand.slopeAt(now.x)),
      // A Wasserstein critic may add any constant: even is what lies between data and made.
      even: now.loss === "wasserstein" ? (middle(shown) + middle(stand.made)) / 2 : 0,
      verdict: logistic(now) ? `D = ${format(sigmoid(c))}` : `C = ${format(c)}`,
    };
  };
  const many = (n, of, part) => `${n} of ${of} ${of === 1 ? part : `${part}s`}`;

  return {
    body: [
      h("div", { class: "gm-pics" },
        h("div", {}, plane.element),
        h("div", { class: "gm-side gm-ledger" }, books.element, h("div", { class: "gm-charts" }, charts.elements))),
      turn,
      h("div", { class: "gm-row gm-main" }, play, button("Step", step), hundred, collapse, slow.element),
      h("div", { class: "gm-row gm-rules" }, loss.element, turns.element),
      h("div", { class: "gm-row gm-rules gm-table" }, data.element, fresh, seed.element, penalty.element),
      own,
      h("div", { class: "gm-sliders" }, sliders.map(({ element }) => element)),
    ],
    extras: [pushes.element],
    accepts: {
      data: (data) => ["eight", "ring", "own"].includes(data),
      points: (points) => points.length >= 2 && points.length <= 2 * MOST_POINTS && points.length % 2 === 0
        && points.every((v) => Math.abs(v) <= EXTENT),
      loss: (loss) => LOSSES.includes(loss),
      turns: (turns) => [1, 2, 4, 8].includes(turns),
      seed: (seed) => Number.isInteger(seed) && seed >= 0,
      steps: (steps) => Number.isInteger(steps) && steps >= 0 && steps <= MOST_STEPS,
      before: (before) => parseScore(before) !== null,
      x: (x) => x.length === 2 && x.every((v) => Math.abs(v) <= EXTENT),
    },

    paint: view.paint,

    update(now) {
      const here = reach(now);
      if (!here) {
        if (!there.saved) arrive("", save(openGame(now.seed)), []);
        if (!replaying.playing) replaying.play();
      }
      const seen = look(now);
      const { saved, stand, data: shown, even } = seen;
      view.draw({
        standing: stand, data: shown, own: now.data === "own" ? pairs(now.points) : [], even, pushes: now.pushes,
      });
      charts.draw({ even: DRAW[now.loss], of: seen.of, part: seen.part });
      books.update([
        here ? String(saved.steps) : `${saved.steps}, replaying …`,
        rate === null || !playing.playing ? "–" : `${format(rate, 0)} steps/s`,
        many(seen.parts, seen.of, seen.part),
        `${format(100 * seen.close, 0)} %`,
        inNats(saved.losses.critic, now),
        inNats(saved.losses.generator, now),
        seen.verdict,
        `${format(seen.slope)} per unit`,
      ]);
      turn.textContent = halfway() ? "The critic has moved: the ground has changed, and with it every arrow."
        : now.slow && playing.playing ? "The generator has moved: each made point went along its arrow, as far as one network can."
        : "Dots: data. Triangles: made. Ground: grey where the critic says data, coloured where it says made.";
      play.hidden = still.matches;
      slow.element.hidden = still.matches;
      plane.update(now.x);
      sliders.forEach((slider, axis) => slider.update(now.x[axis]));
      for (const [control, value] of [
        [loss, now.loss], [turns, now.turns], [penalty, now.penalty], [data, now.data], [seed, now.seed],
        [slow, now.slow], [pushes, now.pushes],
      ]) control.update(value);
      own.hidden = now.data !== "own";
    },

    describe(now) {
      const seen = look(now);
      return [
        `After ${seen.saved.steps} steps of the ${NAMES[now.loss]} game${now.penalty ? " with a gradient penalty" : ""},`,
        `the made points cover ${many(seen.parts, seen.of, seen.part)}; ${format(100 * seen.close, 0)} percent lie on the data.`,
        `The critic at x1 = ${format(now.x[0])}, x2 = ${format(now.x[1])} says ${seen.verdict}.`,
      ].join(" ");
    },

    table(now) {
      const seen = look(now);
      const { losses, steps } = seen.saved;
      return [
        table("How the game stands", ["quantity", "value"], [
          ["steps", steps],
          ["score", scoreOf(now) || "–"],
          ["covered", many(seen.parts, seen.of, seen.part)],
          ["made points on the data, %", format(100 * seen.close, 0)],
          [`critic’s loss${logistic(now) ? ", nats" : ""}`, losses.critic === null ? "–" : format(losses.critic, 3)],
          [`generator’s loss${logistic(now) ? ", nats" : ""}`, losses.generator === null ? "–" : format(losses.generator, 3)],
          ["x1, x2", now.x.map((v) => format(v)).join(", ")],
          ["critic’s number there", format(seen.c, 3)],
          ["its slope there, per unit", format(seen.slope, 3)],
        ]),
        table(`Of ${MADE} made points`, [seen.part, "x1", "x2", "points on it"],
          dataset(now.data, now.points).centres.map(([a, b], k) => [k + 1, format(a), format(b), seen.counts[k]])),
      ];
    },
  };
});
