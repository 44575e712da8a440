"""What is true of every notebook that the course hands out."""

import re
from pathlib import Path

import nbformat
import pytest

from tools.notebooks.markdown import leftovers

ROOT = Path(__file__).parents[2]
FOLDERS = ("notebooks", "solutions", "exercises")
PATHS = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.ipynb"))
UNCHECKED = ROOT / "tests/notebooks/unchecked.txt"
NAMES = [path.relative_to(ROOT).as_posix() for path in PATHS]

every_notebook = pytest.mark.parametrize("path", PATHS, ids=NAMES)


def test_there_are_notebooks():
    assert {path.parent.name for path in PATHS} == set(FOLDERS)


@every_notebook
def test_it_shows_no_directive_and_no_role(path):
    notebook = nbformat.read(path, as_version=4)
    visible = [x for c in notebook.cells if c.cell_type == "markdown" for x in leftovers(c.source)]
    assert visible == []


@every_notebook
def test_it_holds_no_picture_no_widget_state_and_no_path_of_a_machine(path):
    notebook = nbformat.read(path, as_version=4)
    kinds = {
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    }
    assert kinds <= {"text/plain"}
    assert "widgets" not in notebook.metadata
    assert not re.search(r"/(home|root|work|Users)/", path.read_text(encoding="utf8"))


@every_notebook
def test_it_is_small_enough_to_be_read_as_a_difference(path):
    assert path.stat().st_size < 200_000


def test_the_cells_that_nbval_leaves_unchecked_are_those_named():
    lines = UNCHECKED.read_text(encoding="utf8").splitlines()
    named = {line for line in lines if line and not line.startswith("#")}
    marks = re.compile(r"nbval[-_](ignore|skip|raises)|raises-exception", re.IGNORECASE)
    found = set()
    for path, name in zip(PATHS, NAMES, strict=True):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                tags = " ".join(cell.metadata.get("tags", []))
                if marks.search(tags + cell.source):
                    first = next(row for row in cell.source.splitlines() if not row.startswith("#"))
                    found.add(f"{name}: {first}")
    assert found == named
