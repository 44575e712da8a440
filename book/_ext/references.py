"""The list of references: sorted by author and year, as the text cites them, with no label.

sphinxcontrib-bibtex links only to lists of its own kind `citation`, each entry with a label in
brackets. Here such a list becomes an ordinary one once the links are made.
"""

from docutils import nodes
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as UnsrtStyle
from sphinx.application import Sphinx

from .elements import element


class AuthorYear(UnsrtStyle):
    default_sorting_style = "author_year_title"


def make_lists(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for citation in list(doctree.findall(nodes.citation)):
        _label, *entry = citation.children
        item = element("li", *entry, ids=citation["ids"])
        before = citation.previous_sibling()
        if isinstance(before, element) and "references" in before["classes"]:
            before += item
            citation.parent.remove(citation)
        else:
            citation.replace_self(element("ul", item, classes=["references"]))


def setup(app: Sphinx) -> None:
    register_plugin("pybtex.style.formatting", "course", AuthorYear)
    app.connect("doctree-resolved", make_lists)
