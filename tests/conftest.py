"""The browser is one for all tests of a process: Playwright refuses a second beside it."""

from tests.browser_fixtures import browser, open_page, serve

__all__ = ["browser", "open_page", "serve"]
