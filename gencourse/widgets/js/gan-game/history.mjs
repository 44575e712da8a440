// How the game went: two small charts over its steps.

import { colour } from "../lib/canvas.mjs";
import { h } from "../lib/dom.mjs";

const [WIDTH, HEIGHT, EDGE] = [560, 112, 8];
const MOST = 800; // points kept; beyond, every other one is forgotten

function chart(label) {
  const canvas = h("canvas", { class: "gm-chart", width: WIDTH, height: HEIGHT, role: "img", "aria-label": label });
  const legend = h("p", { class: "gm-hint" });
  return {
    element: h("div", {}, legend, canvas),
    canvas,
    say: (...words) => legend.replaceChildren(...words),
    /** Lines are [token, values]; `even`, a height to compare with, is dashed. */
    draw(steps, lines, { low, high, even = [] }) {
      const context = canvas.getContext("2d");
      const style = (token) => `rgb(${colour(canvas, token)})`;
      const last = Math.max(steps.at(-1) ?? 0, 1);
      const across = (step) => EDGE + ((WIDTH - 2 * EDGE) * step) / last;
      const up = (v) => HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * Math.min(Math.max((v - low) / (high - low), 0), 1);
      context.fillStyle = style("paper");
      context.fillRect(0, 0, WIDTH, HEIGHT);
      const line = (token, width, points) => {
        context.strokeStyle = style(token);
        context.lineWidth = width;
        context.beginPath();
        points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.stroke();
      };
      context.setLineDash([6, 8]);
      for (const v of even) line("edge", 2, [[EDGE, up(v)], [WIDTH - EDGE, up(v)]]);
      context.setLineDash([]);
      for (const [token, values] of lines)
        line(token, 3, values.flatMap((v, k) => (v === null ? [] : [[across(steps[k]), up(v)]])));
    },
  };
}

/** Key words in the colour of their line. */
const line = (token, words) => h("span", { class: `gm-key gm-key-${token}` }, words);

export function history() {
  let seen = [];
  const losses = chart("The losses of both players over the steps of the game.");
  const parts = chart("The parts of the data that the made points cover, over the steps of the game.");
  losses.say("loss: ", line("ink", "critic"), ", ", line("family", "generator"));

  return {
    elements: [losses.element, parts.element],
    start: (points) => (seen = points.map((point) => [...point])),
    /** One more point: [step, critic's loss, generator's loss, parts covered]. */
    add(point) {
      if (point[0] <= (seen.at(-1)?.[0] ?? -1)) return;
      seen.push(point);
      if (seen.length > MOST) seen = seen.filter((_, k) => k % 2 || k === seen.length - 1);
    },
    /** `even` are the losses of a game that has ended in a draw, where the objective has one. */
    draw({ even, of, part }) {
      const [steps, critic, generator, covered] = [0, 1, 2, 3].map((k) => seen.map((point) => point[k]));
      const all = [...critic, ...generator, ...even].filter((v) => v !== null);
      losses.draw(steps, [["ink", critic], ["family", generator]],
        { low: Math.min(0, ...all), high: Math.max(1, ...all), even });
      parts.say(line("family", `${part}s covered`), `, of ${of}`);
      parts.draw(steps, [["family", covered]], { low: 0, high: of, even: [of] });
    },
  };
}
