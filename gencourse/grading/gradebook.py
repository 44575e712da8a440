"""The course in nbgrader's terms: its gradebook, and the notebooks that its formgrader shows.

nbgrader keeps the marks, shows each answer in words beside its rubric, and remembers what a person
decided. Only its public `Gradebook` is used here, by one process at a time. It is a file in the
course's folder, or a PostgreSQL database where several people mark at the same time.
"""

import json
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SAWarning

from gencourse.grading.marking import CHECK
from gencourse.grading.question import Assignment, Question, WrittenQuestion
from gencourse.grading.results import Result, safe_name, write_atomically

__all__ = [
    "URL",
    "GradebookError",
    "Score",
    "define",
    "open_gradebook",
    "record",
    "scores",
    "set_url",
]

URL = "gradebook.url"


class GradebookError(RuntimeError):
    """The gradebook cannot be used. The message says why."""


@dataclass(frozen=True)
class Score:
    """What the gradebook holds for one answer, a person's decision before ours."""

    points: float
    waits: bool
    by_person: bool
    comment: str = ""


@contextmanager
def open_gradebook(course: Path) -> Iterator[Gradebook]:
    """The gradebook of a course, made if there is none."""
    tools = str(Path(sys.executable).parent)  # nbgrader calls `alembic` by its bare name
    if tools not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([tools, os.environ["PATH"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # nbgrader adds rows in an order of its own
        url = url_of(course)
        try:
            gradebook = Gradebook(url)
        except (OperationalError, NoSuchModuleError, ArgumentError, ImportError) as error:
            shown = re.sub(r"//[^@/]*@", "//…@", url)  # a password is nobody's to read
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise GradebookError(f"The gradebook at {shown} cannot be opened: {reason}") from error
        with gradebook:
            yield gradebook


def url_of(course: Path) -> str:
    """Where a course's gradebook is."""
    try:
        return (course / URL).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return f"sqlite:///{course.resolve() / 'gradebook.db'}"


def set_url(course: Path, url: str) -> None:
    """Keep the gradebook of a course in a database of its own, from now on.

    `url` is as SQLAlchemy has it, `postgresql://user@host/name`. Raises `GradebookError` when the
    course has marks in another gradebook already, and when this one cannot be opened.
    """
    # SQLAlchemy's default driver has changed between its versions; ours is psycopg.
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    if url == url_of(course):
        return
    if (course / URL).exists() or any((course / "results").glob("*/*.json")):
        raise GradebookError(
            "This course keeps its marks in another gradebook. Choose one when you release the "
            "first exercise."
        )
    write_atomically(course / URL, url.encode())
    (course / URL).chmod(0o600)
    try:
        with open_gradebook(course):
            pass
    except GradebookError:
        (course / URL).unlink()
        raise


def define(gradebook: Gradebook, name: str, release: Any) -> None:
    """Enter an assignment and its cells, as `nbgrader generate_assignment` does.

    Raises `ValueError` when learners have handed in a version with other questions.
    """
    gradebook.update_or_create_assignment(name)
    cells = [cell for cell in release.cells if is_grade(cell) or is_solution(cell)]
    graded = {cell.metadata.nbgrader.grade_id for cell in cells if is_grade(cell)}
    try:
        notebook = gradebook.find_notebook(name, name)
    except MissingEntry:
        gradebook.add_notebook(name, name, kernelspec=json.dumps(release.metadata.kernelspec))
    else:
        if notebook.submissions and {cell.name for cell in notebook.grade_cells} != graded:
            raise ValueError(
                f"The gradebook holds submissions of another {name}, with other questions. "
                "Release the new version into a course of its own."
            )
    for cell in cells:
        about = cell.metadata.nbgrader
        if is_grade(cell):
            points = {"max_score": float(about.points), "cell_type": cell.cell_type}
            gradebook.update_or_create_grade_cell(about.grade_id, name, name, **points)
        if is_solution(cell):
            gradebook.update_or_create_solution_cell(about.grade_id, name, name)
        gradebook.update_or_create_source_cell(
            about.grade_id,
            name,
            name,
            cell_type=cell.cell_type,
            locked=is_locked(cell),
            source=cell.source,
            checksum=compute_checksum(cell),
        )


def record(
    gradebook: Gradebook,
    course: Path,
    assignment: Assignment,
    results: Iterable[Result],
    model_answers: Mapping[str, str],
) -> None:
    """Enter the marks, and write what the formgrader shows.

    What a person decided stays. If the answer has changed since, it waits for that person again.
    """
    questions = {question.name: question for question in assignment.questions}
    for result in results:
        if result.problem:
            continue
        student, name = safe_name(result.student), assignment.name
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(name, student)
        shown = course / "autograded" / student / name / f"{name}.ipynb"
        before = answers_in(shown)
        now = {cell.grade_id: cell.source for cell in result.cells if cell.given}
        for mark in result.marks:
            question = questions[mark.question]
            grade = gradebook.find_grade(graded_cell(question), name, name, student)
            changed = before.get(mark.question) != as_shown(question, now[mark.question])
            undecided = grade.manual_score is None and mark.points is None
            overtaken = grade.manual_score is not None and (changed or grade.needs_manual_grade)
            grade.auto_score = mark.points
            grade.needs_manual_grade = undecided or overtaken
            comment = gradebook.find_comment(mark.question, name, name, student)
            comment.auto_comment = " ".join(filter(None, (mark.message, mark.note)))
        gradebook.db.commit()
        notebook = formgrader_notebook(result, questions, model_answers)
        write_atomically(shown, json.dumps(notebook, indent=1).encode())


def scores(gradebook: Gradebook, assignment: Assignment, student: str) -> dict[str, Score]:
    """What the gradebook holds for a learner, by question; nothing where there is no submission."""
    name, student = assignment.name, safe_name(student)
    found: dict[str, Score] = {}
    for question in assignment.questions:
        try:
            grade = gradebook.find_grade(graded_cell(question), name, name, student)
            comment = gradebook.find_comment(question.name, name, name, student)
        except MissingEntry:
            return {}
        found[question.name] = Score(
            points=grade.score,
            waits=grade.needs_manual_grade,
            by_person=grade.manual_score is not None,
            comment=comment.manual_comment or "",
        )
    return found


def graded_cell(question: Question) -> str:
    """The grade_id of the cell that carries a question's points."""
    written = isinstance(question, WrittenQuestion)
    return question.name if written else CHECK.format(question.name)


def formgrader_notebook(
    result: Result, questions: Mapping[str, Question], model_answers: Mapping[str, str]
) -> dict[str, Any]:
    """The notebook as it was marked, each answer in words under its rubric."""
    cells: list[dict[str, Any]] = []
    checks = {CHECK.format(name): question for name, question in questions.items()}
    for kind, source, grade_id, given in result.cells:
        question = (questions.get(grade_id) or checks.get(grade_id)) if given else None
        if isinstance(question, WrittenQuestion):
            cells.append(
                {
                    "cell_type": "markdown",
                    "metadata": {},
                    "source": rubric_text(question, model_answers.get(question.name, "")),
                }
            )
        cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        else:
            theirs = not given or grade_id in questions
            text = without_html(source) if theirs else source
            cell |= {"cell_type": "markdown", "source": text}
        if question:
            cell["metadata"] = {"nbgrader": metadata(question, grade_id, kind)}
        cells.append(cell)
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}


def metadata(question: Question, grade_id: str, kind: str) -> dict[str, Any]:
    """What nbgrader wants to know of a question's cell."""
    graded, answer = grade_id == graded_cell(question), grade_id == question.name
    return {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": graded,
        "solution": answer,
        "locked": not answer,
        "task": False,
        "cell_type": kind,
        **({"points": question.points} if graded else {}),
    }


def rubric_text(question: WrittenQuestion, model_answer: str) -> str:
    """The rubric and a model answer, in Markdown, for the person who marks."""
    lines = [f"**For the marker: {question.name}, {question.points} points**", ""]
    lines += [f"- **{points:g}** {text}" for points, text in question.rubric]
    if model_answer:
        lines += ["", "*A model answer:*", "", *(f"> {row}" for row in model_answer.splitlines())]
    return "\n".join(lines)


def without_html(source: str) -> str:
    """Markdown in which no tag is a tag and no link a link: a marker's browser will show it.

    MathJax has commands of its own that make links, load code and set attributes; they lose their
    backslash.
    """
    source = re.sub(
        r"\\+(?=(?:href|url|require|class|cssId|style|data|html\w*|unicode|newcommand|def|let)\b)",
        "",
        source,
    )
    source = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", source)
    return re.sub(r"\](?=[(:])", "] ", source)


def as_shown(question: Question, source: str) -> str:
    """An answer as the formgrader's notebook holds it."""
    return without_html(source) if isinstance(question, WrittenQuestion) else source


def answers_in(path: Path) -> dict[str, str]:
    """The answers that the formgrader has shown, by grade_id."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        return {}
    return {
        cell["metadata"]["nbgrader"]["grade_id"]: cell["source"]
        for cell in cells
        if "nbgrader" in cell["metadata"]
    }
