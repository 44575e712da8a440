"""A small site with live figures, served as the book serves them: no kernel, files beside it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from gencourse import widgets
from gencourse.widgets import LatentPlane
from gencourse.widgets.base import STATIC
from tests.browser_fixtures import OpenPage, Serve
from tests.widgets.cases import Case, OpenCase

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A page with a live figure</title>
<link rel="stylesheet" href="../_static/live/live.css">
<style>
@font-face {{ font-family: Inter; src: url(../_static/fonts/inter-latin-wght-normal.woff2) }}
body {{ margin: 0; font: 18px/1.6 serif; color: #1d232b; background: #fff }}
[data-theme=dark] body {{ color: #e6e9ee; background: #14181f }}
main {{ max-width: 41rem; margin: auto; padding: 0 16px }}
</style>
<script>
const theme = new URLSearchParams(location.search).get("theme");
document.documentElement.dataset.theme = theme ?? "light";
</script>
<script type="module" src="../_static/live/loader.mjs"></script>
</head>
<body><main><h1>A page</h1><div style="height: {above}px"></div>{figure}<p id="after">Text.</p>
<div style="height: 3000px"></div></main></body>
</html>
"""

BOOK_FONTS = Path(__file__).parents[2] / "book" / "_static" / "fonts"

LIVE = "[data-gm-state=live]"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> str:
    """The address of the site: pages/near.html has a figure in view, pages/far.html one below.

    So have NAME-near.html and NAME-far.html for every figure.
    """
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(STATIC, folder / "_static" / "live")
    shutil.copytree(BOOK_FONTS, folder / "_static" / "fonts")
    (folder / "pages").mkdir()
    figures = {"": LatentPlane(number="2.1").to_html()}
    for each in widgets.__all__:
        figure = getattr(widgets, each)
        figures[f"{figure.name}-"] = figure().to_html()
    for name, figure in figures.items():
        for place, above in (("near", 0), ("far", 4000)):
            page = PAGE.format(figure=figure, above=above)
            (folder / "pages" / f"{name}{place}.html").write_text(page)
    (folder / "pages" / "empty.html").write_text("<!doctype html><title>An empty page</title>")
    (folder / "favicon.ico").touch()
    return serve(folder)


@pytest.fixture
def open_figure(site: str, open_page: OpenPage) -> Callable[..., Page]:
    """open_figure(tail="", **options) opens the page with the figure in view, once it is live."""

    def open_figure(tail: str = "", **options: object) -> Page:
        page = open_page(f"{site}pages/near.html{tail}", **options)
        page.wait_for_selector(LIVE)
        return page

    return open_figure


@pytest.fixture
def open_case(site: str, open_page: OpenPage) -> OpenCase:
    """open_case(case, state="", theme="light", **options): the figure in that state, once live."""

    def open_case(case: Case, state: str = "", theme: str = "light", **options: object) -> Page:
        name = case.figure.name
        page = open_page(f"{site}pages/{name}-near.html?theme={theme}#{name}?{state}", **options)
        page.wait_for_selector(LIVE)
        return page

    return open_case
