"""Mathematics is set by KaTeX while the book builds, so that a page needs no script to show it.

The vendored `katex.min.js` runs inside V8 (mini-racer). Each formula becomes HTML for the eye and
MathML for screen readers and for copying. What KaTeX cannot set is an error of the build, with its
place in the source.
"""

import json
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

LIBRARY = Path(__file__).parents[1] / "_static" / "vendor" / "katex" / "katex.min.js"


@cache
def engine() -> MiniRacer:
    context = MiniRacer()
    context.eval(LIBRARY.read_text(encoding="utf8"))
    return context


@cache
def set_formula(latex: str, display: bool) -> str:
    """The formula as HTML; raises `ValueError` with KaTeX's words when it cannot be set."""
    options = {
        "displayMode": display,
        "throwOnError": True,
        "strict": "error",
        "output": "htmlAndMathml",
    }
    call = f"katex.renderToString({json.dumps(latex)}, {json.dumps(options)})"
    try:
        return str(engine().eval(call))
    except JSEvalException as error:
        said = re.search(r"ParseError: (.*)", str(error))
        raise ValueError(said[1] if said else str(error).strip().splitlines()[0]) from None


def formula(node: nodes.Element, display: bool) -> str:
    try:
        return set_formula(node.astext(), display)
    except ValueError as reason:
        logger.error("KaTeX cannot set this formula: %s", reason, location=node)
        return f"<code>{nodes.unescape(node.astext())}</code>"


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(formula(node, display=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    number = get_node_equation_number(self, node) if node["number"] else ""
    label = f"equation {number}" if number else "formula"
    self.body.append(self.starttag(node, "div", CLASS="math"))
    # The formula scrolls in its own box, so that a long one never widens the page.
    self.body.append(
        f'<div class="math-scroll" data-label="{label}">{formula(node, display=True)}</div>'
    )
    if number:
        self.body.append(f'<span class="eqno">({number})</span>')
        self.add_permalink_ref(node, "Link to this equation")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_block, None))
