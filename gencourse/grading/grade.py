"""Mark a folder of submissions in a sandbox.

    gencourse grade SUBMISSIONS --course ~/courses/autumn

SUBMISSIONS is a folder of notebooks, each named after its learner (`ada.ipynb`; `Copy of ada.ipynb`
and `ada (1).ipynb` are hers as well), or a folder with a folder for each learner, as
`nbgrader collect` leaves it. The course is one that `gencourse release` has made.

What happens to each submission
  1. It is read. What is no notebook (cut off, a web page, two different files) is not marked: it is
     a row in the table that says why, and waits for you.
  2. Its answers are put back into the notebook that was handed out. Lost metadata, deleted checks,
     doubled or moved cells do no harm; where two different answers stand to one question, that
     question waits for you.
  3. Its cells run in a sandbox: no network, no files, limited memory and time. The checks and the
     right answers stay outside. A cell that hangs or ends Python costs its own question only.
  4. Coding answers are judged on inputs that nobody has seen, choices item by item. Answers in
     words wait for you.

What you find in the course's folder
  grades.csv                   a row for each learner; what waits for you is said there
  feedback/STUDENT.html        a page for each learner, safe to send on
  gradebook.db, autograded/    for nbgrader: start JupyterLab in the folder, open Formgrader, and
                               mark the answers in words, each below its rubric

Run the command again at any time. What was marked before is not marked again unless the submission
has changed; marks that you gave by hand stay, and appear in grades.csv and on the pages. It may be
interrupted with Ctrl-C, and goes on where it stopped.

It needs Linux and bubblewrap 0.8 or later, tests its sandbox first, and marks nothing without one.
"""

import argparse
import csv
import hashlib
import hmac
import io
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from gencourse.grading.feedback import Report, page, points
from gencourse.grading.gradebook import open_gradebook, record, scores
from gencourse.grading.marking import Limits, mark
from gencourse.grading.preflight import (
    Cell,
    NotANotebookError,
    Submission,
    clean,
    collect,
    parse_notebook,
)
from gencourse.grading.question import Assignment, WrittenQuestion
from gencourse.grading.questions import MODULES, assignment
from gencourse.grading.release import CHECKOUT, KEY
from gencourse.grading.repair import graft
from gencourse.grading.results import (
    CellAsMarked,
    Result,
    load,
    load_all,
    safe_name,
    save,
    write_atomically,
)
from gencourse.grading.sandbox import Sandboxes, SandboxUnavailableError, self_test
from gencourse.grading.strip import MARKER

__all__ = ["GradeError", "configure", "grade", "report", "run"]

HERE = Path(__file__).parent
DEFAULT_LIMITS = Limits()


class GradeError(RuntimeError):
    """Nothing can be marked. The message says what to do."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse grade`."""
    parser.add_argument("submissions", type=Path, help="the folder with what came back")
    parser.add_argument("--course", type=Path, required=True, help="the folder of your course")
    parser.add_argument("--exercise", help="which one, where the course has released several")
    parser.add_argument("--again", action="store_true", help="mark everything anew")
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="how many notebooks to mark at the same time (default: one for each processor)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=float("inf"),
        help="begin no further notebook after this time; the next run goes on (default: no limit)",
    )
    for what, seconds in asdict(DEFAULT_LIMITS).items():
        parser.add_argument(
            f"--seconds-per-{what}",
            type=float,
            default=seconds,
            metavar="N",
            help=f"how long a {what} may take (default: {seconds:g})",
        )


def run(args: argparse.Namespace) -> int:
    """Run the command: 0 when all is done, 1 when time ran out, 2 when nothing can be marked."""
    limits = Limits(args.seconds_per_cell, args.seconds_per_question, args.seconds_per_submission)
    try:
        exercise = assignment(exercise_of(args.course, args.exercise))
        with locked(args.course):
            left = grade(
                exercise,
                args.submissions,
                args.course,
                jobs=args.jobs,
                limits=limits,
                minutes=args.minutes,
                again=args.again,
            )
    except (GradeError, SandboxUnavailableError) as problem:
        print(f"gencourse grade: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. What was marked is kept; the same command goes on.", file=sys.stderr)
        return 130
    return 1 if left else 0


def exercise_of(course: Path, wanted: str | None) -> str:
    """The exercise to mark. Raises `GradeError` when the course does not say which it is."""
    found = sorted(path.name for path in (course / "release").glob("*") if path.name in MODULES)
    if not (course / KEY).exists() or not found:
        raise GradeError(f"{course} is no course; make one with `gencourse release`.")
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted not in found:
        raise GradeError(f"say which exercise, with --exercise: {', '.join(found)}")
    return wanted


@contextmanager
def locked(course: Path) -> Iterator[None]:
    """Keep every other grader out of a course. Raises `GradeError` when one is in it."""
    try:
        import fcntl
    except ImportError:
        raise SandboxUnavailableError("this is not Linux.") from None
    with (course / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GradeError(f"{course} is being marked by another process.") from None
        yield


def grade(
    exercise: Assignment,
    folder: Path,
    course: Path,
    *,
    jobs: int = 1,
    limits: Limits = DEFAULT_LIMITS,
    minutes: float = float("inf"),
    again: bool = False,
) -> int:
    """Mark a folder of submissions; return how many were not reached in time.

    Raises `GradeError` when there is nothing to mark, and `SandboxUnavailableError`.
    """
    begun = time.monotonic()
    submissions = collect(folder, exercise.name) if folder.is_dir() else []
    if not submissions:
        raise GradeError(f"{folder} is no folder with submissions in it.")
    release = (course / "release" / exercise.name / f"{exercise.name}.ipynb").read_bytes()
    version = version_of(release)
    results = course / "results" / exercise.name
    results.mkdir(parents=True, exist_ok=True)
    forget_departed(results, submissions)
    for submission in submissions:
        if submission.problem:
            save(results, unmarked(submission, version))
    todo = [
        submission
        for submission in submissions
        if not submission.problem
        and (again or not is_current(load(results, submission.student), submission, version))
    ]
    print(f"{counted(len(submissions), 'submission')}, {len(todo)} to mark", flush=True)
    reached = 0
    if todo:
        self_test([course, folder, CHECKOUT / "solutions"])
        cells = parse_notebook(release)
        with (
            ThreadPoolExecutor(jobs) as executor,
            Sandboxes(exercise.modules, imports(cells), ahead=jobs, needed=len(todo)) as sandboxes,
        ):
            one = partial(
                examine,
                exercise=exercise,
                release=cells,
                version=version,
                key=(course / KEY).read_bytes(),
                sandboxes=sandboxes,
                limits=limits,
                until=begun + 60 * minutes,
            )
            for future in as_completed([executor.submit(one, submission) for submission in todo]):
                if result := future.result():
                    reached += 1
                    save(results, result)
                    print(progress(result, reached, len(todo), begun), flush=True)
    report(exercise, course)
    print(f"The table is {course / 'grades.csv'}, the pages are in {course / 'feedback'}")
    left = len(todo) - reached
    if left:
        print(f"Time ran out before {counted(left, 'submission')}; the same command goes on.")
    return left


def examine(
    submission: Submission,
    *,
    exercise: Assignment,
    release: Sequence[Cell],
    version: bytes,
    key: bytes,
    sandboxes: Sandboxes,
    limits: Limits,
    until: float,
) -> Result | None:
    """Mark one submission; None when its turn comes after `until`.

    Raises `SandboxUnavailableError`. Anything else that goes wrong is this submission's alone.
    """
    begun = time.monotonic()
    if begun > until:
        return None
    result = unmarked(submission, version)
    try:
        repaired = graft(release, parse_notebook(submission.data), exercise)
        seed = hmac.digest(key, submission.data, "sha256")
        marks = mark(repaired, exercise, sandboxes, limits, seed)
    except NotANotebookError as error:
        return replace(result, problem=str(error))
    except SandboxUnavailableError:
        raise
    except Exception as error:  # ours, not the learner's: no mark, and the next run tries again
        problem = f"Marking failed with {type(error).__name__}: {error}"
        return replace(result, digest="", problem=problem)
    cells = tuple(
        CellAsMarked(step.cell.kind, step.cell.source, step.cell.grade_id, step.given is not None)
        for step in repaired.steps
    )
    return replace(result, marks=tuple(marks), cells=cells, seconds=time.monotonic() - begun)


def report(exercise: Assignment, course: Path) -> None:
    """Bring the gradebook, the table and the pages in line with what has been marked."""
    pages: defaultdict[str, list[Report]] = defaultdict(list)
    with open_gradebook(course) as gradebook:
        folders = sorted(path for path in (course / "results").iterdir() if path.is_dir())
        for folder in folders:
            name = folder.name
            about = exercise if name == exercise.name else assignment(name)
            results = load_all(folder)
            source = parse_notebook((course / "source" / name / f"{name}.ipynb").read_bytes())
            record(gradebook, course, about, results, model_answers(about, source))
            titles = titles_in(source)
            for result in results:
                held = {} if result.problem else scores(gradebook, about, result.student)
                entry = Report(name, titles.get("", name), titles, result, held)
                pages[result.student].append(entry)
    entries = [entry for _, entries in sorted(pages.items()) for entry in entries]
    write_atomically(course / "grades.csv", table(entries).encode("utf-8-sig", errors="replace"))
    for student, entries in pages.items():
        path = course / "feedback" / f"{safe_name(student)}.html"
        write_atomically(path, page(entries).encode(errors="replace"))


def table(reports: Sequence[Report]) -> str:
    """A row for each learner and exercise, in CSV."""
    questions = list(dict.fromkeys(m.question for r in reports for m in r.result.marks))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["exercise", "student", "points", "out of", "waits for a person", *questions, "remarks"]
    )
    for entry in reports:
        result = entry.result
        by_question = {mark.question: entry.score(mark) for mark in result.marks}
        notes = [f"{mark.question}: {mark.note}" for mark in result.marks if mark.note]
        row = [
            entry.assignment,
            result.student,
            "" if result.problem else points(entry.total),
            "" if result.problem else str(entry.out_of),
            result.problem or ", ".join(entry.waiting),
            *(
                "" if (score := by_question.get(question)) is None else points(score)
                for question in questions
            ),
            " ".join(notes),
        ]
        writer.writerow(map(no_formula, row))
    return out.getvalue()


def no_formula(text: str) -> str:
    """Text that a spreadsheet takes for text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


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


def model_answers(exercise: Assignment, source: Sequence[Cell]) -> dict[str, str]:
    """The solutions to questions in words, without the markers around them."""
    written = {q.name for q in exercise.questions if isinstance(q, WrittenQuestion)}
    return {
        cell.grade_id: "\n".join(
            line for line in cell.source.splitlines() if not MARKER.match(line)
        ).strip()
        for cell in source
        if cell.grade_id in written
    }


def imports(release: Sequence[Cell]) -> list[str]:
    """The modules that the given cells import, other than the course's own."""
    code = "\n".join(cell.source for cell in release if cell.kind == "code")
    found = re.findall(r"^(?:import|from)[ \t]+([A-Za-z_][\w.]*)", code, re.MULTILINE)
    return sorted({name for name in found if name.split(".")[0] != "gencourse"})


def forget_departed(results: Path, submissions: Sequence[Submission]) -> None:
    """Drop the results of files that could not be read and have been taken away since."""
    present = {submission.student for submission in submissions}
    for result in load_all(results):
        if result.problem and result.student not in present:
            (results / f"{safe_name(result.student)}.json").unlink()


def unmarked(submission: Submission, version: bytes) -> Result:
    """The result of a submission so far: its digest, and its problem if it has one."""
    digest = hmac.new(version, submission.data, "sha256").hexdigest()
    return Result(submission.student, clean(submission.path.name), digest, submission.problem)


def is_current(old: Result | None, submission: Submission, version: bytes) -> bool:
    """Whether a submission was marked already, as it is now, by the questions as they are now."""
    return old is not None and old.digest == unmarked(submission, version).digest


def version_of(release: bytes) -> bytes:
    """The release and this package's way of marking it, in short."""
    sources = (path.read_bytes() for path in sorted(HERE.rglob("*.py")))
    return hashlib.sha256(b"".join([release, *sources])).digest()


def progress(result: Result, done: int, count: int, begun: float) -> str:
    """One line about a submission, with the time that the rest may take."""
    minutes = (time.monotonic() - begun) / done * (count - done) / 60
    earned = sum(mark.points or 0 for mark in result.marks)
    waits = sum(mark.points is None for mark in result.marks)
    became = result.problem or f"{points(earned)} points"
    if waits:
        became += f", {counted(waits, 'answer')} for you to mark"
    left = f"   about {minutes:.0f} min left" if minutes >= 1 else ""
    return f"[{done:{len(str(count))}d}/{count}] {result.student:<24} {became}{left}"


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
