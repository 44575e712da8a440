"""The Sphinx side of the course: the dialect of its chapters and the look of its pages.

One module holds one idea and says at its top what it is for. Each has a `setup(app)`; this
file lists them, and leaving one out of the list takes its idea out of the book.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from . import (
    boxes,
    cells,
    cover,
    depth,
    elements,
    equations,
    execution,
    exercises,
    images,
    katex,
    live,
    margin,
    numbers,
    opening,
    pages,
    quotes,
    references,
    source_pages,
)
from .digests import digest

IDEAS = (
    elements,
    # what a chapter can say
    opening,
    depth,
    boxes,
    margin,
    equations,
    quotes,
    numbers,
    exercises,
    cover,
    # what becomes of it
    katex,
    images,
    cells,
    execution,
    source_pages,
    live,
    references,
    pages,
)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_config_value("course_root", None, "env", types=(str, type(None)))
    # A change of the dialect reads every chapter again; a change of the look writes every page.
    app.add_config_value("course_dialect", digest(Path(__file__).parent), "env")
    app.add_config_value("course_look", digest(pages.BOOK / "_static"), "html")
    for idea in IDEAS:
        idea.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
