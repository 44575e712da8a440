"""The depth of reading: switched, remembered, linked to, and never in the way."""

import pytest
from playwright.sync_api import Page

from tests.browser_fixtures import OpenPage

pytestmark = pytest.mark.browser

PAGE = "book/how-to-read.html"


def shown(page: Page) -> list[str]:
    """The depths whose block, on the page about depths, is visible."""
    return [
        depth
        for depth in ("idea", "working", "research")
        if page.locator(f"article .depth-{depth}").first.is_visible()
    ]


def pressed(page: Page) -> list[str]:
    return [b.inner_text() for b in page.locator(".depth-switch [aria-pressed=true]").all()]


def test_a_new_reader_starts_at_working(open_page: OpenPage, site: str) -> None:
    page = open_page(site + PAGE)
    assert shown(page) == ["working"]
    assert pressed(page) == ["Working"]


@pytest.mark.parametrize(
    ("name", "visible"),
    [("Idea", ["idea"]), ("Working", ["working"]), ("Research", ["working", "research"])],
)
def test_the_switch_shows_a_depth_and_all_above_it(
    open_page: OpenPage, site: str, name: str, visible: list[str]
) -> None:
    page = open_page(site + PAGE)
    page.get_by_role("button", name=name, exact=True).click()
    assert shown(page) == visible
    assert pressed(page) == [name]


def test_the_switch_works_from_the_keyboard(open_page: OpenPage, site: str) -> None:
    page = open_page(site + PAGE)
    page.get_by_role("button", name="Working", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert pressed(page) == ["Research"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert pressed(page) == ["Idea"]


def test_the_choice_is_remembered_on_the_next_page(open_page: OpenPage, site: str) -> None:
    page = open_page(site + PAGE)
    page.get_by_role("button", name="Idea", exact=True).click()
    page.goto(f"{site}notebooks/02-vae.html")
    assert pressed(page) == ["Idea"]


def test_a_link_can_carry_the_depth(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}?depth=research")
    assert shown(page) == ["working", "research"]
    page.goto(f"{site}{PAGE}?depth=idea")
    assert shown(page) == ["idea"]
    page.goto(f"{site}{PAGE}?depth=nonsense")
    assert shown(page) == ["idea"]  # as remembered


def test_choosing_after_such_a_link_changes_the_address_too(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}?depth=research")
    page.get_by_role("button", name="Idea", exact=True).click()
    assert page.url.endswith("?depth=idea")
    page.reload()
    assert shown(page) == ["idea"]


def test_the_depth_is_known_before_anything_is_painted(open_page: OpenPage, site: str) -> None:
    def watch(page: Page) -> None:
        page.add_init_script(
            """new MutationObserver(() => {
              if (document.body) window.atBody ??= document.documentElement.dataset.depth;
            }).observe(document, { childList: true, subtree: true });"""
        )

    page = open_page(f"{site}{PAGE}?depth=research", prepare=watch)
    assert page.evaluate("window.atBody") == "research"


def test_a_link_into_hidden_text_changes_the_depth(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}?depth=idea")
    page.evaluate("document.querySelector('article .depth-research').id = 'hidden-place'")
    page.evaluate("location.hash = 'hidden-place'")
    page.locator("#hidden-place").wait_for(state="visible")
    assert pressed(page) == ["Research"]
    assert page.locator("#hidden-place").bounding_box()["y"] < 900


def test_a_link_to_what_is_shown_leaves_the_depth_alone(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}?depth=idea#equations")
    assert pressed(page) == ["Idea"]


def test_the_line_being_read_stays_where_it_is(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}?depth=idea", width=390)
    heading = page.locator("#boxes h2")
    heading.scroll_into_view_if_needed()
    page.evaluate("scrollBy(0, document.querySelector('#boxes').getBoundingClientRect().y - 200)")
    before = heading.bounding_box()["y"]
    # Not click(), which scrolls to bring what it clicks into view.
    page.get_by_role("button", name="Research", exact=True).dispatch_event("click")
    assert page.locator("article .depth-research").first.is_visible()
    assert heading.bounding_box()["y"] == pytest.approx(before, abs=3)


def test_the_navigation_lists_only_what_is_shown(open_page: OpenPage, site: str) -> None:
    for name in ("notebooks/01-map.html", "notebooks/02-vae.html"):
        page = open_page(f"{site}{name}?depth=idea", width=1400)
        for link in page.locator(".sections a").all():
            target = (link.get_attribute("href") or "").lstrip("#")
            assert link.is_visible() == page.locator(f"[id='{target}']").is_visible()


def test_without_scripts_everything_is_there(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}", java_script_enabled=False)
    assert shown(page) == ["idea", "working", "research"]
    assert not page.locator(".depth-switch").is_visible()
    assert page.locator(".margin-body").first.is_visible()


def test_paper_shows_the_chosen_depth_and_no_furniture(open_page: OpenPage, site: str) -> None:
    page = open_page(f"{site}{PAGE}?depth=research", color_scheme="dark")
    page.emulate_media(media="print")
    assert shown(page) == ["working", "research"]
    for furniture in (".site-header", ".chapters", ".prev-next"):
        assert not page.locator(furniture).is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
