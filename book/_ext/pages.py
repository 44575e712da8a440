"""What every page is made of: the templates' context, and the few files that a page may load.

The theme and the extensions around it would add some 700 kB of scripts, styles and icon fonts to
each page. Here a page names what it needs, and everything else is left out.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from .exercises import colab_address
from .opening import VERBS
from .source_pages import root_of

HAS_DEPTHS = re.compile(r'class="[^"]*depth-(idea|working|research)')

# "Figure 2.4 The title" wants a full stop that a reference to it, "Figure 2.4", does not.
CAPTION_NUMBER = re.compile(r'(<span class="caption-number">[^<]*?) </span>')

# The empty corner of a table heads no column.
EMPTY_HEAD = re.compile(r'<th class="head[^"]*">\s*(?:<p>\s*</p>)?\s*</th>')

BOOK = Path(__file__).resolve().parents[1]

# A file is linked by the pages whose text contains the words on its right.
STYLES = {
    "course.css": "",
    "vendor/katex/katex.min.css": 'class="katex"',
    "sphinx-design.min.css": 'class="sd-',
}
# Asked for at once, since a font that is late is not used.
FONTS = {
    "source-serif-4-latin-wght-normal": "",
    "inter-latin-wght-normal": "",
    "source-serif-4-latin-400-italic": "<em>",
    "jetbrains-mono-latin-400-normal": "<code",
}
SCRIPTS = {
    "course.js": "",
    "design-tabs.js": 'class="sd-tab-',
    # The search page runs Sphinx's own search; its template adds the rest.
    "documentation_options.js": 'id="search-results"',
    "doctools.js": 'id="search-results"',
    "sphinx_highlight.js": 'id="search-results"',
}


def contents(app: Sphinx, pagename: str) -> list[dict[str, Any]]:
    """The parts of the book and their chapters, as the navigation of `pagename` shows them."""
    env = app.env
    parts = []
    for toctree in env.tocs[env.config.root_doc].findall(addnodes.toctree):
        chapters = [
            {
                "title": title or plain(env, docname),
                "uri": app.builder.get_relative_uri(pagename, docname),
                "number": ".".join(map(str, env.toc_secnumbers.get(docname, {}).get("", ()))),
                "verb": env.metadata[docname].get("verb", ""),
                "current": docname == pagename,
            }
            for title, docname in toctree["entries"]
        ]
        parts.append({"caption": toctree.get("caption") or "", "chapters": chapters})
    return parts


def plain(env: BuildEnvironment, docname: str) -> str:
    return env.titles[docname].astext()


def sections(app: Sphinx, pagename: str, doctree: nodes.document) -> list[dict[str, str]]:
    """The headings below the title of a page, with the depths at which each one shows."""
    depths = {
        section["ids"][0]: " ".join(c for c in section["classes"] if c.startswith("depth-"))
        for section in doctree.findall(nodes.section)
    }
    found = []
    page = app.env.tocs[pagename].next_node(nodes.list_item)
    inner = page.next_node(nodes.bullet_list) if page else None
    for item in inner or []:
        link = item.next_node(nodes.reference)
        if link is None or not link["anchorname"]:
            continue
        title = app.builder.render_partial(nodes.inline("", "", *map(_copy, link.children)))  # type: ignore[attr-defined]
        anchor = link["anchorname"]
        found.append(
            {
                "title": title["fragment"],
                "anchor": anchor,
                "depth": depths.get(anchor.removeprefix("#"), ""),
            }
        )
    return found


def _copy(node: nodes.Node) -> nodes.Node:
    return node.deepcopy()


def complete_context(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    body = CAPTION_NUMBER.sub(r"\1</span>. ", context.get("body", ""))
    body = EMPTY_HEAD.sub("<td></td>", body)
    context["body"] = body
    metadata = app.env.metadata.get(pagename, {})
    context["description"] = metadata.get("description", "")
    context["verb"] = metadata.get("verb", "")
    context["verbs"] = VERBS
    context["contents"] = contents(app, pagename)
    context["sections"] = sections(app, pagename, doctree) if doctree else []
    context["is_cover"] = pagename == app.config.root_doc
    context["has_depths"] = bool(HAS_DEPTHS.search(body))
    context["has_formulas"] = 'class="katex"' in body
    context["fonts"] = [name for name, wanted in FONTS.items() if wanted in body]
    context["has_live_figures"] = "data-gm=" in body
    context["colab"] = (
        colab_address(app.config, root_of(app.env), f"{pagename}.ipynb")
        if pagename.startswith("notebooks/")
        else ""
    )
    text = body + ('id="search-results"' if pagename == "search" else "")
    for key, wanted in (("css_files", STYLES), ("script_files", SCRIPTS)):
        context[key] = [
            file
            for file in context[key]
            if (name := str(getattr(file, "filename", file) or "").removeprefix("_static/"))
            in wanted
            and wanted[name] in text
        ]


def drop_thebe(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Jupyter Book always loads sphinx-thebe, which writes its configuration into each page."""
    for raw in list(doctree.findall(nodes.raw)):
        if "x-thebe-config" in raw.astext() or "kernelName" in raw.astext():
            raw.parent.remove(raw)


def use_own_files(app: Sphinx, config: Config) -> None:
    config.templates_path.insert(0, str(BOOK / "_templates"))
    config.html_static_path.append(str(BOOK / "_static"))


def setup(app: Sphinx) -> None:
    app.connect("config-inited", use_own_files)
    app.add_css_file("course.css")
    app.add_css_file("vendor/katex/katex.min.css")
    app.add_js_file("course.js", loading_method="defer")
    app.connect("doctree-resolved", drop_thebe, priority=900)
    # Late, so that the theme and the other extensions have said what they would add.
    app.connect("html-page-context", complete_context, priority=900)
