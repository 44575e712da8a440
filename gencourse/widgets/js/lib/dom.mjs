// Elements and controls. Everything a reader can change is a native control with a label in words.

/** An element; properties that start with "on" listen, `class`, `aria-*`, `data-*` are attributes. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, properties);
  element.append(...children.flat(Infinity).filter((child) => child != null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element. */
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  assign(element, properties);
  element.append(...children.flat());
  return element;
}

function assign(element, properties) {
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
}

/** Sets attributes of an element. */
export const setAll = (element, attributes) =>
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));

/** The arrow keys as steps in the plane, the second axis pointing up. */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let count = 0;
/** An id that no other element on the page has. */
export const uid = (stem = "gm") => `${stem}-${++count}`;

/** A number with a true minus sign and a fixed number of decimals, so that columns stay aligned. */
export function format(number, decimals = 2) {
  const text = Math.abs(number).toFixed(decimals);
  return (number < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** A labelled slider with its value beside it; `update(value)` shows a value set elsewhere. */
export function slider({ label, min, max, step, decimals = 2, spoken = label, oninput }) {
  const id = uid();
  const output = h("output", { for: id, class: "gm-number" });
  const input = h("input", {
    type: "range", id, min, max, step, "aria-label": spoken,
    oninput: () => oninput(Number(input.value)),
  });
  const element = h("div", { class: "gm-slider" }, h("label", { for: id }, label), input, output);
  const update = (value) => {
    input.value = value;
    const text = format(value, decimals);
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  return { element, input, update };
}

export const button = (label, onclick, properties = {}) =>
  h("button", { type: "button", ...properties, onclick }, label);

/** A labelled choice of words; `update(value)` shows a value set elsewhere. */
export function choice({ label, options, onchange }) {
  const id = uid();
  const select = h(
    "select",
    { id, onchange: () => onchange(select.value) },
    options.map(([value, text]) => h("option", { value }, text)),
  );
  const element = h("span", { class: "gm-choice" }, h("label", { for: id }, label), select);
  return { element, select, update: (value) => (select.value = value) };
}

/** A labelled field for a whole number from 0; it shows what is set elsewhere unless being typed in. */
export function numberField({ label, onchange }) {
  const id = uid();
  const input = h("input", {
    type: "number", id, min: 0, step: 1,
    onchange: () => onchange(Math.max(0, Math.round(Number(input.value)))),
  });
  const element = h("span", { class: "gm-choice" }, h("label", { for: id }, label), input);
  const update = (value) => {
    if (document.activeElement !== input) input.value = value;
  };
  return { element, input, update };
}

/** A labelled checkbox. */
export function toggle(label, onchange) {
  const input = h("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  const element = h("label", { class: "gm-toggle" }, input, label);
  return { element, input, update: (value) => (input.checked = value) };
}

/** Named numbers with units; `update([...])` takes one value for each name. */
export function readouts(rows) {
  const values = rows.map(([, unit]) => h("dd", { class: unit ? "gm-number" : "gm-number gm-wide" }));
  const element = h(
    "dl",
    { class: "gm-readouts" },
    rows.map(([name, unit], i) =>
      h("div", {}, h("dt", {}, name), values[i], unit && h("dd", { class: "gm-unit" }, unit)),
    ),
  );
  const update = (texts) => texts.forEach((text, i) => (values[i].textContent = text));
  return { element, update };
}

/** Text with one subscript: sub("z", 1). */
export const sub = (letter, index) => h("span", { class: "gm-symbol" }, h("i", {}, letter), h("sub", {}, index));

/** A data table: a caption, the heads, rows of cells whose first is the row's head. */
export function table(caption, heads, rows) {
  return h(
    "table",
    {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map(([head, ...cells]) =>
      h("tr", {}, h("th", { scope: "row" }, head), cells.map((cell) => h("td", {}, cell))))),
  );
}
