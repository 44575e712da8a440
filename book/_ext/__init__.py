"""The Sphinx side of the course: the dialect of its chapters and the look of its pages.

One module holds one idea and says at its top what it is for. Each has a `setup(app)`; this
file lists them, and leaving one out of the list takes its idea out of the book.
"""

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from . import (
    boxes,
    depth,
    elements,
    equations,
    exercises,
    katex,
    margin,
    numbers,
    opening,
    pages,
    quotes,
    source_pages,
)

MODULES = (
    elements,
    opening,
    pages,
    depth,
    boxes,
    katex,
    margin,
    equations,
    exercises,
    quotes,
    source_pages,
    numbers,
)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_config_value("course_root", None, "env", types=(str, type(None)))
    for module in MODULES:
        module.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
