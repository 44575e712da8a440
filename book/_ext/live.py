"""Live figures: their files, their numbers, and a directive for pages that have no kernel.

`gencourse/widgets/static/` holds the loader, the bundles and the weights. Everything in it is
copied to `_static/live/`; `pages` links the loader where a page has a `data-gm` element.

In a chapter a live figure is the output of a cell, `LatentPlane(number="2.1")`, because the
notebook needs its number too. Here it takes its place among the numbered figures, and a number that
is not the one due is an error. A page without a kernel writes

    ```{live-figure} LatentPlane
    :caption: HTML in place of the figure's own caption
    ```
"""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

from .source_pages import root_of

logger = logging.getLogger(__name__)

CLAIMED = re.compile(r"<figcaption>\s*<b>Figure ([\d.]+)\.")
ANCHOR = re.compile(r'id="([^"]+)" data-gm=')


class numbered_figure(nodes.General, nodes.Element):
    """A cell's output that counts as a figure and says which one it is."""


def number_figures(app: Sphinx, doctree: nodes.document) -> None:
    for raw in list(doctree.findall(nodes.raw)):
        text = raw.astext()
        claimed, anchor = CLAIMED.search(text), ANCHOR.search(text)
        if claimed and anchor:
            figure = numbered_figure("", ids=[f"figure-{anchor[1]}"], claims=claimed[1])
            output = outermost_output(raw)
            output.replace_self(figure)
            figure += output


def outermost_output(raw: nodes.Element) -> nodes.Element:
    """The whole output of the cell that the HTML belongs to, in all its formats."""
    node = raw
    while node.parent is not None and node.get("nb_element") != "cell_code_output":
        node = node.parent
    return node if node.parent is not None else raw


def check_number(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for figure in list(doctree.findall(numbered_figure)):
        numbers = app.env.toc_fignumbers.get(docname, {}).get("figure", {})
        due = ".".join(map(str, numbers.get(figure["ids"][0], ())))
        if due != figure["claims"]:
            logger.error(
                'this live figure is number %s here, and says that it is %s: write number="%s"',
                due,
                figure["claims"],
                due,
                location=figure[0],
            )
        figure.replace_self(figure.children)


class LiveFigureDirective(SphinxDirective):
    required_arguments = 1
    option_spec: ClassVar = {"caption": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        from gencourse import widgets

        make = cast(Callable[..., Any], getattr(widgets, self.arguments[0], None))
        if make is None:
            logger.error(
                "gencourse.widgets has no live figure %s",
                html.escape(self.arguments[0]),
                location=self.get_location(),
            )
            return []
        for file in sorted(static_folder(self.env.app).iterdir()):
            self.env.note_dependency(str(file))
        figure = make(**({"caption": self.options["caption"]} if self.options else {}))
        return [nodes.raw("", figure.to_html(), format="html")]


def static_folder(app: Sphinx) -> Path:
    return root_of(app.env) / "gencourse" / "widgets" / "static"


def copy_files(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html" and static_folder(app).is_dir():
        copy_asset(static_folder(app), Path(app.outdir, "_static", "live"))


def setup(app: Sphinx) -> None:
    app.add_directive("live-figure", LiveFigureDirective)
    app.add_enumerable_node(numbered_figure, "figure", title, html=(pass_over, pass_over))
    app.connect("doctree-read", number_figures)
    app.connect("doctree-resolved", check_number)
    app.connect("build-finished", copy_files)


def title(figure: nodes.Node) -> str:
    """Sphinx numbers only what has a title; a live figure's stands in its caption."""
    return "Live figure"


def pass_over(self: nodes.NodeVisitor, node: nodes.Element) -> None:
    """It has been replaced by what it holds before anything is written."""
