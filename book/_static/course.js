// What a page does when asked: change its depth, its theme, open its search. Everything that is only
// to be read is there without it.
"use strict";

(() => {
  const root = document.documentElement;
  const remember = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // A browser that keeps nothing still shows what was chosen.
    }
  };

  // ---- Depth ----

  const DEPTHS = ["idea", "working", "research"];
  const buttons = [...document.querySelectorAll(".depth-switch button")];

  const showDepth = (depth) => {
    root.dataset.depth = depth;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === depth));
  };

  // The line that is being read stays where it is while text appears and disappears above it.
  const keepingPlace = (change) => {
    const blocks = [...document.querySelectorAll("article :is(p, h2, h3, figure, .math, pre, li)")];
    const visible = (block) => block.getClientRects().length > 0;
    const top = (block) => block.getBoundingClientRect().top;
    const start = blocks.findIndex((block) => visible(block) && top(block) >= 60);
    const before = blocks.map((block) => (visible(block) ? top(block) : null));
    change();
    if (window.scrollY === 0 || start < 0) return;
    for (let distance = 0; distance < blocks.length; distance += 1) {
      for (const index of [start - distance, start + distance]) {
        if (blocks[index] && before[index] !== null && visible(blocks[index])) {
          window.scrollBy({ top: top(blocks[index]) - before[index], behavior: "instant" });
          return;
        }
      }
    }
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      keepingPlace(() => showDepth(button.value));
      remember("course-depth", button.value);
      const address = new URL(location.href);
      if (address.searchParams.has("depth")) {
        address.searchParams.set("depth", button.value);
        history.replaceState(null, "", address);
      }
    });
  }
  showDepth(root.dataset.depth);
  if (new URLSearchParams(location.search).has("depth")) remember("course-depth", root.dataset.depth);

  // A link into text that the chosen depth leaves out brings the depth that shows it.
  const showTarget = () => {
    // A live figure's link carries its state after a question mark.
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1).split("?")[0]));
    if (!target || target.getClientRects().length > 0) return;
    const chosen = root.dataset.depth;
    for (const depth of DEPTHS) {
      showDepth(depth);
      if (target.getClientRects().length > 0) {
        target.scrollIntoView();
        return;
      }
    }
    showDepth(chosen);
  };
  window.addEventListener("hashchange", showTarget);
  showTarget();

  // ---- Theme ----

  const themeButton = document.querySelector(".tool-theme");
  const showTheme = (theme) => {
    root.dataset.theme = theme;
    themeButton?.setAttribute("aria-pressed", String(theme === "dark"));
  };
  showTheme(root.dataset.theme);
  themeButton?.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    showTheme(theme);
    remember("course-theme", theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("course-theme");
    } catch {
      // Nothing is kept, so the system's choice counts.
    }
    if (!chosen) showTheme(event.matches ? "dark" : "light");
  });

  // ---- The list of chapters closes when a place on this page was chosen from it ----

  const chapters = document.getElementById("chapters");
  chapters.addEventListener("click", (event) => {
    if (event.target.closest("a") && chapters.matches(":popover-open")) chapters.hidePopover();
  });

  // ---- Search: "/" opens it, unless a field is being written in ----

  const search = document.getElementById("search-panel");
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea, select, [contenteditable], [data-gm]");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (search) search.showPopover();
    else document.querySelector(".search-field input")?.focus();
  });

  // ---- What scrolls sideways can be reached and scrolled by keyboard ----

  const nameScrollers = () => {
    for (const box of document.querySelectorAll(".math-scroll, pre, .pst-scrollable-table-container")) {
      const scrolls = box.scrollWidth > box.clientWidth;
      if (scrolls === box.hasAttribute("tabindex")) continue;
      if (scrolls) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", `${box.dataset.label ?? (box.matches("pre") ? "code" : "table")}, scrolls sideways`);
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  };
  new ResizeObserver(nameScrollers).observe(document.body);
  document.fonts?.ready.then(nameScrollers);

  // ---- Margin notes are open beside the text, and folded where they stand under it ----

  const notes = [...document.querySelectorAll(".margin-note details")];
  const narrow = matchMedia("screen and (max-width: 64rem)");
  const placeNotes = () => {
    for (const note of notes) {
      note.open = !narrow.matches;
      note.classList.add("asked");
      note.querySelector("summary").tabIndex = narrow.matches ? 0 : -1;
    }
  };
  for (const note of notes) {
    note.querySelector("summary").addEventListener("click", (event) => {
      if (!narrow.matches) event.preventDefault();
    });
  }
  narrow.addEventListener("change", placeNotes);
  placeNotes();

  // ---- Code can be copied ----

  for (const block of document.querySelectorAll(".highlight")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy js-only";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.querySelector("pre").innerText);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    block.append(button);
  }

  // ---- The section being read is marked in the navigation ----

  const links = new Map(
    [...document.querySelectorAll(".sections a")].map((link) => [decodeURIComponent(link.hash.slice(1)), link]),
  );
  const inView = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const link = links.get(entry.target.id);
        if (entry.isIntersecting) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) inView.observe(section);
  }
})();
