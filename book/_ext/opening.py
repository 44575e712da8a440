"""How a chapter opens: its verb and mark above the title, its promise and a line of facts below.

    # The VAE and the bound it climbs

    ```{opening} compress
    :promise: one sentence that the chapter keeps
    :minutes: 50
    :needs: Gaussians, the chain rule of calculus
    :outcome: derive, train and break one
    ```

The verb names the family, and with it the colour of the page. `map` is for chapters about all.
"""

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .elements import inline_element, mark, text_element

VERBS = {
    "map": "Map",
    "compress": "Compress",
    "contest": "Contest",
    "invert": "Invert",
    "chain": "Chain",
    "denoise": "Denoise",
}


def verb(argument: str) -> str:
    return directives.choice(argument, tuple(VERBS))


class Opening(SphinxDirective):
    required_arguments = 1
    option_spec: ClassVar = {
        "promise": directives.unchanged_required,
        "minutes": directives.positive_int,
        "needs": directives.unchanged_required,
        "outcome": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        name = verb(self.arguments[0])
        self.env.metadata[self.env.docname]["verb"] = name

        label = text_element("p", mark(name), nodes.Text(VERBS[name]), classes=["opening-verb"])
        following: list[nodes.Node] = []
        if "promise" in self.options:
            plain = self.options["promise"].replace("$", "").replace("\\", "")
            self.env.metadata[self.env.docname].setdefault("description", plain)
            inline, messages = self.parse_inline(self.options["promise"])
            following += [text_element("p", *inline, classes=["opening-promise"]), *messages]
        facts: list[list[nodes.Node]] = []
        if "minutes" in self.options:
            facts.append([nodes.Text(f"{self.options['minutes']} minutes")])
        for option, words in (("needs", "needs: "), ("outcome", "you will ")):
            if option in self.options:
                inline, messages = self.parse_inline(self.options[option])
                facts.append([nodes.Text(words), *inline])
                following += messages
        if facts:
            items = (inline_element("span", *fact) for fact in facts)
            following.append(text_element("p", *items, classes=["opening-facts"]))

        return [label, *following]


def place_verbs(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Move the verb above the title: late, since a section's first child is taken for its title."""
    for label in list(doctree.findall(text_element)):
        if "opening-verb" in label["classes"] and isinstance(label.parent, nodes.section):
            section = label.parent
            section.remove(label)
            section.insert(0, label)


def setup(app: Sphinx) -> None:
    app.add_directive("opening", Opening)
    app.connect("doctree-resolved", place_verbs)
