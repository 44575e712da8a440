"""Mark what a class has handed in, in a sandbox.

    gencourse grade --course ~/courses/autumn

marks what `gencourse collect` has taken in. Instead, a folder may be named before --course: of
notebooks, each named after its learner (`ada.ipynb`; `Copy of ada.ipynb` and `ada (1).ipynb` are
hers as well), or with a folder for each learner, as `nbgrader collect` leaves it.

What happens to each submission
  1. It is read. What is no notebook (cut off, a web page, two different files) is not marked: it is
     a row in the table that says why, and waits for you.
  2. Its answers are put back into the notebook that was handed out. Lost metadata, deleted checks,
     doubled or moved cells do no harm and are mentioned; where two different answers stand to one
     question, that question waits for you.
  3. Its cells run in a sandbox: no network, no files, limited memory, threads and time. The checks
     and the right answers stay outside. A cell that hangs or ends Python costs its own question
     only.
  4. Coding answers are judged on inputs that nobody has seen, choices item by item. Answers in
     words wait for you.

What you find in the course's folder
  grades.csv                   a row for each learner; what waits for you is said there
  feedback/STUDENT.html        a page for each learner, safe to send on
  gradebook.db, autograded/    for nbgrader: start JupyterLab in the folder, open Formgrader, and
                               mark the answers in words, each below its rubric

Behind it
  gencourse report             one page on the class: misconceptions, questions, what waits
  gencourse feedback           the pages again, with the marks that you have given by hand
  gencourse export             the marks for Canvas, Moodle or a spreadsheet

Run the command again at any time. What was marked before is not marked again unless the submission
has changed; marks that you gave by hand stay. It may be interrupted with Ctrl-C or killed, and goes
on where it stopped. A second one in the same course is turned away.

The sandbox is bubblewrap, podman or docker, the first of them that is here and passes its
self-test, which tries to break out. Where none does, nothing is marked and you are told what to
install.

On a cluster
  gencourse grade --course /shared/autumn --executor dask --scheduler tcp://head:8786
marks on the workers of a Dask cluster. Each needs the same gencourse and a sandbox of its own; the
course's folder is only read and written here.
"""

import argparse
import hashlib
import hmac
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

from gencourse.grading.backends import BACKENDS
from gencourse.grading.collect import SUBMITTED, Collected, collected
from gencourse.grading.course import (
    KEY,
    CourseError,
    entries,
    exercise_of,
    exercises_of,
    locked,
    source_of,
    weighted,
)
from gencourse.grading.export import points, table
from gencourse.grading.feedback import write_pages
from gencourse.grading.gradebook import GradebookError, open_gradebook, record
from gencourse.grading.marking import Limits, mark
from gencourse.grading.preflight import (
    Cell,
    NotANotebookError,
    Submission,
    clean,
    parse_notebook,
    submissions_in,
)
from gencourse.grading.question import Assignment, WrittenQuestion
from gencourse.grading.questions import MODULES, assignment
from gencourse.grading.release import CHECKOUT
from gencourse.grading.repair import graft
from gencourse.grading.results import (
    CellAsMarked,
    Result,
    forget_unfinished,
    load,
    load_all,
    safe_name,
    save,
    write_atomically,
)
from gencourse.grading.sandbox import Sandboxes, SandboxUnavailableError, choose
from gencourse.grading.strip import MARKER

__all__ = ["configure", "grade", "run"]

HERE = Path(__file__).parent
DEFAULT_LIMITS = Limits()
LONGEST_PROBLEM = 500  # letters, of an error's own text


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse grade`."""
    parser.add_argument(
        "submissions",
        type=Path,
        nargs="?",
        help="a folder with what came back (default: what `gencourse collect` took in)",
    )
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
    parser.add_argument(
        "--sandbox",
        choices=("auto", *BACKENDS),
        default="auto",
        help="which sandbox to use (default: the first that is here and holds)",
    )
    parser.add_argument(
        "--executor",
        choices=("local", "dask"),
        default="local",
        help="where to mark: on this machine, or on the workers of a Dask cluster",
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="the cluster's, tcp://host:port")


def run(args: argparse.Namespace) -> int:
    """Run the command: 0 when all is done, 1 when time ran out, 2 when nothing can be marked."""
    limits = Limits(args.seconds_per_cell, args.seconds_per_question, args.seconds_per_submission)
    try:
        if (args.executor == "dask") != bool(args.scheduler):
            raise CourseError("--executor dask and --scheduler ADDRESS belong together.")
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
                sandbox=args.sandbox,
                scheduler=args.scheduler,
            )
    except (CourseError, GradebookError, SandboxUnavailableError) as problem:
        print(f"gencourse grade: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. What was marked is kept; the same command goes on.", file=sys.stderr)
        return 130
    return 1 if left else 0


def grade(
    exercise: Assignment,
    folder: Path | None,
    course: Path,
    *,
    jobs: int = 1,
    limits: Limits = DEFAULT_LIMITS,
    minutes: float = float("inf"),
    again: bool = False,
    sandbox: str = "auto",
    scheduler: str | None = None,
) -> int:
    """Mark a folder of submissions, or what was collected; return how many were not reached.

    Raises `CourseError` when there is nothing to mark, `SandboxUnavailableError`, and
    `GradebookError`.
    """
    begun = time.monotonic()
    exercise = weighted(course, exercise)
    submissions, late = handed_in(folder, course, exercise.name)
    release = (course / "release" / exercise.name / f"{exercise.name}.ipynb").read_bytes()
    version = version_of(release, exercise)
    results = course / "results" / exercise.name
    results.mkdir(parents=True, exist_ok=True)
    forget_unfinished(course)
    if folder is not None:
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
        task = Task(
            exercise=exercise,
            release=tuple(parse_notebook(release)),
            version=version,
            key=(course / KEY).read_bytes(),
            limits=limits,
            until=time.time() + 60 * minutes,
            private=(course, folder or course, CHECKOUT / "solutions"),
        )
        with workers(task, sandbox, scheduler, jobs, len(todo)) as (executor, one):
            futures = {executor.submit(one, submission): submission for submission in todo}
            for future in as_completed(futures):
                if result := outcome(future, futures[future], version):
                    reached += 1
                    save(results, result)
                    print(progress(result, reached, len(todo), begun), flush=True)
    for name in exercises_of(course):
        about = exercise if name == exercise.name else weighted(course, assignment(name))
        enter(about, course)
    everything = entries(course)
    write_atomically(course / "grades.csv", table(everything, late).encode("utf-8-sig", "replace"))
    write_pages(course, everything)
    print(f"The table is {course / 'grades.csv'}, the pages are in {course / 'feedback'}")
    left = len(todo) - reached
    if left:
        print(f"Time ran out before {counted(left, 'submission')}; the same command goes on.")
    return left


def handed_in(
    folder: Path | None, course: Path, name: str
) -> tuple[list[Submission], Mapping[str, Collected]]:
    """What is there to mark. Raises `CourseError` when it is nothing."""
    arrived = collected(course, name)
    if folder is not None:
        found = submissions_in(folder, name) if folder.is_dir() else []
        if not found:
            raise CourseError(f"{folder} is no folder with submissions in it.")
        return found, arrived
    others = [other for other in exercises_of(course) if other != name]
    submitted = course / SUBMITTED
    found = submissions_in(submitted, name, others) if submitted.is_dir() else []
    by_student = {submission.student: submission for submission in found}
    for student, known in arrived.items():
        if known.problem:
            where = submitted / student
            by_student[student] = Submission(student, where, problem=known.problem)
    if not by_student:
        raise CourseError(
            f"Nothing was handed in for {name}. Take it in with `gencourse collect EXPORT --course "
            f"{course}`, or name a folder of notebooks: `gencourse grade FOLDER --course {course}`."
        )
    return [by_student[student] for student in sorted(by_student)], arrived


@dataclass(frozen=True)
class Task:
    """What marking any submission takes, wherever it is done. `until` is in seconds since 1970."""

    exercise: Assignment
    release: tuple[Cell, ...]
    version: bytes
    key: bytes
    limits: Limits
    until: float
    private: tuple[Path, ...]  # what no sandbox may show


@contextmanager
def workers(
    task: Task, sandbox: str, scheduler: str | None, jobs: int, needed: int
) -> Iterator[tuple[Executor, Callable[[Submission], Result | None]]]:
    """Where to mark, and the function that marks one submission there.

    Raises `SandboxUnavailableError`, and `CourseError` when the cluster cannot be used.
    """
    if scheduler is None:
        modules, preload = task.exercise.modules, imports(task.release)
        backend = choose(sandbox, task.private)
        with (
            ThreadPoolExecutor(jobs) as executor,
            Sandboxes(modules, preload, backend=backend, ahead=jobs, needed=needed) as sandboxes,
        ):
            yield executor, partial(examine, task=task, sandboxes=sandboxes)
        return
    try:
        from distributed import Client
    except ImportError:
        raise CourseError("--executor dask needs Dask: pip install 'gencourse[cluster]'") from None
    try:
        client = Client(scheduler, timeout=20, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise CourseError(f"There is no Dask scheduler at {scheduler} ({error}).") from None
    with client:
        module = MODULES[task.exercise.name]
        ours, versions = code_version(module), client.run(code_version, module)
        if not versions:
            raise CourseError(f"The scheduler at {scheduler} has no workers.")
        if other := [worker for worker, found in versions.items() if found != ours]:
            raise CourseError(
                f"{', '.join(other)}: another version of gencourse is installed there than here."
            )
        client.run(prepare_worker, task, sandbox)
        try:
            yield client.get_executor(), partial(examine_there, task=task, sandbox=sandbox)
        finally:
            client.run(close_rooms)


def examine_there(submission: Submission, *, task: Task, sandbox: str) -> Result | None:
    """Mark one submission on a worker of a cluster."""
    return examine(submission, task=task, sandboxes=rooms(task, sandbox))


ROOMS: dict[bytes, Sandboxes] = {}
ROOMS_LOCK = threading.Lock()


def rooms(task: Task, sandbox: str) -> Sandboxes:
    """The sandboxes of this process of a cluster, made and tested when they are first needed."""
    with ROOMS_LOCK:
        if task.version not in ROOMS:
            backend = choose(sandbox, task.private)
            modules, preload = task.exercise.modules, imports(task.release)
            ROOMS[task.version] = Sandboxes(modules, preload, backend=backend, ahead=1)
        return ROOMS[task.version]


def prepare_worker(task: Task, sandbox: str) -> None:
    """Fail where no sandbox can be had, before anything is marked."""
    rooms(task, sandbox)


def close_rooms() -> None:
    """End what this process of a cluster holds ready."""
    with ROOMS_LOCK:
        for sandboxes in ROOMS.values():
            sandboxes.close()
        ROOMS.clear()


def outcome(
    future: "Future[Result | None]", submission: Submission, version: bytes
) -> Result | None:
    """What became of a submission. A worker that was lost costs this submission's turn only."""
    try:
        return future.result()
    except SandboxUnavailableError:
        raise
    except Exception as error:
        return failed(unmarked(submission, version), error)


def examine(submission: Submission, *, task: Task, sandboxes: Sandboxes) -> Result | None:
    """Mark one submission; None when its turn comes after `task.until`.

    Raises `SandboxUnavailableError`. Anything else that goes wrong is this submission's alone.
    """
    begun = time.monotonic()
    if time.time() > task.until:
        return None
    result = unmarked(submission, task.version)
    try:
        repaired = graft(task.release, parse_notebook(submission.data), task.exercise)
        seed = hmac.digest(task.key, submission.data, "sha256")
        marks = mark(repaired, task.exercise, sandboxes, task.limits, seed)
    except NotANotebookError as error:
        return replace(result, problem=str(error))
    except SandboxUnavailableError:
        raise
    except Exception as error:
        return failed(result, error)
    cells = tuple(
        CellAsMarked(step.cell.kind, step.cell.source, step.cell.grade_id, step.given is not None)
        for step in repaired.steps
    )
    return replace(
        result,
        flags=repaired.flags,
        marks=tuple(marks),
        cells=cells,
        seconds=time.monotonic() - begun,
    )


def failed(result: Result, error: Exception) -> Result:
    """A fault of ours, not the learner's: no mark, and the next run tries again."""
    problem = clean(f"Marking failed with {type(error).__name__}: {error}")
    return replace(result, digest="", problem=problem[:LONGEST_PROBLEM])


def enter(exercise: Assignment, course: Path) -> None:
    """Bring the gradebook, and what the formgrader shows, in line with what has been marked."""
    answers = model_answers(exercise, source_of(course, exercise.name))
    with open_gradebook(course) as gradebook:
        results = load_all(course / "results" / exercise.name)
        record(gradebook, course, exercise, results, answers)


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


def version_of(release: bytes, exercise: Assignment) -> bytes:
    """The release, the points and this package's way of marking it, in short."""
    weights = repr([(question.name, question.points) for question in exercise.questions])
    return hashlib.sha256(
        b"".join([release, weights.encode(), code_version(MODULES[exercise.name])])
    ).digest()


def code_version(questions_module: str) -> bytes:
    """This package's way of marking the exercise whose questions are in a module, in short."""
    module = Path(str(import_module(questions_module).__file__))
    questions = sorted(module.parent.glob("*.py")) if module.name == "__init__.py" else [module]
    sources = (path.read_bytes() for path in (*sorted(HERE.glob("*.py")), *questions))
    return hashlib.sha256(b"".join(sources)).digest()


def progress(result: Result, done: int, count: int, begun: float) -> str:
    """One line about a submission, with the time that the rest may take."""
    seconds = (time.monotonic() - begun) / done * (count - done)
    earned = sum(mark.points or 0 for mark in result.marks)
    waits = sum(mark.points is None for mark in result.marks)
    became = result.problem or f"{points(earned)} points"
    if waits:
        became += f", {counted(waits, 'answer')} for you to mark"
    left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    remaining = f"   about {left} left" if done < count else ""
    return f"[{done:{len(str(count))}d}/{count}] {result.student:<24} {became}{remaining}"


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
