"""A text and its notebooks: the cells in order, nothing in them that changes from run to run."""

import hashlib
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gencourse.grading.strip import learner_notebook

from .blocks import directive_in, parse
from .markdown import DialectError, Page, small
from .project import Project

__all__ = ["notebooks_of", "texts"]

INSTALL = """\
# Installs the course's package, in Colab for example; does nothing where it is already there.
import importlib.util
import sys

if importlib.util.find_spec("gencourse") is None:
    %pip install --quiet {wheel}
if "google.colab" in sys.modules:  # to Colab, live figures are third-party widgets
    from google.colab import output

    output.enable_custom_widget_manager()"""
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
KEPT = ("nbgrader", "tags")  # what a notebook needs of a cell's metadata; the rest is the book's
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def texts(project: Project, names: list[str] | None = None) -> list[Path]:
    """The texts that notebooks are made from; only those called so, when `names` are given."""
    every = [
        p for folder in ("notebooks", "solutions") for p in project.root.glob(f"{folder}/*.md")
    ]
    if unknown := set(names or ()) - {path.stem for path in every}:
        raise LookupError(f"no text in notebooks/ or solutions/ is called {', '.join(unknown)}")
    return sorted(path for path in every if not names or path.stem in names)


def notebooks_of(project: Project, text: Path) -> dict[Path, NotebookNode]:
    """Every notebook made from `text`, by its path, its cells not yet run."""
    made = {text.with_suffix(".ipynb"): _notebook(project, text)}
    if text.parent.name == "solutions":
        exercise = project.root / "exercises" / f"{text.stem}.ipynb"
        made[exercise] = learner_notebook(_notebook(project, text, exercise))
    for notebook in made.values():
        _name_cells(notebook)
    return made


def _notebook(project: Project, text: Path, goal: Path | None = None) -> NotebookNode:
    """The notebook of `text`; `goal` is where it is to stand, if not beside it."""
    document = text.relative_to(project.root).with_suffix("").as_posix()
    path = (goal or text.with_suffix(".ipynb")).relative_to(project.root).as_posix()
    page = Page(project, document)
    first, *others = jupytext.read(text, fmt="md:myst").cells
    opening, rest = _opening(first.source, document)
    cells = [
        new_markdown_cell(_header(page, opening, path)),
        new_code_cell(INSTALL.format(wheel=project.wheel)),
        new_markdown_cell(page.translate(rest)),
    ]
    for cell in others:
        metadata = {key: cell.metadata[key] for key in KEPT if key in cell.metadata}
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(page.translate(cell.source), metadata=metadata))
            continue
        cells.append(new_code_cell(cell.source, metadata=metadata))
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            number = project.labels[figure["name"]].shown
            caption = page.translate(figure.get("caption", ""))
            cells.append(new_markdown_cell(f"_{number}. {caption}_"))
    cells.append(new_markdown_cell(page.references()))
    return new_notebook(
        cells=[c for c in cells if c.source.strip() or c.metadata], metadata=METADATA
    )


def _opening(source: str, document: str) -> tuple[str, str]:
    """The first cell's text, cut after the title and the chapter's opening."""
    blocks = [t for t in parse(source) if t.level == 0 and t.map and t.nesting >= 0]
    titles = [i for i, t in enumerate(blocks) if t.type == "heading_open" and t.tag == "h1"]
    if not titles:
        raise DialectError(f"{document}: its first cell has no title (`# ...`)")
    last = blocks[titles[0]]
    for block in blocks[titles[0] + 1 :][:1]:
        if (directive := directive_in(block)) and directive.name == "opening":
            last = block
    assert last.map is not None
    lines = source.split("\n")
    return "\n".join(lines[: last.map[1]]), "\n".join(lines[last.map[1] :])


def _header(page: Page, opening: str, path: str) -> str:
    """Title, promise, the way to Colab, and where all this comes from."""
    text = f"{page.document}.md"
    number = page.project.numbered.get(page.document)
    title, _, promise = page.translate(opening).partition("\n")
    if number:
        title = title.replace("# ", f"# {number}. ", 1)
    parts = [title, promise.strip()]
    if not path.startswith("solutions/"):
        parts.append(f"[![Open in Colab]({BADGE})]({page.project.colab(path)})")
    if path.startswith("exercises/"):
        issues = f"{page.project.repository}/issues"
        origin = f"This notebook is generated. Is something wrong in it? [Tell us]({issues})."
    else:
        origin = (
            f"This notebook is generated from [{text}]({page.project.source(text)}); "
            "corrections belong there."
        )
    if number:
        origin += f" [Read the chapter as a page]({page.project.page(page.document)})."
    return "\n\n".join(part for part in [*parts, small(origin)] if part)


def _name_cells(notebook: NotebookNode) -> None:
    """Give each cell an id that changes only when the cell does."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        name = cell.metadata.get("nbgrader", {}).get("grade_id", digest)
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    nbformat.validate(notebook)
