"""A chapter's notebook says what its page says: the same numbers, the same sources."""

import html
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(ROOT.glob("notebooks/*.ipynb"))

every_chapter = pytest.mark.parametrize("notebook", CHAPTERS, ids=[p.stem for p in CHAPTERS])


def prose(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@every_chapter
def test_a_notebook_numbers_as_the_page_does(built_book: Path, notebook: Path) -> None:
    page = (built_book / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf8")
    text = prose(notebook)
    equations = re.findall(r'class="eqno">\(([\d.]+)\)', page)
    assert re.findall(r"\\tag\{([\d.]+)\}", text) == equations
    figures = re.findall(r'class="caption-number">Figure ([\d.]*\d)', page)
    assert re.findall(r"^_Figure ([\d.]+)\. ", text, re.MULTILINE) == figures
    (chapter,) = re.findall(r'<h1>\s*<span class="section-number">([\d.]+)', page)
    assert text.startswith(f"# {chapter} ")


@every_chapter
def test_a_notebook_cites_as_the_page_does(built_book: Path, notebook: Path) -> None:
    page = (built_book / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf8")
    words = html.unescape(re.sub(r"<[^>]+>", "", page)).replace("\xa0", " ")
    cited = re.findall(r"\[([^\[\]]+?),? \(?(\d{4}[a-z]?)\)?\]\(", prose(notebook))
    missing = [
        (authors, year)
        for authors, year in cited
        if not re.search(re.escape(authors.replace("*", "")) + rf",? [\[(]?{year}", words)
    ]
    assert cited
    assert missing == []
