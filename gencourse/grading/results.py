"""What became of each submission: one file each, written whole or not at all.

A file holds all that the gradebook, the table and the feedback page are made from, and a digest of
what was marked. So a run that was interrupted goes on where it stopped, and an evening of manual
marking is followed by a run that marks nothing again.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gencourse.grading.marking import Mark

__all__ = [
    "CellAsMarked",
    "Result",
    "forget_unfinished",
    "load",
    "load_all",
    "safe_name",
    "save",
    "write_atomically",
]


class CellAsMarked(NamedTuple):
    """A cell of the notebook that was marked; `given` if it is one of the release."""

    kind: str
    source: str
    grade_id: str
    given: bool


@dataclass(frozen=True)
class Result:
    """One submission: its marks, or the problem that a person has to look at."""

    student: str
    file: str
    digest: str  # of the submission, the release and the questions
    problem: str = ""
    flags: tuple[str, ...] = ()  # what a person may want to know of the notebook as a whole
    marks: tuple[Mark, ...] = ()
    cells: tuple[CellAsMarked, ...] = ()
    seconds: float = 0.0


ASIDE = ".aside-"  # how a file begins that is being written
LONGEST_NAME = 120  # bytes; file systems allow 255, and names grow on the way


def save(folder: Path, result: Result) -> None:
    """Write a result into `folder`."""
    text = json.dumps(asdict(result), indent=1)
    write_atomically(folder / f"{safe_name(result.student)}.json", text.encode())


def load_all(folder: Path) -> list[Result]:
    """Every result in `folder`, ordered by file."""
    files = sorted(folder.glob("*.json"))
    return [result for result in map(read_result, files) if result]


def load(folder: Path, student: str) -> Result | None:
    """The result of a learner, if there is one that can be read."""
    return read_result(folder / f"{safe_name(student)}.json")


def read_result(path: Path) -> Result | None:
    """The result in one file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        marks = tuple(mark_from(mark) for mark in data.pop("marks"))
        cells = tuple(CellAsMarked(*cell) for cell in data.pop("cells"))
        flags = tuple(data.pop("flags"))
        return Result(marks=marks, cells=cells, flags=flags, **data)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # as if it had not been marked yet


def mark_from(data: Mapping[str, Any]) -> Mark:
    """A mark as it was before it became JSON."""
    return Mark(**{**data, "example": tuple((what, value) for what, value in data["example"])})


def safe_name(student: str) -> str:
    """A learner's name as the name of a file, different for different learners."""
    plain = re.fullmatch(r"\w[\w.@ -]{0,79}", student) and not student.endswith((" ", "."))
    if plain and len(student.encode()) <= LONGEST_NAME:
        return student
    digest = hashlib.sha256(student.encode(errors="replace")).hexdigest()[:8]
    readable = re.sub(r"[^\w@-]+", "_", student).lstrip("_").encode(errors="replace")
    # No plain name has a tilde, so nobody can be called what another is stored as.
    return readable[: LONGEST_NAME - 20].decode(errors="ignore") + f"~{digest}"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file at once, so that no reader and no interruption finds half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=ASIDE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def forget_unfinished(course: Path) -> None:
    """Remove what a process that was killed had not finished writing. Needs the course's lock."""
    for path in course.rglob(f"{ASIDE}*"):
        path.unlink()
