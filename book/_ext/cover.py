"""The cover: a card for each family, with its route drawn, its verb and one sentence; ways in.

    :::{family-card} compress
    :name: Variational autoencoder
    :chapter: notebooks/02-vae
    Squeeze each image into a short code ...
    :::

The pictures are drawn by `python -m tools.cover`. They stand in the page itself, where they take
its colours.
"""

from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .elements import element, inline_element, mark, text_element
from .opening import VERBS, verb

logger = logging.getLogger(__name__)

FAMILIES = {
    "compress": "variational autoencoders",
    "contest": "generative adversarial networks",
    "invert": "normalising flows",
    "chain": "autoregressive models",
    "denoise": "diffusion, score matching, flow matching and consistency models",
}

PICTURES = Path(__file__).resolve().parents[1] / "_cover"


class chapter_link(nodes.reference):
    """A link to a chapter, or to a place in it after a `#`."""


def resolve_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for link in list(doctree.findall(chapter_link)):
        chapter, hash_sign, place = link["chapter"].partition("#")
        if chapter not in app.env.found_docs:
            logger.error("family-card: there is no chapter %s", chapter, location=link)
        address = app.builder.get_relative_uri(docname, chapter) + hash_sign + place
        link.replace_self(nodes.reference("", "", *link.children, refuri=address, internal=True))


class FamilyCards(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        return [element("div", *self.parse_content_to_nodes(), classes=["family-cards"])]


class FamilyCard(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {
        "name": directives.unchanged_required,
        "chapter": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        name = verb(self.arguments[0])
        picture = (PICTURES / f"{name}.svg").read_text(encoding="utf8")
        link = chapter_link("", VERBS[name], chapter=self.options["chapter"])
        heading = text_element("p", mark(name), nodes.Text(" "), link, classes=["card-verb"])
        family = text_element("p", nodes.Text(self.options["name"]), classes=["card-name"])
        words = element(
            "div", heading, family, *self.parse_content_to_nodes(), classes=["card-words"]
        )
        drawn = nodes.raw("", picture, format="html")
        return [element("div", drawn, words, classes=["family-card"], html={"data-verb": name})]


class Ways(SphinxDirective):
    """Ways into the book, side by side where there is room."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        return [element("div", *self.parse_content_to_nodes(), classes=["ways"])]


class Way(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        title = text_element("p", nodes.Text(self.arguments[0]), classes=["way-title"])
        return [element("div", title, *self.parse_content_to_nodes(), classes=["way"])]


class FamilyTable(SphinxDirective):
    """The families' verbs, marks and names, each in its colour."""

    def run(self) -> list[nodes.Node]:
        rows = [
            element(
                "li",
                mark(name),
                inline_element("span", text=VERBS[name], classes=["family-verb"]),
                inline_element("span", text=family),
                html={"data-verb": name},
            )
            for name, family in FAMILIES.items()
        ]
        return [element("ul", *rows, classes=["family-table"])]


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", resolve_links)
    app.add_directive("family-cards", FamilyCards)
    app.add_directive("family-card", FamilyCard)
    app.add_directive("family-table", FamilyTable)
    app.add_directive("ways", Ways)
    app.add_directive("way", Way)
