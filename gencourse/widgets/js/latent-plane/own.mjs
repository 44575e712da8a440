// A digit of the reader's own, or one of the test set: where the encoder puts it, and its bound.

import { drawImages } from "../lib/canvas.mjs";
import { button, choice, format, h, readouts } from "../lib/dom.mjs";
import { SIDE, fromText, normalise, toText } from "../lib/ink.mjs";
import { pen } from "../lib/pen.mjs";

const TITLE = "Draw your own";
const NOTHING = new Uint8Array(SIDE * SIDE);

export function ownDigit({ frame, model, codes, move }) {
  const { set, describedBy } = frame;

  /** The image that x names and its bound, or null for no digit. Kept until x changes. */
  let kept = {};
  const found = (x) => {
    if (kept.x !== x) {
      const image = x.length === 1 ? codes.example(x) : fromText(x);
      kept = { x, found: x && image ? { image, ...model.bound(image) } : null };
    }
    return kept.found;
  };
  /** Take up the digit that x names: the ring goes to the mean of q(z|x). */
  const study = (x) => {
    const digit = found(x);
    if (digit) move([...digit.mean]);
    set({ x });
  };

  const pad = pen({
    label: "Drawing pad. Arrow keys move the pen, Space puts it down and lifts it.",
    onstroke: (strokes) => study(toText(normalise(strokes))),
  });
  const seen = h("canvas", { class: "gm-seen", role: "img" });
  const pick = choice({
    label: "or take a test digit",
    options: [["", "–"], ...codes.options],
    onchange: (digit) => {
      pad.clear();
      study(digit);
    },
  });
  const clear = button("Clear", () => {
    pad.clear();
    study("");
  });

  const i = (letter) => h("i", {}, letter);
  const given = () => [i("p"), "(", i("x"), " | ", i("z"), ")"];
  const terms = readouts([
    [["reconstruction, E", h("sub", {}, i("q")), " log ", given()], "nats"],
    [["KL(", i("q"), " ‖ ", i("p"), ")"], "nats"],
    ["ELBO", "nats"],
    [["log ", given(), " at the ring"], "nats"],
  ]);
  const verdict = h("p", { class: "gm-hint" });

  const hint = (text) => h("p", { class: "gm-hint" }, text);
  const panel = h("section",
    { class: "gm-panel gm-own", id: `${describedBy}-own`, "aria-label": TITLE, hidden: true },
    h("div", {}, pad.element, hint("Draw a digit here.")),
    h("div", {}, seen, hint("What the encoder sees: 28 × 28, centred.")),
    h("div", { class: "gm-own-side" }, h("div", { class: "gm-row" }, pick.element, clear), terms.element, verdict));
  let opened = false;
  const close = () => {
    opened = false;
    pad.clear();
  };
  const open = button(TITLE, () => {
    if (panel.hidden) opened = true;
    else close();
    set(opened ? {} : { x: "" });
  }, { "aria-controls": panel.id });

  const numbers = ({ reconstruction, kl, elbo }) => [reconstruction, kl, elbo].map((v) => format(v, 1));

  return {
    panel,
    button: open,
    found,
    close,
    paint: pad.paint,
    update({ x, z }) {
      const digit = found(x);
      panel.hidden = !digit && !opened;
      open.setAttribute("aria-expanded", String(!panel.hidden));
      if (panel.hidden) return;
      pick.update(x.length === 1 ? x : "");
      drawImages(seen, { side: SIDE, ink: () => digit?.image ?? NOTHING });
      seen.setAttribute("aria-label", digit ? "The binary image that the encoder sees." : "No digit yet.");
      if (digit) {
        const atRing = model.logLikelihood(digit.image, z);
        const gain = atRing - model.logLikelihood(digit.image, digit.mean);
        terms.update([...numbers(digit), format(atRing, 1)]);
        verdict.textContent = Math.abs(gain) < 0.05 ? "The ring is at the encoder’s mean. Can you do better?"
          : `${format(Math.abs(gain), 1)} nats ${gain > 0 ? "better" : "worse"} than at the encoder’s mean.`;
      } else {
        terms.update(["–", "–", "–", "–"]);
        verdict.textContent = "";
      }
    },
    describe({ x }) {
      const digit = found(x);
      if (!digit) return "";
      const [reconstruction, kl, elbo] = numbers(digit);
      return `${x.length === 1 ? `The test digit ${codes.names[x]}` : "Your digit"} has reconstruction `
        + `${reconstruction} nats, KL ${kl} nats, ELBO ${elbo} nats.`;
    },
    rows({ x }) {
      const digit = found(x);
      if (!digit) return [];
      return ["reconstruction", "KL", "ELBO"].map((name, i) => [`${name}, nats`, numbers(digit)[i]]);
    },
  };
}
