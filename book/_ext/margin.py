"""Margin notes: beside their paragraph on a wide screen, folded under it on a narrow one.

The paragraph that the note belongs to.

:::{margin} Why 2 and not 20?
Two fit on a screen.
:::
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .elements import element, text_element


class Margin(SphinxDirective):
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        children: list[nodes.Node] = []
        messages: list[nodes.system_message] = []
        if self.arguments:
            inline, messages = self.parse_inline(self.arguments[0])
            children.append(text_element("p", *inline, classes=["margin-title"]))
        children += self.parse_content_to_nodes()
        note = element("div", *children, classes=["margin-note"], html={"role": "note"})
        return [note, *messages]


def setup(app: Sphinx) -> None:
    app.add_directive("margin", Margin, override=True)
