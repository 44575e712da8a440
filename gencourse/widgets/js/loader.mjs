// Mounts the live figures of a page that has no kernel. Each stands in the page as
//
//   <div class="gm-live" id="latent-plane" data-gm="latent-plane" data-gm-props='{"initial": …}'
//        data-gm-weights="latent-plane.bin"><div class="gm-stage"><img …></div></div>
//
// Near the viewport, or before printing, the module and its weights are loaded from beside this
// file, and the figure takes the place of the picture. When anything fails the picture stays, with
// a sentence. A link #latent-plane?z=0.5,-1 puts the figure into that state.

const hosts = new Map();

class PageModel {
  #values;
  #listeners = new Map();
  constructor(values) {
    this.#values = values;
  }
  get(key) {
    return this.#values[key];
  }
  set(key, value) {
    if (this.#values[key] === value) return;
    this.#values[key] = value;
    this.#listeners.get(`change:${key}`)?.forEach((listener) => listener());
  }
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
  }
  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }
  save_changes() {}
}

// A value of the link is read as the type that the initial state has; what does not fit is ignored.
function parse(text, initial) {
  if (typeof initial === "boolean") return text === "true";
  if (typeof initial === "string") return text;
  const numbers = text === "" ? [] : text.split(",").map((each) => (each ? Number(each) : NaN));
  if (!numbers.every(Number.isFinite)) return initial;
  return Array.isArray(initial) ? numbers : (numbers[0] ?? initial);
}

function linkedState(id, initial) {
  const [target, query] = location.hash.slice(1).split("?");
  if (target !== id || query === undefined) return {};
  const state = {};
  for (const [key, text] of new URLSearchParams(query))
    if (Object.hasOwn(initial, key)) state[key] = parse(text, initial[key]);
  return state;
}

function linkTo(id, initial, state) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(state))
    if (JSON.stringify(value) !== JSON.stringify(initial[key])) query.set(key, String(value));
  const url = new URL(location.href);
  url.hash = `${id}?${String(query).replaceAll("%2C", ",")}`;
  return url.href;
}

const beside = (file, version) => new URL(version ? `${file}?v=${version}` : file, import.meta.url);

async function load(host) {
  const { gm, gmProps, gmWeights, gmVersion } = host.dataset;
  const props = JSON.parse(gmProps);
  const [module, response] = await Promise.all([
    import(beside(`${gm}.mjs`, gmVersion)),
    fetch(beside(gmWeights, gmVersion)),
  ]);
  if (!response.ok) throw new Error(`the weights file is missing (${response.status})`);
  const weights = new DataView(await response.arrayBuffer());
  const { initial } = props;
  const model = new PageModel({ ...props, ...structuredClone(initial), ...linkedState(host.id, initial), weights });
  const stage = document.createElement("div");
  const picture = host.firstElementChild;
  host.append(stage);
  stage.hidden = true;
  module.default.render({ model, el: stage, page: { link: (state) => linkTo(host.id, initial, state) } });
  stage.hidden = false;
  picture.remove();
  host.dataset.gmState = "live";
  performance.mark(`gm-ready ${host.id}`);
  return model;
}

function mount(host) {
  nearby.unobserve(host);
  if (!hosts.has(host))
    hosts.set(host, load(host).catch((error) => {
      console.warn(`The live figure ${host.id} could not start: ${error.message}`);
      const [picture, ...unfinished] = host.children;
      unfinished.forEach((child) => child.remove());
      const note = document.createElement("p");
      note.className = "gm-note";
      note.role = "status";
      note.textContent = "This figure could not start, so here is a picture of it. Loading the page again may help.";
      picture.append(note);
      host.dataset.gmState = "failed";
    }));
  return hosts.get(host);
}

const nearby = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && mount(entry.target)),
  { rootMargin: "400px" },
);

const all = [...document.querySelectorAll("[data-gm]")];

function follow() {
  const host = all.find((host) => location.hash.startsWith(`#${host.id}?`));
  if (!host) return;
  host.scrollIntoView({ block: "center" });
  mount(host).then((model) => {
    const linked = model && linkedState(host.id, model.get("initial"));
    for (const key in linked) model.set(key, linked[key]);
  });
}

all.forEach((host) => nearby.observe(host));
addEventListener("beforeprint", () => all.forEach(mount));
addEventListener("hashchange", follow);
follow();
