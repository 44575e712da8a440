"""What every live figure owes its reader, in a real browser. A new one is listed in cases.py.

What only one figure has (its truth, its own controls) is tested in a file of its own.
"""

import base64
import gzip
import html
import json
import re
import statistics
from html.parser import HTMLParser

import pytest
from playwright.sync_api import CDPSession, Page, expect

from gencourse.widgets.base import STATIC
from tests.browser_fixtures import OpenPage
from tests.widgets.cases import CASES, Case, OpenCase, press, settle, shown
from tests.widgets.conftest import LIVE
from tests.widgets.test_notebook_home import KERNEL
from tools.widgets import node_modules

pytestmark = pytest.mark.browser
every = pytest.mark.parametrize("case", CASES, ids=str)


def corner(page: Page, canvas: str) -> list[int]:
    found = page.evaluate(
        """(canvas) => Array.from(document.querySelector(canvas).getContext("2d")
        .getImageData(1, 1, 1, 1).data).slice(0, 3)""",
        canvas,
    )
    assert isinstance(found, list)
    return found


# --- everything by keyboard, with a finger, in words


@every
def test_tab_reaches_every_control_in_the_order_of_the_page(open_case: OpenCase, case: Case):
    page = open_case(case, case.full)
    controls = page.evaluate(
        """() => [...document.querySelectorAll(
            ".gm-live :is(button, select, input, [tabindex])")]
            .filter((e) => e.checkVisibility())
            .map((e, i) => (e.dataset.tab = i))"""
    )
    page.evaluate("document.activeElement.blur(); getSelection().collapse(document.body, 0)")
    reached = []
    for _ in controls:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("Number(document.activeElement.dataset.tab)"))
    assert reached == controls
    assert len(controls) >= 5


@every
def test_it_fits_every_width_and_every_finger(open_case: OpenCase, case: Case):
    page = open_case(case, case.full)
    press(page, "Data table")
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            """() => {
                const card = document.querySelector(".gm-live").getBoundingClientRect();
                return [...document.querySelectorAll(".gm-live *")]
                    .filter((e) => e.checkVisibility() && !e.closest("svg, .gm-tables, .gm-unseen"))
                    .filter((e) => !e.matches(".gm-ring"))
                    .filter((e) => e.getBoundingClientRect().right > card.right + 1)
                    .map((e) => e.outerHTML);
            }"""
        )
        assert outside == [], f"at {width} px"
        small = page.evaluate(
            """() => [...document.querySelectorAll(
                ".gm-live :is(button, select, input, [tabindex], .gm-ring)")]
                .filter((e) => e.checkVisibility())
                .map((e) => e.type === "checkbox" ? e.closest("label") : e)
                .filter((e) => Math.min(e.offsetWidth, e.offsetHeight) < 24)
                .map((e) => e.outerHTML)"""
        )
        assert small == [], f"at {width} px"


@every
def test_words_and_numbers_follow_a_slider_and_reset_returns(open_case: OpenCase, case: Case):
    page = open_case(case)
    start = shown(page)
    said = page.locator(".gm-live .gm-unseen[role=status]")
    before = said.text_content()
    assert before is not None
    assert len(before) > 60
    press(page, "Data table")
    table = page.locator(".gm-tables").inner_text()
    assert len(table) > 60
    slider = page.get_by_role("slider", name=case.slider, exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(before)
    assert page.locator(".gm-tables").inner_text() != table
    press(page, "Data table")
    assert not page.locator(".gm-tables").is_visible()
    assert shown(page) != start
    press(page, "Reset")
    assert shown(page) == start


@every
def test_axe_finds_nothing_in_either_theme(open_case: OpenCase, case: Case):
    page = open_case(case, case.full, width=390)
    press(page, "Data table")
    page.add_script_tag(path=node_modules() / "axe-core" / "axe.min.js")
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        settle(page)
        found = page.evaluate("axe.run(document.querySelector('figure'))")
        violations = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
        assert violations == [], theme


# --- motion


@every
def test_nothing_moves_unasked_and_stillness_is_granted(open_case: OpenCase, case: Case):
    page = open_case(case, reduced_motion="reduce")
    before = shown(page)
    page.wait_for_timeout(300)
    assert shown(page) == before
    expect(page.get_by_role("button", name="Play", exact=True)).to_have_count(0)
    if not case.moves:
        return
    press(page, "Step")
    stepped = shown(page)
    assert stepped != before
    page.wait_for_timeout(200)
    assert shown(page) == stepped
    page.emulate_media(reduced_motion="no-preference")
    press(page, "Play")
    page.wait_for_timeout(300)
    assert shown(page) != stepped
    page.evaluate("scrollTo(0, 2800)")
    page.wait_for_timeout(200)
    settle(page)  # a busy machine draws late, and the figure learns where it is when it is drawn
    settle(page)
    away = shown(page)
    page.wait_for_timeout(300)
    assert shown(page) == away, "it goes on where nobody sees it"
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function(
        "(away) => document.querySelector('.gm-live').innerText !== away", arg=""
    )
    press(page, "Pause")
    paused = shown(page)
    page.wait_for_timeout(200)
    assert shown(page) == paused


# --- room, themes, paper


@every
def test_the_room_for_the_figure_is_kept(site: str, open_page: OpenPage, case: Case):
    url = f"{site}pages/{case.figure.name}-near.html"
    watch = """async () => {
        await Promise.all([...document.fonts].map((font) => font.load()));
        window.shift = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shift += entry.value;
        }).observe({ type: "layout-shift" });
        scrollTo(0, 3900);
    }"""

    def hold_back(page: Page) -> None:
        page.route("**/loader.mjs", lambda route: route.abort())

    # Once its letters are there, the page is scrolled to where the figure then comes.
    come = open_page(url.replace("near", "far"))
    come.evaluate(watch)
    come.wait_for_selector(LIVE)
    settle(come)
    assert come.evaluate("window.shift") == 0
    waiting = open_page(url, errors_expected=True, prepare=hold_back)
    live = open_page(url)
    live.wait_for_selector(LIVE)
    assert waiting.locator("img.gm-still").is_visible()
    for width in (320, 340, 390, 470, 500, 580, 600, 700, 1280):
        tops = []
        for page in (waiting, live):
            page.set_viewport_size({"width": width, "height": 900})
            tops.append(
                page.evaluate("document.getElementById('after').getBoundingClientRect().top")
            )
        assert tops[0] == pytest.approx(tops[1], abs=0.6), f"at {width} px"


@every
def test_themes_and_paper_reach_its_pictures(open_case: OpenCase, case: Case):
    page = open_case(case)
    assert min(corner(page, case.canvas)) > 240
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    assert max(corner(page, case.canvas)) < 50
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert min(corner(page, case.canvas)) > 240
    assert not page.get_by_role("button", name="Reset").is_visible()
    assert page.get_by_text(case.figure.title).is_visible()


# --- a link to the state


@every
def test_a_link_restores_the_state(open_case: OpenCase, case: Case):
    page = open_case(case, case.full, permissions=["clipboard-read", "clipboard-write"])
    slider = page.get_by_role("slider", name=case.slider, exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    press(page, "Copy link")
    link = page.evaluate("navigator.clipboard.readText()")
    other = open_case(case, link[link.index("?", link.index("#")) + 1 :])
    page.get_by_role("button", name="Copy link").wait_for()
    assert shown(other) == shown(page)
    assert shown(other) != shown(open_case(case))


@every
def test_a_link_that_makes_no_sense_is_ignored(open_case: OpenCase, case: Case):
    plain = shown(open_case(case))
    for state in case.nonsense:
        assert shown(open_case(case, state)) == plain, state


# --- loading


@every
def test_nothing_loads_until_it_is_near(site: str, open_page: OpenPage, case: Case):
    name = case.figure.name
    asked: list[str] = []
    page = open_page(
        f"{site}pages/{name}-far.html",
        prepare=lambda page: page.on("request", lambda request: asked.append(request.url)),
    )
    page.wait_for_timeout(200)
    assert not [url for url in asked if f"live/{name}" in url]
    page.evaluate("scrollTo(0, 3500)")
    page.wait_for_selector(LIVE)
    files = [path for path in STATIC.glob(f"{name}.*") if path.suffix in (".mjs", ".bin")]
    assert len([url for url in asked if f"live/{name}" in url]) == len(files)


@every
def test_without_javascript_or_its_files_it_is_a_picture(
    site: str, open_page: OpenPage, case: Case
):
    name = case.figure.name
    page = open_page(f"{site}pages/{name}-near.html", java_script_enabled=False)
    picture = page.locator("img.gm-still")
    assert picture.is_visible()
    assert len(picture.get_attribute("alt") or "") > 80
    box, figure = picture.bounding_box(), page.locator(".gm-live").bounding_box()
    assert box is not None
    assert figure is not None
    assert figure["height"] - box["height"] < 60, "no room is kept for what will not come"

    def damage(page: Page) -> None:
        page.route(f"**/{name}.mjs*", lambda route: route.fulfill(status=404))

    broken = open_page(f"{site}pages/{name}-near.html", prepare=damage, errors_expected=True)
    broken.wait_for_selector("[data-gm-state=failed]")
    assert broken.locator("img.gm-still").is_visible()
    assert broken.get_by_text("This figure could not start").is_visible()


# --- budgets: what the page's main thread works, so that a busy machine does not fail them


def worked(page: Page) -> CDPSession:
    """A session that counts the processor time of the page's main thread from now on."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def milliseconds(session: CDPSession) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(1000 * m["value"] for m in metrics if m["name"] == "TaskDuration")


@every
def test_it_is_ready_within_half_a_second(site: str, open_page: OpenPage, case: Case):
    times = []
    for _ in range(3):
        page = open_page(f"{site}pages/empty.html")
        session = worked(page)
        page.goto(f"{site}pages/{case.figure.name}-near.html")
        page.wait_for_selector(LIVE)
        settle(page)
        times.append(milliseconds(session))
    assert statistics.median(times) < 500, times


@every
def test_input_is_painted_within_50_milliseconds(open_case: OpenCase, case: Case):
    page = open_case(case, case.full)
    press(page, "Data table")
    page.wait_for_timeout(600)
    slider = page.get_by_role("slider", name=case.slider, exact=True)
    session = worked(page)
    before = milliseconds(session)
    slider.evaluate(
        """async (slider) => {
            const [low, high] = [Number(slider.min), Number(slider.max)];
            for (let i = 0; i < 20; i++) {
                slider.value = low + ((i + 1) / 22) * (high - low);
                slider.dispatchEvent(new Event("input"));
                await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
            }
        }"""
    )
    assert (milliseconds(session) - before) / 20 < 50


@every
def test_its_files_are_small(case: Case):
    name = case.figure.name
    assert len(gzip.compress((STATIC / f"{name}.mjs").read_bytes(), 9)) <= 15_000
    assert (STATIC / f"{name}.webp").stat().st_size <= 20_000
    if (weights := STATIC / f"{name}.bin").exists():
        assert weights.stat().st_size <= 250_000


# --- the other home


@every
def test_it_runs_as_an_output_of_a_kernel(site: str, open_page: OpenPage, case: Case):
    page = open_page(f"{site}pages/empty.html")
    figure = case.figure()
    state = {
        key: value
        for key, value in figure.get_state().items()
        if isinstance(value, str | int | float | bool | list | dict)
    }
    page.evaluate(
        KERNEL,
        {
            "state": json.loads(json.dumps(state)),
            "weights": base64.b64encode(figure.weights).decode(),
            "esm": str(figure._esm),
            "css": str(figure._css),
        },
    )
    settle(page)
    assert page.get_by_text(case.figure.title).is_visible()
    assert page.get_by_role("button", name="Copy link").count() == 0
    assert min(corner(page, case.canvas)) > 240
    start, saved = shown(page), page.evaluate("saved")
    page.get_by_role("slider", name=case.slider, exact=True).focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert shown(page) != start
    assert page.evaluate("saved") > saved
    press(page, "Reset")
    assert shown(page) == start
    assert page.evaluate("model.listening()") > 0
    page.evaluate("cleanup()")
    assert page.evaluate("model.listening()") == 0


@every
def test_its_twin_is_well_formed_and_says_its_state(case: Case):
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag != "img":
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    figure = case.figure(number="9.1", caption="<b>A & B</b>", anchor="second")
    twin = figure.to_html()
    Checker().feed(twin)
    assert open_tags == []
    assert twin == case.figure(number="9.1", caption="<b>A & B</b>", anchor="second").to_html()
    assert len(twin) <= 30_000
    found = re.search('data-gm-props="([^"]*)"', twin)
    assert found is not None
    names = case.figure.class_trait_names(state=True)
    initial = json.loads(html.unescape(found[1]))["initial"]
    assert initial == {name: getattr(figure, name) for name in names}
    assert 'id="second"' in twin
    assert case.figure(number="9.1").caption.startswith("<b>Figure 9.1. ")
