"""A real Chromium for the tests. tests/conftest.py makes the fixtures known to all:

from tests.browser_fixtures import browser, open_page, serve
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from tools.system import chromium

__all__ = ["OpenPage", "Serve", "browser", "open_page", "serve"]

OpenPage = Callable[..., Page]
Serve = Callable[[Path], str]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _Files(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, with a profile of its own. Missing, it fails in CI and skips elsewhere."""
    path = chromium()
    if path is None:
        message = "no Chromium: run `python -m tools.system`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """serve(folder) makes a folder's files available at the address it returns, ending in /."""
    servers: dict[Path, ThreadingHTTPServer] = {}

    def serve(folder: Path) -> str:
        if folder not in servers:
            handler = partial(_Files, directory=str(folder))
            servers[folder] = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            Thread(target=servers[folder].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[folder].server_port}/"

    yield serve
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """open_page(url, width=..., height=..., prepare=..., **context) opens a page of its own.

    `prepare(page)` runs before the page loads. When the test ends, it fails on what no page may do:
    ask another host for anything, log an error, or throw; unless `errors_expected=True`.
    """
    contexts = []
    problems: list[str] = []

    def open_page(
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        prepare: Callable[[Page], object] | None = None,
        errors_expected: bool = False,
        **context: Any,
    ) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)

        def keep_home(route: Route) -> None:
            if urlsplit(route.request.url).hostname == "127.0.0.1":
                route.fallback()
            else:
                problems.append(f"a request to another host: {route.request.url}")
                route.abort()

        def note(message: ConsoleMessage) -> None:
            if message.type == "error" and not errors_expected:
                problems.append(f"the console says: {message.text} ({message.location})")

        page.route("http*://**/*", keep_home)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(f"an uncaught error: {error}"))
        if prepare:
            prepare(page)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems, problems
