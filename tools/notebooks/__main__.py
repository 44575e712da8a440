"""`python -m tools.notebooks`: see the package's docstring."""

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

import tools.notebooks
from gencourse.grading.strip import StripError

from .build import notebooks_of, texts
from .execute import UnfitOutput, run, without_outputs
from .markdown import DialectError
from .project import Project

ROOT = Path(__file__).parents[2]
FOLDERS = ("notebooks", "solutions", "exercises")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Generate, or check, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks",
        description=tools.notebooks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NN-name", help="all, when none is named")
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args(arguments)
    project = Project.at(root)
    try:
        made = {
            path: notebook
            for text in texts(project, args.names)
            for path, notebook in notebooks_of(project, text).items()
        }
        stray = [] if args.names else _stray(root, set(made))
        if args.check:
            return _check(made, stray, root)
        for path, notebook in made.items():
            path.parent.mkdir(exist_ok=True)
            done = nbformat.writes(run(notebook, path, root / "_build" / "notebooks")) + "\n"
            changed = not path.is_file() or path.read_text(encoding="utf8") != done
            if changed:
                path.write_text(done, encoding="utf8")
            print(f"{'written  ' if changed else 'unchanged'} {path.relative_to(root)}", flush=True)
        for path in stray:  # it may be somebody's work, so it is for them to delete
            print(f"left      {path.relative_to(root)}: no text makes it")
    except (DialectError, StripError, UnfitOutput, LookupError, CellExecutionError) as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def _stray(root: Path, made: set[Path]) -> list[Path]:
    """Notebooks in the folders of generated notebooks that no text makes."""
    there = {path for folder in FOLDERS for path in root.glob(f"{folder}/*.ipynb")}
    return sorted(there - made)


def _check(made: dict[Path, NotebookNode], stray: list[Path], root: Path) -> int:
    """Say what regenerating would change. Outputs are not compared here: nbval does, by running."""
    complaints = [f"{path.relative_to(root)}: no text makes it" for path in stray]
    for path, notebook in made.items():
        if difference := _difference(notebook, path):
            complaints.append(f"{path.relative_to(root)}: {difference}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        print("Run `make notebooks` and commit what it writes.", file=sys.stderr)
    else:
        print(f"{len(made)} notebooks agree with their texts")
    return int(bool(complaints))


def _difference(notebook: NotebookNode, path: Path) -> str:
    """How the file at `path` differs from `notebook`; empty when it does not, outputs aside."""
    if not path.is_file():
        return "not generated yet"
    there = nbformat.read(path, as_version=4)
    if any(c.cell_type == "code" and c.execution_count is None for c in there.cells):
        return "has cells that were never run"
    there = without_outputs(there)
    if there == notebook:
        return ""
    for position, (ours, theirs) in enumerate(zip(notebook.cells, there.cells, strict=False)):
        if ours != theirs:
            return f"differs first in cell {position}, {ours.source.splitlines()[0]!r}"
    return "differs in its number of cells or its metadata"


if __name__ == "__main__":
    sys.exit(main())
