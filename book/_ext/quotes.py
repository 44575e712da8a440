"""Quoting the package: a chapter shows a function as it stands, never a copy that can grow old.

    ```{quote-function} gencourse.families.vae.elbo
    ```

prints its source without the docstring (`:docstring:` keeps it) and a link to its place in
the file.
"""

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .elements import element, text_element
from .source import find_object
from .source_pages import root_of, source_link

logger = logging.getLogger(__name__)


class QuoteFunction(SphinxDirective):
    required_arguments = 1
    option_spec: ClassVar = {"docstring": directives.flag}

    def run(self) -> list[nodes.Node]:
        root = root_of(self.env)
        try:
            found = find_object(root, self.arguments[0])
        except LookupError as reason:
            logger.error("quote-function: %s", reason, location=self.get_location())
            return []
        text = found.lines(root, docstring="docstring" in self.options)
        code = nodes.literal_block(text, text, language="python")
        self.set_source_info(code)
        link = source_link(self.env, found, found.path)
        caption = text_element("p", nodes.Text("quoted from "), link, classes=["quote-link"])
        return [element("div", code, caption, classes=["quote"])]


def setup(app: Sphinx) -> None:
    app.add_directive("quote-function", QuoteFunction)
