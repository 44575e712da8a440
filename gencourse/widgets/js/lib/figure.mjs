// The frame around every live figure: state, redrawing, motion, and the reader's rights that do not
// depend on what is drawn (reset, link, data table, text description, theme, print, stopping off
// screen). It speaks the anywidget front-end contract, so the same figure runs in Jupyter, in Colab
// and, under loader.mjs, in a page with no kernel.

import { button, h, uid } from "./dom.mjs";
import { readWeights } from "./weights.mjs";

/**
 * A live figure. `build(frame)` makes its elements and returns
 *   body      the elements, in reading order
 *   extras    more controls for the quiet row under them (optional)
 *   paint()   draws what depends only on theme and weights
 *   update(state)    shows the state
 *   describe(state)  the state in a sentence or two, for those who do not see it
 *   table(state)     the same in numbers, a list of tables
 *   accepts          for each part of the state that a link could spoil, whether a value makes sense
 * The state is every trait named in the model's `initial`.
 */
export const liveFigure = (build) => ({
  render({ model, el, page }) {
    try {
      return mount(build, model, el, page);
    } catch (error) {
      if (page) throw error; // the loader keeps the picture
      const sentence = `This figure could not start: ${error.message}.`;
      el.append(h("p", { class: "gm-note", role: "status" }, sentence));
    }
  },
});

function mount(build, model, el, page) {
  const listening = new AbortController();
  const { signal } = listening;
  const keys = Object.keys(model.get("initial"));
  // What a link or a kernel sets and the figure cannot show counts as the initial value.
  const state = () => Object.fromEntries(keys.map((key) => {
    const value = model.get(key);
    return [key, figure.accepts[key]?.(value) === false ? model.get("initial")[key] : value];
  }));
  const root = h("div", { class: "gm-stage", "data-lm-suppress-shortcuts": "true" });
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let visible = true;
  let frameRequest = 0;

  // --- state: a change is shown once in the next frame, and only then sent to the kernel
  const schedule = () => (frameRequest ||= requestAnimationFrame(show));
  const set = (changes) => {
    for (const [key, value] of Object.entries(changes)) model.set(key, value);
    schedule();
  };
  const reset = () => {
    players.forEach((player) => player.pause());
    set(structuredClone(model.get("initial")));
    figure.onreset?.();
  };

  // --- motion: nothing moves off screen, in a hidden tab, or for a reader who asks for stillness
  const players = [];
  const player = (step, onchange) => {
    let playing = false;
    let request = 0;
    let before = 0;
    const tick = (now) => {
      request = 0;
      const seconds = before ? Math.min((now - before) / 1000, 0.1) : 0;
      before = now;
      if (step(seconds)) run();
      else self.pause();
    };
    const run = () => {
      if (playing && visible) request ||= requestAnimationFrame(tick);
      else before = 0;
    };
    const self = {
      run,
      get playing() {
        return playing;
      },
      play() {
        playing = true;
        before = 0;
        run();
        onchange();
      },
      pause() {
        if (!playing) return;
        playing = false;
        cancelAnimationFrame(request);
        request = before = 0;
        onchange();
      },
      toggle: () => (playing ? self.pause() : self.play()),
    };
    players.push(self);
    return self;
  };

  still.addEventListener("change", () => {
    players.forEach((player) => player.pause());
    schedule();
  }, { signal });

  // --- the frame's own elements
  const said = h("p", { class: "gm-unseen", role: "status", id: uid("gm-said") });
  const tables = h("div", {
    class: "gm-tables", id: uid("gm-tables"), hidden: true, tabindex: 0, role: "region", "aria-label": "Data table",
  });
  const tableButton = button("Data table", () => {
    tables.hidden = !tables.hidden;
    tableButton.setAttribute("aria-expanded", String(!tables.hidden));
    schedule();
  }, { class: "gm-quiet", "aria-expanded": "false", "aria-controls": tables.id });
  const linkField = h("input", {
    class: "gm-link", readonly: true, hidden: true, "aria-label": "Link to this state of the figure",
  });
  const linkButton = page && button("Copy link", async () => {
    const url = page.link(state());
    try {
      await navigator.clipboard.writeText(url);
      linkButton.textContent = "Link copied";
      setTimeout(() => (linkButton.textContent = "Copy link"), 2000);
    } catch {
      linkField.hidden = false; // no clipboard here: show the link, ready to copy
      linkField.value = url;
      linkField.select();
    }
  }, { class: "gm-quiet" });

  const weights = readWeights(model.get("weights"));
  const figure = build({ state, set, player, weights, signal, still, describedBy: said.id });
  root.append(
    ...figure.body,
    h("div", { class: "gm-row gm-foot" },
      button("Reset", reset, { class: "gm-quiet" }), figure.extras, tableButton, linkButton, linkField),
    tables,
    said,
  );

  // --- showing
  let speech;
  function show() {
    frameRequest = 0;
    const now = state();
    figure.update(now);
    if (!tables.hidden) tables.replaceChildren(...figure.table(now));
    model.save_changes();
    clearTimeout(speech);
    speech = setTimeout(() => {
      if (!players.some((player) => player.playing)) said.textContent = figure.describe(state());
    }, 500);
  }
  const repaint = () => {
    painted = root.isConnected;
    figure.paint();
    schedule();
  };

  keys.forEach((key) => model.on(`change:${key}`, schedule));
  signal.addEventListener("abort", () => keys.forEach((key) => model.off(`change:${key}`, schedule)));

  // A notebook attaches the output only after this function has returned, and until then there are
  // no colours to draw with. The observer speaks first when the figure is in its page.
  let painted = false;
  const watch = new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (!painted && root.isConnected) repaint();
    players.forEach((player) => player.run());
  });
  watch.observe(root);
  const theme = new MutationObserver(repaint);
  for (const element of [document.documentElement, document.body])
    theme.observe(element, { attributeFilter: ["class", "data-theme", "data-jp-theme-light", "theme"] });
  const print = (on) => () => {
    root.toggleAttribute("data-print", on); // paper is white whatever the theme
    figure.paint();
    figure.update(state());
  };
  addEventListener("beforeprint", print(true), { signal });
  addEventListener("afterprint", print(false), { signal });

  if (page) el.append(root);
  else {
    const caption = h("figcaption");
    caption.innerHTML = model.get("caption");
    const card = h("div", { class: "gm-live" }, root);
    el.append(h("figure", { class: "gm-figure", "data-family": model.get("hue") }, card, caption));
  }
  repaint();
  figure.update(state());
  said.textContent = figure.describe(state());
  return () => {
    listening.abort();
    watch.disconnect();
    theme.disconnect();
    players.forEach((player) => player.pause());
    cancelAnimationFrame(frameRequest);
    clearTimeout(speech);
  };
}
