"""The built book, served to a real browser; and a way to build books of one page.

The book is built once if it is out of date. `GENCOURSE_BOOK_BUILT` names a finished one instead.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from filelock import FileLock
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tests.book.addresses import reachable
from tests.browser_fixtures import Serve

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book"))  # where the extension, _ext, stands

SOURCES = ("_config.yml", "_toc.yml", "book", "notebooks", "gencourse", "exercises")


def newest(path: Path) -> float:
    files = [f for f in [path, *path.rglob("*")] if f.suffix != ".pyc"]
    return max((f.stat().st_mtime for f in files if f.is_file()), default=0.0)


@pytest.fixture(scope="session")
def built_book() -> Path:
    """The folder of the book's pages."""
    if given := os.environ.get("GENCOURSE_BOOK_BUILT"):
        return Path(given).resolve()
    pages = ROOT / "_build" / "html"
    finished = ROOT / "_build" / ".tested"
    finished.parent.mkdir(exist_ok=True)
    with FileLock(ROOT / "_build" / ".lock"):
        sources = max(newest(ROOT / name) for name in SOURCES)
        if newest(finished) < sources:
            command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(ROOT)]
            subprocess.run([*command, "-W", "-n", "--keep-going", "-q"], check=True)
            finished.touch()
    return pages


@pytest.fixture(scope="session")
def site(built_book: Path, serve: Serve) -> str:
    """The address of the book, ending in /."""
    return serve(built_book)


@pytest.fixture(scope="session")
def pages(built_book: Path) -> list[str]:
    """Every page that a reader can reach, as an address under `site`."""
    return reachable(built_book, "book/index.html", "search.html")


@dataclass
class Built:
    """A book of one page: what the build complained of, and where the pages are."""

    folder: Path
    complaints: str

    @property
    def page(self) -> str:
        return self.read("index.html")

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf8")


CONFIGURATION = {
    "extensions": ["myst_nb", "sphinx_book_theme", "_ext"],
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {"repository_url": "https://github.com/an-owner/a-course"},
    "html_title": "A small book",
    "html_math_renderer": "katex",
    "html_use_index": False,
    "exclude_patterns": ["exercises/*"],
    "myst_enable_extensions": ["colon_fence", "dollarmath", "amsmath"],
    "nb_execution_mode": "off",
    "numfig": True,
    "math_numfig": True,
    "numfig_secnum_depth": 1,
}

PACKAGE = {
    "gencourse/__init__.py": '__version__ = "9.9.9"\n',
    "gencourse/sums.py": '''
        """Sums."""


        def total(x):
            """The sum of x.

            Formula.
            """
            return sum(x)


        class Adder:
            def add(self, a, b):
                return a + b
        ''',
    "gencourse/front/__init__.py": "from gencourse.sums import total as whole\n",
    "gencourse/checkpoints/small.json": '{"test": {"elbo": -101.26, "runs": [3, 4]}, "n": 1234}',
    "tests/test_sums.py": """
        def test_total_of_nothing_is_zero():
            assert sum([]) == 0


        class TestAdder:
            def test_adds(self):
                pass


        def helper():
            pass
        """,
}


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Built]:
    """build(text, **files) builds a book whose only chapter is `text`.

    With `builder="dummy"` the chapter is read and resolved, and no page is written.
    """

    def build(text: str, *, builder: str = "html", **files: str) -> Built:
        root = tmp_path_factory.mktemp("book")
        everything = {**PACKAGE, "index.md": text, **files}
        for name, content in everything.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(content).lstrip("\n"), encoding="utf8")
        complaints = StringIO()
        out = root / "_build" / "html"
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                root,
                None,
                out,
                root / "_build" / "doctrees",
                builder,
                confoverrides=CONFIGURATION,
                status=None,
                warning=complaints,
                freshenv=True,
            )
            app.build()
        return Built(out, complaints.getvalue())

    return build
