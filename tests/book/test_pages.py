"""Every page of the book, in a real browser: access, width, weight, what it loads, where it leads.

`open_page` itself fails a test whose page asks another host for anything, or logs an error.
"""

import gzip
import re
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page, Response

from tests.book.addresses import Addresses
from tests.browser_fixtures import OpenPage

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE, NARROW = 1400, 390
BUDGET = 400_000


@cache
def axe() -> str:
    return AXE.read_text(encoding="utf8")


def violations(page: Page) -> list[str]:
    page.evaluate(axe())
    result: dict[str, Any] = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{v['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for v in result["violations"]
        for node in v["nodes"]
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(
    open_page: OpenPage, site: str, pages: list[str], theme: str, width: int
) -> None:
    found = {}
    for name in pages:
        page = open_page(f"{site}{name}?depth=research", width=width, color_scheme=theme)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        if wrong := violations(page):
            found[name] = wrong
        page.close()
    assert not found


def test_nothing_is_wider_than_the_page(open_page: OpenPage, site: str, pages: list[str]) -> None:
    wide = []
    for name in pages:
        page = open_page(f"{site}{name}?depth=research", width=WIDE)
        for width in (WIDE, 1100, 800, NARROW, 320):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append(f"{name} at {width}")
        page.close()
    assert not wide


def test_headings_descend_one_level_at_a_time(
    open_page: OpenPage, site: str, pages: list[str]
) -> None:
    for name in pages:
        page = open_page(site + name)
        for depth in ("idea", "working", "research"):
            levels = page.evaluate(
                """depth => {
                  document.documentElement.dataset.depth = depth;
                  return [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")]
                    .filter(heading => heading.getClientRects().length)
                    .map(heading => Number(heading.localName[1]));
                }""",
                depth,
            )
            assert levels.count(1) == 1, (name, depth)
            steps = [after - before for before, after in pairwise([0, *levels])]
            assert all(step <= 1 for step in steps), (name, depth, levels)
        page.close()


def test_every_page_has_its_own_title_and_a_language(built_book: Path, pages: list[str]) -> None:
    heads = [(built_book / name).read_text(encoding="utf8").split("</head>")[0] for name in pages]
    assert all('<html lang="en"' in head for head in heads)
    titles = [head.split("<title>")[1].split("</title>")[0] for head in heads]
    assert all("Generative Models, Measured" in title for title in titles)
    assert len(set(titles)) == len(titles)


def test_the_first_tab_stop_skips_to_the_text(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}book/how-to-read.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main-content"


def watch_loading(fetched: list[Response], page: Page) -> None:
    """Note every answer from the server, and how far anything shifted while it came."""
    page.on("response", lambda response: fetched.append(response))
    page.add_init_script(
        """window.shifted = 0;
        new PerformanceObserver(list => {
          for (const entry of list.getEntries()) window.shifted += entry.value;
        }).observe({ type: "layout-shift", buffered: true });"""
    )


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_page_weighs_little_and_does_not_shift(
    open_page: OpenPage, site: str, pages: list[str], width: int
) -> None:
    """What is fetched before anything is scrolled, compressed as a server would compress it."""
    for name in pages:
        fetched: list[Response] = []
        page = open_page(site + name, width=width, prepare=partial(watch_loading, fetched))
        page.wait_for_load_state("networkidle")
        weight = 0
        for response in fetched:
            if "/_static/live/" not in response.url:
                body = response.body()
                packed = response.url.split("?")[0].endswith((".woff2", ".png", ".webp"))
                weight += len(body if packed else gzip.compress(body, 6))
        assert weight <= BUDGET, (name, weight)
        assert page.evaluate("window.shifted") < 0.01, name
        page.close()


LINES = """
(() => {
  const full = [];
  for (const p of document.querySelectorAll("article section > p")) {
    const text = p.firstChild;
    if (p.childNodes.length !== 1 || text.nodeType !== Node.TEXT_NODE) continue;
    const lines = new Map();
    for (const word of text.data.matchAll(/\\S+\\s*/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + 1);
      const top = range.getBoundingClientRect().top;
      lines.set(top, (lines.get(top) ?? 0) + word[0].length);
    }
    full.push(...[...lines.values()].slice(0, -1));
  }
  return full;
})()
"""


def test_a_line_of_text_has_65_to_75_characters(
    open_page: OpenPage, site: str, pages: list[str]
) -> None:
    """On a wide screen, counted in paragraphs of plain text, last lines left out."""
    counts: list[int] = []
    for name in pages:
        page = open_page(site + name)
        counts += page.evaluate(LINES)
        page.close()
    assert len(counts) > 20
    assert 65 <= median(counts) <= 75


def test_every_link_inside_the_book_leads_somewhere(built_book: Path, pages: list[str]) -> None:
    read = cache(Addresses.of)
    broken = []
    for name in pages:
        here = built_book / name
        for link in read(here).links + read(here).loads:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto", "data"):
                continue
            there = (here.parent / unquote(parts.path)).resolve() if parts.path else here.resolve()
            if not there.is_file():
                broken.append(f"{name}: no file at {link}")
            elif parts.fragment and there.suffix == ".html":
                place = unquote(parts.fragment).split("?")[0]
                if place not in read(there).ids:
                    broken.append(f"{name}: no place at {link}")
    assert not broken


def test_nothing_is_loaded_from_another_host(built_book: Path, pages: list[str]) -> None:
    for name in pages:
        loads = Addresses.of(built_book / name).loads
        assert not [address for address in loads if urlsplit(address).scheme in ("http", "https")]


def test_every_numbered_equation_links_its_function_and_its_test(
    built_book: Path, pages: list[str]
) -> None:
    for name in pages:
        text = (built_book / name).read_text(encoding="utf8")
        lines = re.findall(r'<p class="equation-links">.*?</p>', text, re.DOTALL)
        assert len(lines) == text.count('<span class="eqno">'), name
        for line in lines:
            function, test = re.findall(r'href="([^"]*)"', line)
            assert "source/gencourse/" in function, name
            assert "source/tests/" in test, name


def test_the_source_page_marks_the_function_that_was_asked_for(
    open_page: OpenPage, site: str
) -> None:
    page = open_page(f"{site}book/how-to-read.html")
    page.locator(".equation-links a").first.click()
    page.wait_for_url("**/source/gencourse/**")
    marked = page.locator(".object:target")
    assert "def kl_to_standard_normal" in marked.inner_text()
    assert marked.is_visible()


def test_search_finds_a_word(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}book/how-to-read.html")
    page.keyboard.press("/")
    field = page.locator("#search-words")
    field.wait_for(state="visible")
    field.fill("compressor")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=compressor")
    page.locator("#search-results li a").first.wait_for()
    assert "How to read" in page.locator("#search-results").inner_text()


def test_the_theme_can_be_changed_and_is_remembered(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}book/notation.html", color_scheme="light")
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(f"{site}book/how-to-read.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"


@pytest.mark.parametrize("scripts", [True, False])
def test_the_chapters_can_be_reached_on_a_narrow_screen(
    open_page: OpenPage, site: str, scripts: bool
) -> None:
    page = open_page(f"{site}book/notation.html", width=NARROW, java_script_enabled=scripts)
    chapter = page.locator("#chapters").get_by_text("How to read this book")
    assert not chapter.is_visible()
    page.get_by_role("button", name="Contents").click()
    chapter.click()
    page.wait_for_url("**/how-to-read.html")


def test_notes_stand_in_the_margin_or_fold_under_their_paragraph(
    open_page: OpenPage, site: str
) -> None:
    address = f"{site}book/how-to-read.html"
    page = open_page(address, width=WIDE)
    note, column = page.locator(".margin-note").first, page.locator("article")
    assert note.locator(".margin-body").is_visible()
    assert note.bounding_box()["x"] > column.bounding_box()["x"] + column.bounding_box()["width"]

    page = open_page(address, width=NARROW)
    note, paragraph = page.locator(".margin-note").first, page.locator(".noted > p").first
    assert not note.locator(".margin-body").is_visible()
    below = paragraph.bounding_box()["y"] + paragraph.bounding_box()["height"]
    assert note.bounding_box()["y"] >= below - 8
    note.locator("summary").click()
    assert note.locator(".margin-body").is_visible()
