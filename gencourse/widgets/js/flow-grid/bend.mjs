// The reader's own couplings: six heights for each of two, every one a slider that is the handle of
// a curve.

import { button, choice, format, h, setAll, sub, svg } from "../lib/dom.mjs";
import { curve } from "./couplings.mjs";

const HANDLES = [-2, 0, 2];
const PARTS = [
  { name: "stretch", limit: 1.2, show: (v) => `× ${format(Math.exp(v))}` },
  { name: "shift", limit: 2, show: (v) => format(v) },
];
const POINTS = 61;

export function bendPanel({ set, state, describedBy, title }) {
  let which = 0; // of the two couplings
  const pick = choice({
    label: "coupling",
    options: [["0", "1: moves x₂ by what it sees in x₁"], ["1", "2: moves x₁ by what it sees in x₂"]],
    onchange: (value) => {
      which = Number(value);
      set({});
    },
  });
  const change = (at, value) => set({ bend: state().bend.map((v, i) => (i === at ? value : v)) });

  const plots = PARTS.map(({ name, limit, show }, part) => {
    const line = svg("polyline");
    const zero = svg("line", { x1: 0, x2: 100, y1: 50, y2: 50 });
    const columns = HANDLES.map((u, k) => {
      const input = h("input", {
        type: "range", min: -limit, max: limit, step: 0.02,
        oninput: () => change(6 * which + 3 * part + k, Number(input.value)),
      });
      return { u, input, output: h("output", { class: "gm-number" }) };
    });
    const seen = h("span");
    return {
      element: h("div", { class: "gm-bend", role: "group", "aria-label": name },
        h("p", { class: "gm-hint" }, name, " as a function of ", seen),
        h("div", { class: "gm-handles" },
          svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, zero, line),
          columns.map(({ input }) => input)),
        h("div", { class: "gm-handle-values" }, columns.map(({ output }) => output))),
      update(heights) {
        const mine = heights.slice(6 * which + 3 * part, 6 * which + 3 * part + 3);
        const f = curve(mine);
        setAll(line, {
          points: Array.from({ length: POINTS }, (_, i) => i / (POINTS - 1))
            .map((across) => `${100 * across},${50 - (50 * f(6 * across - 3)) / limit}`).join(" "),
        });
        seen.replaceChildren(sub("x", which + 1));
        columns.forEach(({ u, input, output }, k) => {
          input.value = mine[k];
          output.textContent = show(mine[k]);
          setAll(input, {
            "aria-label": `${name} where x ${which + 1} is ${u}`, "aria-valuetext": show(mine[k]),
          });
        });
      },
    };
  });

  const verdict = h("p", { class: "gm-hint" });
  const element = h("section",
    { class: "gm-panel gm-bending", id: `${describedBy}-bend`, "aria-label": title },
    h("div", { class: "gm-row" }, pick.element,
      button("Straighten", () => set({ bend: state().bend.map(() => 0) }))),
    h("div", { class: "gm-bends" }, plots.map(({ element }) => element)),
    verdict);

  return {
    element,
    /** Whether a height of `bend` is one that its slider could have. */
    possible: (height, i) => Math.abs(height) <= PARTS[Math.floor(i / 3) % 2].limit,
    update({ bend }, [fit, trained]) {
      pick.update(String(which));
      plots.forEach((plot) => plot.update(bend));
      verdict.textContent = `The data’s mean log density under your couplings is ${format(fit, 3)} nats; `
        + `under the trained flow it is ${format(trained, 3)}.`;
    },
  };
}
