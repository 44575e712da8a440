"""Code cells on the page: a figure comes first, and the code that drew it folds open beneath."""

import html
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator


class FoldBeneath(SphinxPostTransform):
    """Move a folded input below its output."""

    default_priority = 210  # after myst-nb, at 199, has made the fold
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for fold in list(self.document.findall(HideCodeCellNode)):
            cell = fold.parent
            if "above-input" in fold["classes"] and cell[-1] is not fold:
                cell.remove(fold)
                cell.append(fold)


def visit_fold(self: HTML5Translator, node: HideCodeCellNode) -> None:
    shown, hidden = (html.escape(node[key]) for key in ("prompt_show", "prompt_hide"))
    self.body.append(
        f'<details class="fold"><summary><span class="when-folded">{shown}</span>'
        f'<span class="when-open">{hidden}</span></summary>\n'
    )


def depart_fold(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</details>\n")


def setup(app: Sphinx) -> None:
    app.add_post_transform(FoldBeneath)
    app.add_node(HideCodeCellNode, override=True, html=(visit_fold, depart_fold))
