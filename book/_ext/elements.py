"""Document nodes that stand for plain HTML elements, so that a directive can say what it wants.

`element("aside", classes=[...])` renders as exactly that tag with exactly those classes. (Docutils'
own `container` would add the class `container`, which Bootstrap's grid gives a width of its own.)
Other builders print the children and nothing else.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

__all__ = ["element", "inline_element", "mark", "text_element", "visitors"]


class element(nodes.General, nodes.Element):
    """A block: `<tag class="..." attr="...">children</tag>`."""

    def __init__(self, tag: str = "div", *children: nodes.Node, **attributes: Any) -> None:
        html = attributes.pop("html", {})
        super().__init__("", *children, **attributes)
        self["tag"] = tag
        self["html"] = html


class text_element(nodes.General, nodes.TextElement):
    """A block that holds a line of text, as `<p>` and `<summary>` do."""

    def __init__(self, tag: str = "p", *children: nodes.Node, **attributes: Any) -> None:
        html = attributes.pop("html", {})
        super().__init__("", "", *children, **attributes)
        self["tag"] = tag
        self["html"] = html


class inline_element(nodes.inline):
    """The same, within a line of text."""

    def __init__(
        self, tag: str = "span", *children: nodes.Node, text: str = "", **attributes: Any
    ) -> None:
        html = attributes.pop("html", {})
        if text:
            children = (nodes.Text(text), *children)
        super().__init__("", "", *children, **attributes)
        self["tag"] = tag
        self["html"] = html


def mark(name: str) -> nodes.raw:
    """The sign of a family or of a box, taken from the page's own sheet of symbols."""
    return nodes.raw(
        "", f'<svg class="mark" aria-hidden="true"><use href="#mark-{name}"/></svg>', format="html"
    )


def _visit(self: HTML5Translator, node: nodes.Element) -> None:
    suffix = "\n" if isinstance(node, element) else ""
    self.body.append(self.starttag(node, node["tag"], suffix, **node["html"]))


def _depart(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append(f"</{node['tag']}>" + ("" if isinstance(node, inline_element) else "\n"))


def _pass(self: nodes.NodeVisitor, node: nodes.Element) -> None:
    pass


def visitors() -> dict[str, Any]:
    """What `app.add_node` needs for these nodes and for the kinds derived from them."""
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (_pass, _pass))
    return {"html": (_visit, _depart), **others}


def setup(app: Sphinx) -> None:
    for node in (element, text_element, inline_element):
        app.add_node(node, **visitors())
