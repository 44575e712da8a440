"""Live figures: their files travel with the book, and their loader with the pages that show one.

`gencourse/widgets/static/` holds the loader, the bundles and the weights. Everything in it is
copied to `_static/live/`; `pages` links the loader where a page has a `data-gm` element.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

from .source_pages import root_of


def copy_files(app: Sphinx, exception: Exception | None) -> None:
    folder = root_of(app.env) / "gencourse" / "widgets" / "static"
    if exception is None and app.builder.format == "html" and folder.is_dir():
        copy_asset(folder, Path(app.outdir, "_static", "live"))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", copy_files)
