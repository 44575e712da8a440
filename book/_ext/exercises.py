"""The way from a chapter to its exercise: open it in Colab, or download it.

    ```{exercise-link} 02-vae
    ```

Both links take the notebook of the release that the page was built from; the repository's address
stands in `_config.yml` and nowhere else.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .elements import element, inline_element, text_element
from .source_pages import root_of

logger = logging.getLogger(__name__)


class ExerciseLink(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = f"exercises/{self.arguments[0]}.ipynb"
        file = root_of(self.env) / path
        if not file.is_file():
            logger.error("exercise-link: there is no %s", path, location=self.get_location())
            return []
        self.env.note_dependency(str(file))
        address = colab_address(self.config, root_of(self.env), path)
        words = inline_element("span", text="The exercise of this chapter", classes=["box-word"])
        colab = nodes.reference("", "Open in Colab", refuri=address, classes=["exercise-open"])
        download = addnodes.download_reference(
            "",
            "",
            nodes.inline("", "Download the notebook"),
            reftarget=f"/{path}",
            refdoc=self.env.docname,
        )
        actions = text_element("p", colab, nodes.Text(" "), download, classes=["exercise-actions"])
        return [element("div", text_element("p", words), actions, classes=["exercise-link"])]


def colab_address(config: Config, root: Path, path: str) -> str:
    """Where Colab opens `path` as it was at the release that this checkout is of."""
    name = config.html_theme_options["repository_url"].removeprefix("https://github.com/")
    text = (root / "gencourse" / "__init__.py").read_text(encoding="utf8")
    version = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert version, "gencourse/__init__.py states no __version__"
    return f"https://colab.research.google.com/github/{name}/blob/v{version[1]}/{path}"


def setup(app: Sphinx) -> None:
    app.add_directive("exercise-link", ExerciseLink)
