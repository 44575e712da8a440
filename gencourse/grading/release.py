"""Write the learners' version of an exercise, and the course that will mark it.

    gencourse release 02-vae --course ~/courses/autumn

makes in ~/courses/autumn

    source/02-vae/02-vae.ipynb     with the solutions: for you alone
    release/02-vae/02-vae.ipynb    the same as exercises/02-vae.ipynb: for the learners
    gradebook.db                   nbgrader's gradebook, with the questions and their points
    nbgrader_config.py             so that nbgrader's formgrader finds all this
    .marking-key                   decides the secret inputs of this course: for nobody

The questions weigh what the package says, unless you say otherwise:

    gencourse release 02-vae --course ~/courses/autumn --points kl=20 --points sign-off=0

gives 20 points for `kl` and leaves `sign-off` without any. Where several people mark at once, keep
the gradebook in a PostgreSQL database, with --gradebook postgresql://user@host/name.

Several exercises can be released into one course, and an exercise can be released again, as long as
its questions stay the same. Keep the folder private: whoever reads it knows the solutions.

Then give the learners release/02-vae/02-vae.ipynb, or let them open it in Colab from the book. Take
in what comes back with `gencourse collect`, and mark it with `gencourse grade`.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import nbformat

from gencourse.grading.course import KEY, CourseError, set_points, weighted
from gencourse.grading.gradebook import (
    GradebookError,
    define,
    graded_cell,
    open_gradebook,
    set_url,
)
from gencourse.grading.question import Assignment
from gencourse.grading.questions import MODULES, assignment
from gencourse.grading.results import write_atomically
from gencourse.grading.strip import learner_notebook

__all__ = ["ReleaseError", "configure", "read_notebook", "release", "run"]

CHECKOUT = Path(__file__).parents[2]
CONFIGURATION = """\
# Written by `gencourse release`. Start JupyterLab in this folder to mark in nbgrader's formgrader.
import os

c = get_config()  # noqa: F821
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))
elsewhere = os.path.join(c.CourseDirectory.root, "gradebook.url")
if os.path.exists(elsewhere):
    with open(elsewhere) as file:
        c.CourseDirectory.db_url = file.read().strip()
# Learners' code runs in the sandbox of `gencourse grade` alone. nbgrader's own autograde would run
# it with your rights, beside your files; with this line it runs nothing and changes no mark.
c.Autograde.autograde_preprocessors = []
"""


class ReleaseError(RuntimeError):
    """The exercise cannot be released. The message says what to do."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse release`."""
    parser.add_argument("name", help=f"the exercise: {', '.join(MODULES)}")
    parser.add_argument("--course", type=Path, required=True, help="the folder of your course")
    parser.add_argument(
        "--solutions",
        type=Path,
        default=CHECKOUT / "solutions",
        help="the folder with the solutions (default: that of this checkout)",
    )
    parser.add_argument(
        "--points",
        action="append",
        default=[],
        metavar="QUESTION=N",
        help="the points of one question in this course; may be given several times",
    )
    parser.add_argument(
        "--gradebook",
        metavar="URL",
        help="a PostgreSQL database for the gradebook (default: gradebook.db in the course)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when the exercise cannot be released."""
    try:
        if args.name not in MODULES:
            raise ReleaseError(f"No exercise is called {args.name}; there is {', '.join(MODULES)}.")
        learners = release(
            assignment(args.name),
            args.course,
            args.solutions,
            points=dict(map(points_given, args.points)),
            gradebook_url=args.gradebook,
        )
    except (ReleaseError, CourseError, GradebookError, ValueError) as problem:
        print(f"gencourse release: {problem}", file=sys.stderr)
        return 2
    print(f"The learners' notebook is {learners}")
    print(f"When it comes back: gencourse collect EXPORT --course {args.course}")
    print(f"              then: gencourse grade --course {args.course}")
    return 0


def points_given(text: str) -> tuple[str, int]:
    """`kl=20` as a question and its points. Raises `ReleaseError` for anything else."""
    name, _, number = text.partition("=")
    if not number.strip().isdecimal():
        raise ReleaseError(f"--points takes QUESTION=N, as in kl=20; this is {text!r}.")
    return name.strip(), int(number)


def release(
    exercise: Assignment,
    course: Path,
    solutions: Path,
    *,
    points: Mapping[str, int] = MappingProxyType({}),
    gradebook_url: str | None = None,
) -> Path:
    """Release an exercise into a course, and return the path of the learners' notebook.

    `points` are those that differ from the package's; they are remembered. Raises `ReleaseError`
    when the solutions are not there or do not agree with the questions, or when the folder holds
    something that is no course; `CourseError` for points of a question that there is not; and
    `GradebookError`.
    """
    name = exercise.name
    source = solutions / f"{name}.ipynb"
    if not source.is_file():
        raise ReleaseError(
            f"{source} is missing. The solutions come with a checkout of the course, where "
            "`make notebooks` writes the file; say where they are with --solutions."
        )
    learners = learner_notebook(read_notebook(source))
    published = solutions.parent / "exercises" / source.name
    if published.is_file():
        if questions_in(read_notebook(published)) != questions_in(learners):
            raise ReleaseError(f"{published} was not made from {source}; run `make notebooks`.")
        learners = read_notebook(published)
    compare(exercise, learners, source)
    make_course(course)
    if points:
        set_points(course, exercise, points)
    if gradebook_url:
        set_url(course, gradebook_url)
    own = weighted(course, exercise)
    text = published.read_bytes() if published.is_file() else json.dumps(learners).encode()
    if own != exercise:
        reweigh(learners, own)
        text = json.dumps(learners, indent=1, ensure_ascii=False).encode()
    with open_gradebook(course) as gradebook:
        define(gradebook, name, learners)
    write_atomically(course / "source" / name / source.name, source.read_bytes())
    target = course / "release" / name / source.name
    write_atomically(target, text)
    return target


def reweigh(notebook: Any, exercise: Assignment) -> None:
    """Give the graded cells of a notebook the points of a course, and say so at its top."""
    points = {graded_cell(question): question.points for question in exercise.questions}
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade_id") in points and about.get("grade"):
            about["points"] = points[about["grade_id"]]
    said = ", ".join(f"{question.name} {question.points}" for question in exercise.questions)
    first = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    first.source += f"\n\n**Points in this course:** {said}. They replace those in the text."


def compare(exercise: Assignment, notebook: Any, path: Path) -> None:
    """Raise `ReleaseError` unless the notebook has the cells and the points of each question."""
    cells = questions_in(notebook)
    for question in exercise.questions:
        graded = graded_cell(question)
        if question.name not in cells or graded not in cells:
            raise ReleaseError(f"{path} lacks the cell {question.name} or {graded}.")
        if cells[graded].points != question.points:
            raise ReleaseError(
                f"{path} gives {cells[graded].points} points for {question.name}; its question in "
                f"the package gives {question.points}."
            )


class CellOfQuestion(NamedTuple):
    """What two versions of a notebook have to agree on."""

    kind: str
    points: int | None
    code: str


def questions_in(notebook: Any) -> dict[str, CellOfQuestion]:
    """The cells of a notebook that belong to questions, by grade_id."""
    return {
        about.grade_id: CellOfQuestion(
            cell.cell_type, about.get("points"), cell.source if cell.cell_type == "code" else ""
        )
        for cell in notebook.cells
        if (about := cell.metadata.get("nbgrader"))
    }


def make_course(course: Path) -> None:
    """Make a folder a course. Raises `ReleaseError` when it holds something else."""
    if course.exists() and not course.is_dir():
        raise ReleaseError(f"{course} is a file; --course takes a folder.")
    course.mkdir(parents=True, exist_ok=True)
    if not (course / KEY).exists():
        if others := sorted(path.name for path in course.iterdir()):
            raise ReleaseError(
                f"{course} holds other things ({', '.join(others[:3])}) and no course; "
                "choose a folder that is empty or does not exist yet."
            )
        write_atomically(course / KEY, secrets.token_hex(32).encode())
    if not (course / "nbgrader_config.py").exists():
        write_atomically(course / "nbgrader_config.py", CONFIGURATION.encode())


def read_notebook(path: Path) -> Any:
    """A notebook of ours."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
