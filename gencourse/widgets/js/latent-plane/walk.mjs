// A walk in a straight line between the codes of two test digits, as a film and as a curve.

import { drawImages } from "../lib/canvas.mjs";
import { button, choice, format, h, setAll, slider, svg } from "../lib/dom.mjs";
import { at } from "../lib/plane.mjs";
import { SIDE } from "../lib/ink.mjs";

const TITLE = "Walk between two digits";
const FIRST = [4, 0]; // the walk that the button offers
const FRAMES = 11; // digits of the film
const POINTS = 61; // points of the curve
const SECONDS = 5;

const mix = (a, b, t) => a.map((v, i) => v + t * (b[i] - v));
const range = (n, value) => Array.from({ length: n }, (_, i) => value(i / (n - 1)));

export function walkBetween({ frame, model, codes, plane }) {
  const { state, set, player, still, describedBy } = frame;

  // --- the route, laid out once for each pair of digits
  let laid = "";
  let [start, end] = [];
  const film = h("canvas", { class: "gm-film", role: "img" });
  const curve = svg("polyline");
  const here = svg("line", { y1: 0, y2: 100, class: "gm-here" });
  const marks = [0, 1, 2].map(() => h("span")); // at its ends and its peak
  const line = svg("line");
  const stops = [0, 1].map(() => svg("text"));
  plane.route.append(line, ...stops);
  // The film's first and last frames are centred at the ends of the curve.
  const across = (t) => (100 * (0.5 + t * (FRAMES - 1))) / FRAMES;

  const lay = (walk) => {
    if (laid === walk.join()) return;
    laid = walk.join();
    [start, end] = walk.map((digit) => model.encode(codes.example(digit)).mean);
    const places = [start, end].map(at);
    const [{ x: x1, y: y1 }, { x: x2, y: y2 }] = places;
    setAll(line, { x1, y1, x2, y2 });
    stops.forEach((stop, i) => {
      setAll(stop, places[i]);
      stop.textContent = walk[i];
    });
    const frames = range(FRAMES, (t) => mix(start, end, t));
    drawImages(film, { columns: FRAMES, side: SIDE, ink: (i) => model.decode(frames[i]) });
    film.setAttribute("aria-label", `${FRAMES} digits decoded on the way from a ${walk[0]} to a ${walk[1]}.`);
    const heights = range(POINTS, (t) => model.entropy(mix(start, end, t)));
    const [low, high] = [Math.min(...heights), Math.max(...heights)];
    const up = (v) => 100 - (100 * (v - low)) / Math.max(high - low, 1);
    curve.setAttribute("points", heights.map((v, i) => `${across(i / (POINTS - 1))},${up(v)}`).join(" "));
    const peak = heights.indexOf(high);
    marks[2].hidden = peak < POINTS / 10 || peak > (9 * POINTS) / 10;
    [0, POINTS - 1, peak].forEach((i, k) => {
      marks[k].textContent = format(heights[i], 0);
      marks[k].style.left = `${across(i / (POINTS - 1))}%`;
      marks[k].style.top = `${up(heights[i])}%`;
    });
  };

  // --- moving along it
  let t = 0;
  const walkTo = (position) => set({ z: mix(start, end, (t = position)) });
  /** How far along the line the point nearest to z is, from 0 to 1. */
  const progress = (z) => {
    const [along, length2] = start.reduce(
      ([dot, square], a, i) => [dot + (z[i] - a) * (end[i] - a), square + (end[i] - a) ** 2], [0, 0]);
    return length2 ? Math.min(Math.max(along / length2, 0), 1) : 0;
  };
  const walker = player(
    (seconds) => {
      walkTo(Math.min(t + seconds / SECONDS, 1));
      return t < 1;
    },
    () => (play.textContent = walker.playing ? "Pause" : "Play"),
  );
  const begin = (walk) => {
    walker.pause();
    set({ walk });
    lay(walk);
    walkTo(0);
    if (!still.matches) walker.play();
  };
  const playOrPause = () => {
    const now = progress(state().z);
    t = now > 0.995 ? 0 : now;
    walker.toggle();
  };
  const step = () => {
    walker.pause();
    const frame = Math.round(progress(state().z) * (FRAMES - 1)) + 1;
    walkTo((frame % FRAMES) / (FRAMES - 1));
  };

  // --- controls
  const play = button("Play", playOrPause, { class: "gm-play" });
  const ends = ["from", "to"].map((label, i) =>
    choice({
      label,
      options: codes.options,
      onchange: (digit) => begin(state().walk.map((v, j) => (i === j ? Number(digit) : v))),
    }));
  const along = slider({
    label: "along the walk",
    min: 0,
    max: 1,
    step: 0.01,
    oninput: (position) => {
      walker.pause();
      walkTo(position);
    },
  });
  const panel = h("section", { class: "gm-panel gm-walk", id: `${describedBy}-walk`, "aria-label": TITLE },
    h("div", { class: "gm-row" }, ends.map(({ element }) => element), play, button("Step", step), along.element),
    h("p", { class: "gm-hint" }, "Pixel entropy along the walk, in nats"),
    h("div", { class: "gm-curve" },
      svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, curve, here),
      marks),
    film);
  const open = button(TITLE, () => {
    walker.pause();
    if (state().walk.length) set({ walk: [] });
    else begin(FIRST);
  }, { "aria-controls": panel.id });

  return {
    panel,
    button: open,
    pause: walker.pause,
    playOrStep: () => (still.matches ? step() : playOrPause()),
    paint: () => (laid = ""), // the film is drawn again when it is next shown
    update({ z, walk }) {
      const walking = walk.length > 0;
      panel.hidden = !walking;
      open.setAttribute("aria-expanded", String(walking));
      plane.route.style.display = walking ? "" : "none";
      if (!walking) return;
      lay(walk);
      ends.forEach((choice, i) => choice.update(walk[i]));
      play.hidden = still.matches;
      const now = progress(z);
      along.update(now);
      setAll(here, { x1: across(now), x2: across(now) });
    },
    describe: ({ z, walk: [from, to] }) =>
      from === undefined ? ""
        : `A walk from a ${codes.names[from]} to a ${codes.names[to]} is `
          + `${Math.round(100 * progress(z))} percent done.`,
  };
}
