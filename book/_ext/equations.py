r"""Numbered equations, each with the function that computes it and the test that proves it.

    ```{equation} elbo
    :function: gencourse.families.vae.elbo
    :test: tests/families/test_vae.py::test_elbo_plus_gap_is_log_likelihood
    \log p_\theta(x) = ...
    ```

gives equation `eq-elbo`, cited as {eq}`eq-elbo`, with a quiet line under it that links both. A
function or a test that is missing, or no longer there, is an error of the build; so is a label by
any other route, since it would be an equation that nothing computes.
"""

from pathlib import Path
from typing import ClassVar, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.domains.math import MathDomain
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .elements import element, text_element
from .source import find_object, find_test
from .source_pages import root_of, source_link

logger = logging.getLogger(__name__)


class Equation(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {
        "function": directives.unchanged_required,
        "test": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        label = f"eq-{self.arguments[0]}"
        latex = "\n".join(self.content)
        block = nodes.math_block(
            latex, latex, label=label, number=None, nowrap=False, docname=self.env.docname
        )
        block["proved"] = True
        self.set_source_info(block)
        domain = cast(MathDomain, self.env.get_domain("math"))
        domain.note_equation(self.env.docname, label, location=block)
        block["number"] = domain.get_equation_number_for(label)
        target = nodes.target("", "", ids=[nodes.make_id(f"equation-{label}")])
        self.state.document.note_explicit_target(target)
        return [element("div", target, block, *self.links(label), classes=["equation"])]

    def links(self, label: str) -> list[nodes.Node]:
        """The line under the equation; what cannot be linked is reported."""
        root = root_of(self.env)
        parts: list[nodes.Node] = []
        for option, words, find in (
            ("function", "computed by ", find_object),
            ("test", "proved by ", find_test),
        ):
            wanted = self.options.get(option)
            try:
                if not wanted:
                    raise LookupError(f"it names no {option} (`:{option}:` is missing)")
                found = find(Path(root), wanted)
            except LookupError as reason:
                logger.error("equation %s: %s", label, reason, location=self.get_location())
                continue
            shown = (
                wanted.removeprefix("gencourse.")
                if option == "function"
                else found.name.split(".")[-1]
            )
            if parts:
                parts.append(nodes.Text(" · "))
            parts += [nodes.Text(words), source_link(self.env, found, shown)]
        return [text_element("p", *parts, classes=["equation-links"])] if parts else []


def refuse_other_labels(app: Sphinx, doctree: nodes.document) -> None:
    for block in doctree.findall(nodes.math_block):
        if block.get("label") and not block.get("proved"):
            logger.error(
                "an equation labelled by another route (%s): write it with the directive "
                "{equation}, which names its function and its test, or drop the label",
                block["label"],
                location=block,
            )


def setup(app: Sphinx) -> None:
    app.add_directive("equation", Equation)
    app.connect("doctree-read", refuse_other_labels)
