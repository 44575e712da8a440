"""Boxes: what they are is said by a word and a mark, never by a loud fill.

    :::{misconception} blur means the posterior collapsed
    They are different failures. ...
    :::

`insight`, `misconception`, `try`, `shortcut` and `frontier` take a title. `selfcheck` takes a
question and folds its answer. `objectives` and `summary-card` frame a chapter's two ends.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .elements import element, inline_element, mark, text_element

WORDS = {
    "insight": "Key insight",
    "misconception": "Misconception",
    "try": "Try this",
    "shortcut": "Library shortcut",
    "frontier": "Research frontier",
}


class Box(SphinxDirective):
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        word = inline_element("span", text=WORDS[self.name], classes=["box-word"])
        heading: list[nodes.Node] = [mark(self.name), word]
        messages: list[nodes.system_message] = []
        if self.arguments:
            inline, messages = self.parse_inline(self.arguments[0])
            heading += [nodes.Text(": "), *inline]
        title = text_element("p", *heading, classes=["box-title"])
        body = self.parse_content_to_nodes()
        return [element("div", title, *body, classes=["box", f"box-{self.name}"]), *messages]


class SelfCheck(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        inline, messages = self.parse_inline(self.arguments[0])
        question = text_element("summary", inline_element("span", *inline))
        answer = element("div", *self.parse_content_to_nodes(), classes=["selfcheck-answer"])
        return [element("details", question, answer, classes=["selfcheck"]), *messages]


class Framed(SphinxDirective):
    has_content = True
    words = ""

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        title = text_element("p", nodes.Text(self.words), classes=["frame-title"])
        return [element("div", title, *self.parse_content_to_nodes(), classes=[self.name])]


class Objectives(Framed):
    words = "After this chapter you can"


class SummaryCard(Framed):
    words = "The chapter on one card"


def setup(app: Sphinx) -> None:
    for name in WORDS:
        app.add_directive(name, Box)
    app.add_directive("selfcheck", SelfCheck)
    app.add_directive("objectives", Objectives)
    app.add_directive("summary-card", SummaryCard)
