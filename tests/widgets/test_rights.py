"""The reader's rights, one by one, in a real browser, on the page that has no kernel."""

import gzip
import re
import statistics
from collections.abc import Callable

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from gencourse.widgets.base import STATIC
from tests.browser_fixtures import OpenPage
from tests.widgets.conftest import LIVE
from tools.widgets import node_modules

pytestmark = pytest.mark.browser

OpenFigure = Callable[..., Page]

WALK = "Walk between two digits"
OWN = "Draw your own"


def z_of(page: Page) -> tuple[float, float]:
    """The code under the ring, as the sliders show it."""
    first, second = (
        float(text.replace("−", "-"))
        for text in page.locator(".gm-sliders output").all_inner_texts()
    )
    return first, second


def settle(page: Page) -> None:
    """Wait until what was asked for is on the screen."""
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    settle(page)


def codes_toggle(page: Page) -> Locator:
    return page.get_by_role("checkbox", name="Show test codes")


# --- everything by keyboard


def test_tab_reaches_every_control_in_reading_order(open_figure: OpenFigure) -> None:
    page = open_figure()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => {
                    const e = document.activeElement;
                    return e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.textContent;
                }"""
            )
        )
    assert [name.split(".")[0] for name in reached[:10]] == [
        "Plane of latent codes",
        "z 1",
        "z 2",
        "Sample the prior",
        "seed",
        WALK,
        OWN,
        "Reset",
        "Show test codes",
        "Data table",
    ]


def test_the_ring_moves_by_arrows_and_by_sliders(open_figure: OpenFigure) -> None:
    page = open_figure("#latent-plane?z=0,0")
    plane = page.get_by_role("application", name="Plane of latent codes")
    plane.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        page.keyboard.press(key)
    settle(page)
    assert z_of(page) == (0.1, -0.45)
    page.keyboard.press("Home")
    settle(page)
    assert z_of(page) == (0, 0)
    page.get_by_role("slider", name="z 2").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert z_of(page) == (0, 0.01)


def test_the_arrows_stop_at_the_planes_edge(open_figure: OpenFigure) -> None:
    page = open_figure()
    page.get_by_role("application", name="Plane").focus()
    for _ in range(20):
        page.keyboard.press("Shift+ArrowLeft")
    settle(page)
    assert z_of(page)[0] == float(page.get_by_role("slider", name="z 1").get_attribute("min") or 0)


def test_a_digit_can_be_drawn_by_keyboard(open_figure: OpenFigure) -> None:
    page = open_figure()
    press(page, OWN)
    page.get_by_role("application", name="Drawing pad").focus()
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    settle(page)
    assert page.locator(".gm-own dd.gm-number").nth(2).inner_text() != "–"
    assert inked(page) > 20


def inked(page: Page) -> int:
    """Dark pixels of the image that the encoder sees."""
    count = page.evaluate(
        """() => Array.from(document.querySelector(".gm-seen").getContext("2d")
        .getImageData(0, 0, 28, 28).data).filter((v, i) => i % 4 === 0 && v < 100).length"""
    )
    assert isinstance(count, int)
    return count


def test_space_belongs_to_the_page_until_the_plane_has_focus(open_figure: OpenFigure) -> None:
    page = open_figure()
    press(page, WALK)
    press(page, "Pause")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function("scrollY > 100")
    expect(page.get_by_role("button", name="Play")).to_have_count(1)
    page.get_by_role("application", name="Plane").focus()
    page.wait_for_timeout(300)
    before = page.evaluate("scrollY")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_have_count(1)
    assert page.evaluate("scrollY") == before


# --- motion


def test_nothing_moves_before_it_is_asked_to(open_figure: OpenFigure) -> None:
    page = open_figure()
    before = z_of(page)
    page.wait_for_timeout(400)
    assert z_of(page) == before


def test_the_walk_moves_and_pauses(open_figure: OpenFigure) -> None:
    page = open_figure()
    press(page, WALK)
    first = z_of(page)
    page.wait_for_timeout(500)
    press(page, "Pause")
    stopped = z_of(page)
    assert stopped != first
    page.wait_for_timeout(300)
    assert z_of(page) == stopped


def test_the_walk_stops_off_screen_and_goes_on_when_seen_again(open_figure: OpenFigure) -> None:
    page = open_figure()
    press(page, WALK)
    page.evaluate("scrollTo(0, 2500)")
    page.wait_for_timeout(300)
    before = z_of(page)
    page.wait_for_timeout(400)
    assert z_of(page) == before
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    assert z_of(page) != before


def test_a_reader_who_wants_stillness_steps(open_figure: OpenFigure) -> None:
    page = open_figure(reduced_motion="reduce")
    press(page, WALK)
    start = z_of(page)
    page.wait_for_timeout(500)
    assert z_of(page) == start
    expect(page.get_by_role("button", name="Play")).to_have_count(0)
    press(page, "Step")
    assert z_of(page) != start


# --- sizes, themes, paper


@pytest.mark.parametrize("width", [320, 390, 768])
def test_the_page_never_scrolls_sideways(open_figure: OpenFigure, width: int) -> None:
    page = open_figure(width=width)
    for name in (WALK, OWN, "Data table"):
        press(page, name)
    codes_toggle(page).check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_every_target_is_24_pixels(open_figure: OpenFigure, width: int) -> None:
    page = open_figure(width=width)
    for name in (WALK, OWN):
        press(page, name)
    small = page.evaluate(
        """() => ["button", "select", "input", "[tabindex]", ".gm-ring"]
        .flatMap((kind) => [...document.querySelectorAll(`.gm-live ${kind}`)])
        .filter((e) => e.checkVisibility())
        .map((e) => e.type === "checkbox" ? e.closest("label") : e)
        .filter((e) => Math.min(e.offsetWidth, e.offsetHeight) < 24)
        .map((e) => e.outerHTML)"""
    )
    assert small == []


def test_the_room_for_the_figure_is_kept_at_every_width(site: str, open_page: OpenPage) -> None:
    url = f"{site}pages/near.html"

    def hold_back(page: Page) -> None:
        page.route("**/loader.mjs", lambda route: route.abort())

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


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_shifts_when_the_figure_mounts(open_figure: OpenFigure, width: int) -> None:
    watch = """window.shift = 0; new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true })"""
    page = open_figure(width=width, prepare=lambda page: page.add_init_script(watch))
    settle(page)
    assert page.evaluate("window.shift") == 0


def test_the_dark_theme_reaches_the_pictures(open_figure: OpenFigure) -> None:
    page = open_figure()
    corner = """() => Array.from(document.querySelector(".gm-digit").getContext("2d")
        .getImageData(0, 0, 1, 1).data).slice(0, 3)"""
    light = page.evaluate(corner)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    dark = page.evaluate(corner)
    assert min(light) > 240
    assert max(dark) < 50


def test_printing_shows_the_figure_in_ink_on_white(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}pages/far.html?theme=dark")
    assert page.locator(LIVE).count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector(LIVE, state="attached")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    paper = page.evaluate(
        """() => Array.from(document.querySelector(".gm-plane canvas").getContext("2d")
        .getImageData(0, 0, 1, 1).data).slice(0, 3)"""
    )
    assert min(paper) > 240
    assert not page.get_by_role("button", name="Sample the prior").is_visible()
    assert page.get_by_text("The keyhole.").is_visible()


# --- in words and numbers


def test_the_description_follows_the_ring(open_figure: OpenFigure) -> None:
    page = open_figure("#latent-plane?z=0,0")
    said = page.locator(".gm-live [role=status]")
    expect(said).to_contain_text("z1 = 0.00, z2 = 0.00")
    expect(said).to_contain_text("nearest test codes")
    page.get_by_role("slider", name="z 1").fill("-2")
    expect(said).to_contain_text("z1 = −2.00")
    press(page, OWN)
    page.get_by_label("or take a test digit").select_option("4")
    expect(said).to_contain_text(
        re.compile(r"The test digit four has reconstruction −\d+\.\d nats")
    )


def test_the_numbers_are_in_a_table_on_demand(open_figure: OpenFigure) -> None:
    page = open_figure("#latent-plane?z=1.25,-0.5")
    assert page.locator("table").count() == 0
    press(page, "Data table")
    ring, classes = page.get_by_role("table").all()
    assert "z1\t1.25" in ring.inner_text()
    assert classes.locator("tbody tr").count() == 10
    page.get_by_role("slider", name="z 1").fill("2")
    expect(ring.or_(page.get_by_role("table").first).first).to_contain_text("2.00")
    press(page, "Data table")
    assert not page.get_by_role("table").first.is_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1280)])
def test_axe_finds_nothing(open_figure: OpenFigure, theme: str, width: int) -> None:
    page = open_figure(f"?theme={theme}", width=width)
    for name in (WALK, OWN, "Data table"):
        press(page, name)
    codes_toggle(page).check()
    page.add_script_tag(path=node_modules() / "axe-core" / "axe.min.js")
    found = page.evaluate("axe.run(document.querySelector('figure'))")
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []


# --- state


def test_reset_returns_to_the_start(open_figure: OpenFigure) -> None:
    page = open_figure()
    start = z_of(page)
    press(page, "Sample the prior")
    press(page, WALK)
    press(page, OWN)
    page.get_by_label("or take a test digit").select_option("2")
    codes_toggle(page).check()
    press(page, "Reset")
    assert z_of(page) == start
    assert not codes_toggle(page).is_checked()
    assert page.locator(".gm-panel:visible").count() == 0
    assert page.get_by_label("seed").input_value() == "0"


def test_the_seed_decides_the_sample(open_figure: OpenFigure) -> None:
    page = open_figure()
    press(page, "Sample the prior")
    first = z_of(page)
    press(page, "Sample the prior")
    second = z_of(page)
    assert first != second
    page.get_by_label("seed").fill("1")
    page.get_by_label("seed").press("Enter")
    settle(page)
    assert z_of(page) == first
    other = open_figure()
    other.get_by_label("seed").fill("2")
    other.get_by_label("seed").press("Enter")
    settle(other)
    assert z_of(other) == second


def test_a_link_restores_the_state(open_figure: OpenFigure) -> None:
    page = open_figure(permissions=["clipboard-read", "clipboard-write"])
    draw_a_three(page)
    press(page, WALK)
    press(page, "Pause")
    page.get_by_label("to", exact=True).select_option("7")
    press(page, "Pause")
    codes_toggle(page).check()
    page.get_by_role("slider", name="z 2").fill("1.5")
    settle(page)
    press(page, "Copy link")
    link = page.evaluate("navigator.clipboard.readText()")
    other = open_figure(link[link.index("#") :])
    expect(codes_toggle(other)).to_be_checked()
    assert z_of(other) == z_of(page)
    assert other.get_by_label("to", exact=True).input_value() == "7"
    readouts = [p.locator(".gm-own dd.gm-number").all_inner_texts() for p in (page, other)]
    assert readouts[0] == readouts[1]
    assert inked(other) == inked(page) > 0


def draw_a_three(page: Page) -> None:
    press(page, OWN)
    box = page.locator(".gm-pad").bounding_box()
    assert box is not None
    points = [
        (0.3, 0.2),
        (0.6, 0.22),
        (0.65, 0.4),
        (0.42, 0.5),
        (0.68, 0.62),
        (0.6, 0.82),
        (0.3, 0.8),
    ]
    for k, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    settle(page)


def test_the_readers_own_digit_is_encoded(open_figure: OpenFigure) -> None:
    page = open_figure()
    draw_a_three(page)
    assert inked(page) > 40
    reconstruction, kl, elbo, _ = (
        float(text.replace("−", "-"))
        for text in page.locator(".gm-own dd.gm-number").all_inner_texts()
    )
    assert reconstruction < 0 < kl
    assert elbo == pytest.approx(reconstruction - kl, abs=0.11)
    assert page.locator(".gm-posterior").is_visible()
    press(page, "Clear")
    assert inked(page) == 0
    assert page.locator(".gm-own dd.gm-number").nth(2).inner_text() == "–"


@pytest.mark.parametrize(
    "state",
    [
        "z=abc&x=%25%25&walk=77,1&seed=-3&codes=7&other=1",
        "z=1&x=three&walk=2&seed=1.5&codes=",
        "z=1,2,3&x=AAAA&walk=,&seed=,&__proto__=1",
    ],
)
def test_a_link_that_makes_no_sense_is_ignored(open_figure: OpenFigure, state: str) -> None:
    page, plain = open_figure(f"#latent-plane?{state}"), open_figure()
    assert page.locator(".gm-live").inner_text() == plain.locator(".gm-live").inner_text()


def test_a_link_within_the_page_moves_the_figure(open_figure: OpenFigure) -> None:
    page = open_figure()
    page.evaluate("location.hash = 'latent-plane?z=2,-1'")
    page.wait_for_timeout(100)
    settle(page)
    assert z_of(page) == (2, -1)


# --- loading


def test_nothing_loads_until_the_figure_is_near(site: str, open_page: OpenPage) -> None:
    asked: list[str] = []
    page = open_page(
        f"{site}pages/far.html",
        prepare=lambda page: page.on("request", lambda request: asked.append(request.url)),
    )
    page.wait_for_timeout(300)
    assert not [url for url in asked if "latent-plane" in url]
    page.evaluate("scrollTo(0, 3500)")
    page.wait_for_selector(LIVE)
    assert len([url for url in asked if "latent-plane" in url]) == 2


def test_a_page_without_javascript_keeps_the_picture(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}pages/near.html", java_script_enabled=False)
    picture = page.get_by_role("img", name="plane of latent codes")
    assert picture.is_visible()
    box, figure = picture.bounding_box(), page.locator(".gm-live").bounding_box()
    assert box is not None
    assert figure is not None
    assert figure["height"] - box["height"] < 60, "no room is kept for what will not come"
    assert page.get_by_text("The keyhole.").is_visible()


@pytest.mark.parametrize("damage", ["missing", "one bit", "cut short", "another page", "no module"])
def test_without_its_files_the_figure_is_a_picture_and_a_sentence(
    site: str, open_page: OpenPage, damage: str
) -> None:
    whole = (STATIC / "latent-plane.bin").read_bytes()
    bodies = {
        "one bit": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "cut short": whole[: len(whole) // 2],
        "another page": b"<!doctype html><title>Sign in</title>",
    }

    def prepare(page: Page) -> None:
        pattern = "**/latent-plane.mjs*" if damage == "no module" else "**/latent-plane.bin*"
        if damage in bodies:
            page.route(pattern, lambda route: route.fulfill(body=bodies[damage]))
        else:
            page.route(pattern, lambda route: route.fulfill(status=404))

    page = open_page(f"{site}pages/near.html", prepare=prepare, errors_expected=True)
    page.wait_for_selector("[data-gm-state=failed]")
    assert page.get_by_role("img", name="plane of latent codes").is_visible()
    assert page.get_by_text("This figure could not start").is_visible()
    assert page.get_by_role("button").count() == 0


# --- budgets: what the page's main thread works, so that a busy machine does not fail them


def worked(page: Page) -> CDPSession:
    """A session that counts the processor time of the page's main thread from now on."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def milliseconds(session: CDPSession) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(1000 * m["value"] for m in metrics if m["name"] == "TaskDuration")


def test_it_is_ready_within_half_a_second(site: str, open_page: OpenPage) -> None:
    times = []
    for _ in range(3):
        page = open_page(f"{site}pages/empty.html")
        session = worked(page)
        page.goto(f"{site}pages/near.html")
        page.wait_for_selector(LIVE)
        settle(page)
        times.append(milliseconds(session))
    assert statistics.median(times) < 500, times


def test_input_is_painted_within_50_milliseconds(open_figure: OpenFigure) -> None:
    page = open_figure()
    for name in (WALK, "Pause", OWN, "Data table"):
        press(page, name)
    page.get_by_label("or take a test digit").select_option("5")
    page.wait_for_timeout(700)
    session = worked(page)
    before = milliseconds(session)
    page.evaluate(
        """async () => {
            const slider = document.querySelector(".gm-sliders input");
            for (let i = 0; i < 30; i++) {
                slider.value = -3 + i / 5;
                slider.dispatchEvent(new Event("input"));
                await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
            }
        }"""
    )
    assert (milliseconds(session) - before) / 30 < 50


def test_the_code_is_small() -> None:
    code = (STATIC / "latent-plane.mjs").read_bytes()
    assert len(gzip.compress(code, 9)) <= 15_000
    assert (STATIC / "loader.mjs").stat().st_size <= 5_000
