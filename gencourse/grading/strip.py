"""From the notebook with the solutions to the notebook that a learner opens.

`solutions/NN-name.md` holds every answer. In the cell of an answer, comments mark what goes:

    # exercise: kl
    def kl_divergence(mean, log_var):
        ### BEGIN STUB
        # variance = ...
        # return ...
        ### END STUB
        ### BEGIN SOLUTION
        variance = log_var.exp()
        return 0.5 * (mean**2 + variance - 1 - log_var).sum(-1)
        ### END SOLUTION

The learner gets the stub, uncommented, in place of both regions; without a stub, a line that
raises `NotImplementedError`. Every line of a stub stands in its solution, in the same order, with
`...` for what the learner is to write: so a stub cannot lead away from the answer it was cut from.
Regions between BEGIN HIDDEN TESTS and END HIDDEN TESTS go, and so does every cell tagged
`instructor-only`. Only the words of a marker count, so that in a Markdown cell the same markers
stand in HTML comments.
"""

import copy
import re
from typing import Any

__all__ = ["INSTRUCTOR_ONLY", "StripError", "learner_notebook", "learner_source"]

INSTRUCTOR_ONLY = "instructor-only"
MARKER = re.compile(r"^\s*(?:#+|<!--) *(BEGIN|END) (SOLUTION|STUB|HIDDEN TESTS) *(?:-->)?$")
DEFAULT_STUB = 'raise NotImplementedError("your answer here")'
WRITTEN_STUB = "*Your answer here.*"


class StripError(ValueError):
    """A solution from which no sound exercise can be cut. The message names the cell and why."""


def learner_notebook(solution: Any) -> Any:
    """Return a copy of the notebook `solution` (nbformat 4) as a learner gets it, without outputs.

    Raises `StripError` when two cells share a grade_id, when a cell of code that is an answer does
    not open with `# exercise: NAME` for its grade_id or has no solution region, and wherever
    `learner_source` does.
    """
    notebook = copy.deepcopy(solution)
    notebook.cells = [
        cell for cell in notebook.cells if INSTRUCTOR_ONLY not in cell.metadata.get("tags", [])
    ]
    seen: set[str] = set()
    for position, cell in enumerate(notebook.cells):
        grading = cell.metadata.get("nbgrader", {})
        name = grading.get("grade_id", f"number {position}")
        if name in seen:
            raise StripError(f"two cells have the grade_id {name}")
        seen.add(name)
        if grading.get("solution"):
            cell.source = _learner_answer(cell, name)
        else:
            cell.source = learner_source(cell.source, name)
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return notebook


def _learner_answer(cell: Any, name: str) -> str:
    source = str(cell.source)
    written = cell.cell_type == "markdown"
    if not written and source.split("\n", 1)[0] != f"# exercise: {name}":
        raise StripError(f"cell {name}: an answer opens with the line `# exercise: {name}`")
    if "BEGIN SOLUTION" in source:
        return learner_source(source, name, written=written)
    if written:
        return WRITTEN_STUB
    raise StripError(f"cell {name}: an answer, but no BEGIN SOLUTION in it")


def learner_source(source: str, name: str = "", *, written: bool = False) -> str:
    """Return the source of one cell with its stub for its solution, and no hidden tests.

    `written` says that the cell holds prose. Raises `StripError` when markers do not pair, when a
    stub is not directly followed by its solution, when a line of the stub does not stand in it, or
    when the default stub would raise outside any function, where it would stop the notebook.
    """
    kept: list[str] = []
    region, opened = "", ""  # the region that we are in, and the line that opened it
    inside: list[str] = []
    stub: list[str] | None = None
    for line in source.split("\n"):
        marker = MARKER.match(line)
        if marker is None:
            if not region and stub is not None:
                raise StripError(f"cell {name}: END STUB is not directly followed by its solution")
            (inside if region else kept).append(line)
        elif marker[1] == "BEGIN":
            if region or (stub is not None and marker[2] != "SOLUTION"):
                raise StripError(f"cell {name}: BEGIN {marker[2]} before the end of another region")
            region, opened, inside = marker[2], line, []
        elif marker[2] != region:
            raise StripError(f"cell {name}: END {marker[2]} where no such region is open")
        else:
            if region == "STUB":
                stub = _uncommented(inside)
            elif region == "SOLUTION":
                if stub is None:
                    stub = _default_stub(opened, name, written)
                elif not written:
                    _check_stub(stub, inside, name)
                kept += stub
                stub = None
            region = ""
    if region or stub is not None:
        raise StripError(f"cell {name}: a {region or 'SOLUTION'} region is missing its end")
    return "\n".join(kept)


def _uncommented(lines: list[str]) -> list[str]:
    return [re.sub(r"^(\s*)# ?", r"\1", line) for line in lines]


def _default_stub(opened: str, name: str, written: bool) -> list[str]:
    if written:
        return [WRITTEN_STUB]
    indent = opened[: len(opened) - len(opened.lstrip())]
    if not indent:
        raise StripError(
            f"cell {name}: a solution outside any function needs a stub of its own, because the "
            "default one raises and would stop the notebook"
        )
    return [indent + DEFAULT_STUB]


def _check_stub(stub: list[str], solution: list[str], name: str) -> None:
    remaining = iter(solution)
    for line in stub:
        code = line.split("#")[0].strip()
        if not code or code == "..." or code.startswith("raise NotImplementedError"):
            continue
        pattern = ".*".join(re.escape(part) for part in code.split("..."))
        if not any(re.fullmatch(pattern, row.split("#")[0].strip()) for row in remaining):
            raise StripError(f"cell {name}: the stub's line `{code}` is not in the solution")
