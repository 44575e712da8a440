"""What a page of HTML points at, and the places in it that can be pointed at."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Addresses(HTMLParser):
    """`links` a reader can follow, `loads` that the page fetches, and the `ids` within it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    @classmethod
    def of(cls, file: Path) -> "Addresses":
        return cls(file.read_text(encoding="utf8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif value and name in ("href", "src") and tag not in ("use", "symbol"):
                (self.links if tag == "a" else self.loads).append(value)


def reachable(root: Path, *first: str) -> list[str]:
    """The pages under `root` that links lead to from the `first` ones, these included."""
    found, waiting = set(), [(root / name).resolve() for name in first]
    while waiting:
        page = waiting.pop()
        if page in found or page.suffix != ".html" or not page.is_file():
            continue
        found.add(page)
        for link in Addresses.of(page).links:
            parts = urlsplit(link)
            if not parts.scheme and parts.path:
                waiting.append((page.parent / unquote(parts.path)).resolve())
    return sorted(page.relative_to(root.resolve()).as_posix() for page in found)
