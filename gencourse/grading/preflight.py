"""What arrived, before anything believes it: which files, whose, and whether each is a notebook.

Submissions are a folder of notebooks, each named after its learner, or a folder with a folder for
each learner, as `nbgrader collect` leaves it. Nothing here fails on account of what a learner sent:
what cannot be marked becomes a submission with a `problem`, a sentence for the person who will look
at it.
"""

import json
import os
import re
import stat
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "Cell",
    "NotANotebookError",
    "Submission",
    "clean",
    "parse_notebook",
    "printable",
    "student_of",
    "submissions_in",
]

MAX_BYTES = 20 << 20
DEEPEST = 8  # folders inside a learner's folder
IGNORED = ("timestamp.txt",)  # written by `nbgrader collect` beside the notebook
# What browsers, file managers and Colab, in several languages, add to the name of a copy.
COPY_MARKS = re.compile(
    r"^(?:copy of|copia de|copie de|kopie von|kopia)\s+|\s*\(\d+\)$|\s+-?\s*copy(?:\s*\d+)?$",
    re.IGNORECASE,
)


class NotANotebookError(ValueError):
    """The bytes are no notebook that can be marked. The message says why, for a person."""


@dataclass(frozen=True)
class Cell:
    """What marking needs of a cell. Outputs and every other metadata are left behind."""

    kind: str  # "code", "markdown" or "raw"
    source: str
    grade_id: str = ""
    id: str = ""
    locked: bool = False
    tags: tuple[str, ...] = ()
    claims: str = ""  # what nbgrader's metadata says of it besides its name: points, flags, schema


@dataclass(frozen=True)
class Submission:
    """The one file that is a learner's submission, or the reason why there is none."""

    student: str
    path: Path
    data: bytes = b""
    problem: str = ""


def submissions_in(folder: Path, assignment: str, others: Collection[str] = ()) -> list[Submission]:
    """Every submission in `folder`, ordered by learner, one for each.

    A learner with two different files has a submission with a problem, and so has one with none;
    but one whose folder holds only the folders of `others`, which are further exercises, has none.
    """
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED:
            continue
        if path.is_dir() and not path.is_symlink():
            _, holds, _ = next(os.walk(path), ("", [], []))
            if assignment in holds or not set(holds) & set(others):
                files[printable(path.name)] += notebooks_below(path, assignment)
        else:
            files[printable(student_of(path.name))].append(path)
    return [chosen(student, paths, folder, assignment) for student, paths in sorted(files.items())]


def student_of(name: str) -> str:
    """The learner that a file is named after: `Copy of ada (1).ipynb` is ada's."""
    student = re.sub(r"\.ipynb$", "", name.strip(), flags=re.IGNORECASE)
    while (shorter := COPY_MARKS.sub("", student).strip()) not in (student, ""):
        student = shorter
    return student


def notebooks_below(folder: Path, assignment: str) -> Iterator[Path]:
    """The notebooks in a learner's folder, some folders deep, without following links.

    Where the folder has one for each assignment, only those of this assignment.
    """
    own = folder / assignment
    top = own if own.is_dir() and not own.is_symlink() else folder
    for parent, folders, names in os.walk(top):
        deep = len(Path(parent).relative_to(top).parts) >= DEEPEST
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(".ipynb") and not name.startswith("."):
                yield Path(parent, name)


def chosen(student: str, paths: list[Path], folder: Path, assignment: str) -> Submission:
    """The one submission among a learner's files."""
    if not paths:
        others = ", ".join(instead_in(folder / student))
        problem = f"There is no notebook in the folder{f', but {others}' if others else ''}."
        return Submission(student, folder / student, problem=problem)
    if student == assignment:
        return Submission(student, paths[0], problem="The file does not say whose it is.")
    read = [read_file(student, path) for path in paths]
    if len({(submission.data, submission.problem) for submission in read}) == 1:
        return read[0]  # one file, or copies of it
    names = ", ".join(path.name for path in paths)
    return Submission(
        student, paths[0], problem=f"There are {len(paths)} different files: {names}."
    )


def instead_in(folder: Path) -> list[str]:
    """The first files in a learner's folder, by name, none of which is a notebook."""
    names = sorted(name for _, _, names in os.walk(folder) for name in names)
    return [printable(name) for name in names if name not in IGNORED][:3]


def read_file(student: str, path: Path) -> Submission:
    """The bytes of one file, if it is a regular one of reasonable size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        reason = "It is a link to another file" if path.is_symlink() else "It cannot be opened"
        return Submission(student, path, problem=f"{reason} ({error.strerror}).")
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Submission(student, path, problem="It is not a regular file.")
        if status.st_size > MAX_BYTES:
            size = f"{status.st_size / 1e6:.0f} MB"
            limit = f"{MAX_BYTES / 1e6:.0f} MB"
            return Submission(student, path, problem=f"It has {size}; the limit is {limit}.")
        return Submission(student, path, file.read(MAX_BYTES))


def parse_notebook(data: bytes) -> list[Cell]:
    """The cells of a notebook. Whatever the bytes, the only exception is `NotANotebookError`."""
    if not data.strip():
        raise NotANotebookError("The file is empty.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotANotebookError(f"The file is not text in UTF-8 (byte {error.start:,}).") from None
    if text.lstrip().startswith("<"):
        raise NotANotebookError("The file is a web page, not a notebook.")
    try:
        notebook = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}"
        raise NotANotebookError(f"The file is cut off or damaged ({error.msg}, {where}).") from None
    except (ValueError, RecursionError):
        raise NotANotebookError("The file is JSON that no notebook program writes.") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        raise NotANotebookError("The notebook has the format of 2014; open and save it in Jupyter.")
    if not isinstance(cells, list):
        raise NotANotebookError("The file is JSON, but not a notebook: it has no list of cells.")
    return [parse_cell(cell, number) for number, cell in enumerate(cells, start=1)]


def parse_cell(cell: Any, number: int) -> Cell:
    """One cell. Raises `NotANotebookError` when it has no source to find an answer in."""
    source = cell.get("source") if isinstance(cell, dict) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise NotANotebookError(f"Cell {number} of the notebook is damaged.")
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    nbgrader = metadata.get("nbgrader")
    nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
    grade_id = nbgrader.get("grade_id")
    tags = metadata.get("tags")
    claims = {key: value for key, value in nbgrader.items() if key not in ("grade_id", "checksum")}
    return Cell(
        kind=str(cell.get("cell_type")),
        source=clean(source),
        grade_id=clean(grade_id) if isinstance(grade_id, str) else "",
        id=clean(cell["id"]) if isinstance(cell.get("id"), str) else "",
        locked=nbgrader.get("locked") is True,
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        claims=json.dumps(claims, sort_keys=True) if claims else "",
    )


def printable(name: str) -> str:
    """A name without anything that a terminal or a file would take for more than a letter."""
    return "".join(letter if letter.isprintable() else "?" for letter in clean(name))


def clean(text: str) -> str:
    """The same text, in characters that can be written to a file."""
    return text.encode(errors="replace").decode()
