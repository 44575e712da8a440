"""Measured numbers in prose come from committed results; nobody types them.

    the bound stands at {number}`vae-2d:test.elbo:.1f` nats

reads `vae-2d.json` in one of the folders below, follows the dotted path, and formats what it finds.
A file, a key or a format that does not fit stops the build.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from .elements import inline_element
from .source_pages import root_of

FOLDERS = ("gencourse/checkpoints", "gencourse/bench/results", "benchmarks/results")


def look_up(root: Path, reference: str) -> tuple[str, Path]:
    """The formatted number that `stem:dotted.path:format` stands for, and the file it is from."""
    stem, _, rest = reference.partition(":")
    dotted, _, form = rest.partition(":")
    files = [root / folder / f"{stem}.json" for folder in FOLDERS]
    file = next((f for f in files if f.is_file()), None)
    if file is None:
        raise LookupError(f"no {stem}.json in {' or '.join(FOLDERS)}")
    value = json.loads(file.read_text(encoding="utf8"))
    for key in dotted.split("."):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise LookupError(f"{file.name} holds nothing at `{dotted}` (no `{key}`)") from None
    try:
        shown = format(value, form)
    except (ValueError, TypeError):
        raise LookupError(f"`{dotted}` of {file.name} cannot be written as `{form}`") from None
    return shown.replace("-", "−") if isinstance(value, int | float) else shown, file


class Number(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            shown, file = look_up(root_of(self.env), self.text)
        except LookupError as reason:
            message = self.inliner.reporter.error(f"number: {reason}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        self.env.note_dependency(str(file))
        title = {"title": f"from {file.relative_to(root_of(self.env)).as_posix()}"}
        return [inline_element("span", text=shown, classes=["number"], html=title)], []


def setup(app: Sphinx) -> None:
    app.add_role("number", Number())
