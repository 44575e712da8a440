"""Margin notes: beside their paragraph on a wide screen, folded under it on a narrow one.

    The paragraph that the note belongs to.

    :::{margin} Why 2 and not 20?
    Two fit on a screen.
    :::

The note is kept in one element with the block before it. There it can float beside that block's
first line, and come after it where there is no margin to float in.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from .elements import element, inline_element, text_element, visitors


class margin_note(element):
    """A note, until it has been put beside its block."""


class Margin(SphinxDirective):
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        content = self.parse_content_to_nodes()
        messages: list[nodes.system_message] = []
        if self.arguments:
            inline, messages = self.parse_inline(self.arguments[0])
            summary = text_element("summary", inline_element("span", *inline))
            body = element("div", *content, classes=["margin-body"])
            content = [element("details", summary, body, html={"open": ""})]
        note = margin_note("div", *content, classes=["margin-note"], html={"role": "note"})
        return [note, *messages]


class PutBeside(SphinxTransform):
    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for note in list(self.document.findall(margin_note)):
            parent, index = note.parent, note.parent.index(note)
            block = parent[index - 1] if index else None
            if isinstance(block, element) and "noted" in block["classes"]:
                # A second note on the same block follows the first.
                parent.remove(note)
                block.insert(len(block) - 1, note)
            elif isinstance(block, nodes.Body | nodes.General) and not isinstance(
                block, nodes.Invisible
            ):
                depth = [name for name in block["classes"] if name.startswith("depth-")]
                together = element("div", classes=["noted", *depth])
                parent.replace(block, together)
                parent.remove(note)
                together += [note, block]


def setup(app: Sphinx) -> None:
    app.add_directive("margin", Margin, override=True)
    app.add_transform(PutBeside)
    app.add_node(margin_note, **visitors())
