"""Pages of the book that show the package's and the tests' own source, highlighted and offline.

An equation's line, and a quotation, link to the function's place on such a page. Only files that a
chapter mentions get one.
"""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective  # noqa: F401

from .source import Found

__all__ = ["root_of", "source_link", "source_reference"]


def root_of(env: BuildEnvironment) -> Path:
    """The repository's root: where `gencourse/` and `tests/` stand."""
    return Path(env.srcdir, env.config.course_root or ".").resolve()


def _mentions(env: BuildEnvironment) -> dict[str, set[Found]]:
    if not hasattr(env, "course_mentions"):
        env.course_mentions = {}  # type: ignore[attr-defined]
    return env.course_mentions  # type: ignore[attr-defined, no-any-return]


def page_name(path: str) -> str:
    return f"source/{path.removesuffix('.py')}"


def anchor(found: Found) -> str:
    return found.name


class source_reference(nodes.reference):
    """A link whose address is known only when the page that holds it is written."""


def source_link(env: BuildEnvironment, found: Found, text: str) -> nodes.Node:
    """A link to where `found` stands, and a note that its file needs a page."""
    _mentions(env).setdefault(env.docname, set()).add(found)
    env.note_dependency(str(root_of(env) / found.path))
    return source_reference("", "", nodes.literal("", text), page=found.path, anchor=anchor(found))


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for link in list(doctree.findall(source_reference)):
        uri = app.builder.get_relative_uri(docname, page_name(link["page"]))
        children = link.children
        link.replace_self(
            nodes.reference("", "", *children, refuri=f"{uri}#{link['anchor']}", internal=True)
        )


def collect(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    root = root_of(app.env)
    files: dict[str, set[Found]] = {}
    for mentions in _mentions(app.env).values():
        for found in mentions:
            files.setdefault(found.path, set()).add(found)
    for path in sorted(files):
        text = (root / path).read_text(encoding="utf8")
        anchors = {f.first: anchor(f) for f in files[path]}
        lines = []
        for number, line in enumerate(text.splitlines(), 1):
            mark = f'<span id="{anchors[number]}"></span>' if number in anchors else ""
            lines.append(mark + html.escape(line))
        body = f"<h1>{html.escape(path)}</h1>\n<pre>" + "\n".join(lines) + "</pre>"
        yield page_name(path), {"title": path, "body": body}, "page.html"


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    _mentions(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    for docname in docnames:
        if docname in _mentions(other):
            _mentions(env)[docname] = _mentions(other)[docname]


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
