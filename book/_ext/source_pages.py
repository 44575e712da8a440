"""Pages of the book that show the package's and the tests' own source, highlighted and offline.

An equation's line, and a quotation, link to a function's place on such a page. A file gets its page
when some chapter mentions it; the page lists what was mentioned, and where.
"""

import html
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from .source import Found

__all__ = ["root_of", "source_link"]


def root_of(env: BuildEnvironment) -> Path:
    """The repository's root: where `gencourse/` and `tests/` stand."""
    return Path(env.srcdir, env.config.course_root or ".").resolve()


def page_name(path: str) -> str:
    return f"source/{path.removesuffix('.py')}"


def mentions(env: BuildEnvironment) -> dict[str, set[Found]]:
    """For each chapter, the functions and tests that it links."""
    if not hasattr(env, "course_mentions"):
        env.course_mentions = defaultdict(set)  # type: ignore[attr-defined]
    return env.course_mentions  # type: ignore[attr-defined, no-any-return]


class source_reference(nodes.reference):
    """A link whose address is known only when the page that holds it is written."""


def source_link(env: BuildEnvironment, found: Found, text: str) -> nodes.reference:
    """A link to where `found` stands, and a note that its file needs a page."""
    mentions(env)[env.docname].add(found)
    env.note_dependency(str(root_of(env) / found.path))
    # A long name may break after a dot or an underscore.
    words = html.escape(text).replace(".", ".<wbr>").replace("_", "_<wbr>")
    name = nodes.raw("", f"<code>{words}</code>", format="html")
    return source_reference("", "", name, found=found)


def resolve_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for link in list(doctree.findall(source_reference)):
        found = link["found"]
        page = app.builder.get_relative_uri(docname, page_name(found.path))
        address = f"{page}#{found.name}"
        link.replace_self(nodes.reference("", "", *link.children, refuri=address, internal=True))


def numbered_lines(text: str, objects: Iterable[Found]) -> str:
    """Highlighted source, a line each, with one element around every object that is linked to."""
    lines = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).split("\n")
    lines = [f'<span class="line">{line}\n</span>' for line in lines[: text.count("\n") + 1]]
    # Wider objects last, so that a class is opened before a method that begins on its line.
    for found in sorted(objects, key=lambda f: f.last - f.first):
        name = html.escape(found.name)
        lines[found.first - 1] = f'<span class="object" id="{name}">{lines[found.first - 1]}'
        lines[found.last - 1] += "</span>"
    return "".join(lines)


def write_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    root = root_of(app.env)
    files: dict[str, dict[Found, list[str]]] = defaultdict(lambda: defaultdict(list))
    for docname, founds in mentions(app.env).items():
        for found in founds:
            files[found.path][found].append(docname)
    for path, objects in sorted(files.items()):
        page = page_name(path)
        listed = []
        for found in sorted(objects, key=lambda f: f.first):
            places = ", ".join(
                f'<a href="{app.builder.get_relative_uri(page, docname)}">'
                f"{html.escape(app.env.titles[docname].astext())}</a>"
                for docname in sorted(objects[found])
            )
            name = html.escape(found.name)
            listed.append(
                f'<li><a href="#{name}"><code>{name}</code></a> is linked from {places}</li>'
            )
        source = (root / path).read_text(encoding="utf8").rstrip("\n")
        body = (
            f'<h1 class="source-title"><code>{html.escape(path)}</code></h1>\n'
            f'<ul class="source-objects">\n{"".join(listed)}</ul>\n'
            '<div class="highlight source"><pre>'
            f"{numbered_lines(source, objects)}</pre></div>\n"
        )
        yield page, {"title": path, "body": body}, "page.html"


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    mentions(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    for docname in docnames:
        mentions(env)[docname] |= mentions(other)[docname]


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", resolve_links)
    app.connect("html-collect-pages", write_pages)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
