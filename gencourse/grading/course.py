"""The folder of a course: where things stand in it, what it weighs, and who works in it.

source/, release/, gradebook.db, nbgrader_config.py, .marking-key   from `gencourse release`
submitted/, collected/                                              from `gencourse collect`
results/, autograded/, feedback/, grades.csv                        from `gencourse grade`
points.json       the points that differ from the package's, if any do
gradebook.url     where the gradebook is, if it is not gradebook.db
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gencourse.grading.backends import SandboxUnavailableError
from gencourse.grading.gradebook import Score, open_gradebook, scores
from gencourse.grading.marking import Mark
from gencourse.grading.preflight import Cell, parse_notebook
from gencourse.grading.question import Assignment, Question, WrittenQuestion
from gencourse.grading.questions import MODULES, assignment
from gencourse.grading.results import Result, load_all, write_atomically

__all__ = [
    "KEY",
    "CourseError",
    "Entry",
    "entries",
    "exercise_of",
    "exercises_of",
    "locked",
    "set_points",
    "weighted",
]

KEY = ".marking-key"
POINTS = "points.json"


class CourseError(RuntimeError):
    """What was asked cannot be done with this course. The message says what to do."""


@dataclass(frozen=True)
class Entry:
    """One learner's submission of one exercise, and what the gradebook makes of it."""

    assignment: str
    title: str
    titles: Mapping[str, str]  # of the questions
    result: Result
    scores: Mapping[str, Score]

    def score(self, mark: Mark) -> float | None:
        """The points of an answer, or None while it waits for a person."""
        score = self.scores.get(mark.question)
        if score is None:
            return mark.points
        return None if score.waits else score.points

    @property
    def total(self) -> float:
        """The points known so far."""
        return sum(filter(None, map(self.score, self.result.marks)))

    @property
    def out_of(self) -> float:
        """The points that can be had."""
        return sum(mark.out_of for mark in self.result.marks)

    @property
    def waiting(self) -> list[str]:
        """The questions that wait for a person."""
        return [mark.question for mark in self.result.marks if self.score(mark) is None]

    @property
    def settled(self) -> bool:
        """Whether nothing waits for a person any more."""
        return not self.result.problem and not self.waiting


def exercises_of(course: Path) -> list[str]:
    """The exercises that were released into a course. Raises `CourseError` when it is none."""
    found = sorted(path.name for path in (course / "release").glob("*") if path.name in MODULES)
    if not (course / KEY).exists() or not found:
        raise CourseError(f"{course} is no course; make one with `gencourse release`.")
    return found


def exercise_of(course: Path, wanted: str | None) -> str:
    """The exercise that is meant. Raises `CourseError` when the course does not say which it is."""
    found = exercises_of(course)
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted not in found:
        raise CourseError(f"say which exercise, with --exercise: {', '.join(found)}")
    return wanted


def entries(course: Path) -> list[Entry]:
    """Every submission that was looked at, by learner and exercise, with its present marks."""
    found: list[Entry] = []
    with open_gradebook(course) as gradebook:
        for folder in sorted(path for path in (course / "results").glob("*") if path.is_dir()):
            about = weighted(course, assignment(folder.name))
            titles = titles_in(source_of(course, about.name))
            for result in load_all(folder):
                held = {} if result.problem else scores(gradebook, about, result.student)
                title = titles.get("", about.name)
                found.append(Entry(about.name, title, titles, result, held))
    return sorted(found, key=lambda entry: (entry.result.student, entry.assignment))


def source_of(course: Path, name: str) -> list[Cell]:
    """The notebook with the solutions."""
    return parse_notebook((course / "source" / name / f"{name}.ipynb").read_bytes())


def titles_in(cells: Sequence[Cell]) -> dict[str, str]:
    """The heading above each cell that has a grade_id, and the notebook's own, under no name."""
    titles: dict[str, str] = {}
    heading = ""
    for cell in cells:
        if cell.kind == "markdown" and not cell.grade_id:
            for level, words in re.findall(r"^(#{1,3}) +(.+)$", cell.source, re.MULTILINE):
                heading = words.strip()
                if level == "#":
                    titles.setdefault("", heading)
        elif cell.grade_id:
            titles[cell.grade_id] = heading
    return titles


def weighted(course: Path, exercise: Assignment) -> Assignment:
    """The exercise with the points that it has in this course. A rubric is scaled along."""
    own = points_of(course).get(exercise.name, {})
    questions: list[Question] = []
    for question in exercise.questions:
        points = own.get(question.name, question.points)
        if points != question.points and isinstance(question, WrittenQuestion):
            scale = points / question.points
            rubric = tuple((round(part * scale, 2), text) for part, text in question.rubric)
            questions.append(replace(question, points=points, rubric=rubric))
        else:
            questions.append(replace(question, points=points))
    return replace(exercise, questions=tuple(questions))


def points_of(course: Path) -> dict[str, dict[str, int]]:
    """The points that were changed, by exercise and question."""
    try:
        found: dict[str, dict[str, int]] = json.loads((course / POINTS).read_text())
    except FileNotFoundError:
        return {}
    return found


def set_points(course: Path, exercise: Assignment, points: Mapping[str, int]) -> None:
    """Remember the points that questions have in this course.

    Raises `CourseError` for a question that the exercise lacks and for points below 0.
    """
    names = [question.name for question in exercise.questions]
    for name, number in points.items():
        if name not in names:
            raise CourseError(f"{exercise.name} has no question {name}; it has {', '.join(names)}.")
        if number < 0:
            raise CourseError(f"{name} cannot have {number} points.")
    everything = points_of(course)
    everything[exercise.name] = {**everything.get(exercise.name, {}), **points}
    write_atomically(course / POINTS, json.dumps(everything, indent=1).encode())


@contextmanager
def locked(course: Path) -> Iterator[None]:
    """Keep every other process that changes it out of a course. Raises `CourseError`."""
    try:
        import fcntl
    except ImportError:
        raise SandboxUnavailableError("this is not Linux.") from None
    with (course / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"{course} is being marked by another process.") from None
        yield
