"""The marks of a course as a table: for a spreadsheet, for Canvas, for Moodle.

    gencourse export --course ~/courses/autumn
    gencourse export --course ~/courses/autumn --layout canvas --roster grades-from-canvas.csv
    gencourse export --course ~/courses/autumn --layout moodle --roster grades-from-moodle.csv

The first writes grades.csv into the course: a row for each learner and exercise, with every
question. The others write canvas-02-vae.csv and moodle-02-vae.csv, ready to be imported there. The
roster is the file that the platform gives you to be filled in (Canvas: Grades, Export; Moodle: the
assignment's "Download grading worksheet"); its rows and columns stay as they are, and one column is
filled. Without it the learners are those that `gencourse collect` has found in the platform's
export, by the platform's own numbers.

A learner gets a number only when nothing of theirs waits for a person any more; --partial gives the
points known so far to everybody. Every field is quoted, and none can be taken for a formula by a
spreadsheet. Marks given by hand in the formgrader are in it.
"""

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gencourse.grading.collect import Collected, collected
from gencourse.grading.course import CourseError, Entry, entries, exercise_of
from gencourse.grading.gradebook import GradebookError
from gencourse.grading.results import write_atomically

__all__ = ["configure", "points", "run", "table"]

# Full-width signs too: spreadsheets in East Asian locales take them for the plain ones.
FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse export`."""
    parser.add_argument("--course", type=Path, required=True, help="the folder of your course")
    parser.add_argument("--exercise", help="which one, for Canvas and Moodle")
    parser.add_argument(
        "--layout",
        choices=("csv", "canvas", "moodle"),
        default="csv",
        help="who will read it (default: a spreadsheet)",
    )
    parser.add_argument(
        "--roster", type=Path, metavar="FILE", help="the platform's table to fill in"
    )
    parser.add_argument("--partial", action="store_true", help="do not wait for what waits")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: above)")


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when there is nothing to export."""
    try:
        everything = entries(args.course)
        if not everything:
            raise CourseError(f"Nothing has been marked in {args.course}; see `gencourse grade`.")
        if args.layout == "csv":
            target = args.out or args.course / "grades.csv"
            known = {
                entry.assignment: collected(args.course, entry.assignment) for entry in everything
            }
            merged = {student: c for arrived in known.values() for student, c in arrived.items()}
            write_atomically(target, table(everything, merged).encode("utf-8-sig", "replace"))
        else:
            exercise = exercise_of(args.course, args.exercise)
            target = args.out or args.course / f"{args.layout}-{exercise}.csv"
            chosen = [entry for entry in everything if entry.assignment == exercise]
            rows, missing = LAYOUTS[args.layout](
                chosen, collected(args.course, exercise), roster_of(args.roster), args.partial
            )
            write_atomically(target, written(rows).encode("utf-8", "replace"))
            for student in missing:
                print(f"  not in it: {student}")
    except (CourseError, GradebookError) as problem:
        print(f"gencourse export: {problem}", file=sys.stderr)
        return 2
    print(f"Written: {target}")
    return 0


def table(everything: Sequence[Entry], arrived: Mapping[str, Collected]) -> str:
    """A row for each learner and exercise, in CSV."""
    questions = list(dict.fromkeys(m.question for e in everything for m in e.result.marks))
    heads = ["exercise", "student", "points", "out of", "waits for a person"]
    rows = [[*heads, *questions, "late", "remarks"]]
    for entry in everything:
        result = entry.result
        by_question = {mark.question: entry.score(mark) for mark in result.marks}
        notes = [f"{mark.question}: {mark.note}" for mark in result.marks if mark.note]
        record = arrived.get(result.student)
        rows.append(
            [
                entry.assignment,
                result.student,
                "" if result.problem else points(entry.total),
                "" if result.problem else points(entry.out_of),
                result.problem or ", ".join(entry.waiting),
                *(
                    "" if (score := by_question.get(question)) is None else points(score)
                    for question in questions
                ),
                "late" if record and record.late else "",
                " ".join([*result.flags, *notes]),
            ]
        )
    return written(rows)


def for_canvas(
    marked: Sequence[Entry],
    arrived: Mapping[str, Collected],
    roster: list[list[str]] | None,
    partial: bool,
) -> tuple[list[list[str]], list[str]]:
    """The rows of Canvas's gradebook with a column for the exercise, and who is not in it."""
    exercise = marked[0].assignment
    ids = {arrived[s].id: e for s, e in by_student(marked).items() if s in arrived}
    if roster is None:
        rows = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", exercise]]
        rows += [
            [arrived[entry.result.student].name, number, "", "", "", mark_of(entry, partial)]
            for number, entry in ids.items()
            if number
        ]
        return rows, [s for s in by_student(marked) if not (s in arrived and arrived[s].id)]
    head = roster[0]
    column = next((i for i, name in enumerate(head) if name.startswith(exercise)), len(head))
    return filled(roster, "ID", column, exercise, ids, marked, partial)


def for_moodle(
    marked: Sequence[Entry],
    arrived: Mapping[str, Collected],
    roster: list[list[str]] | None,
    partial: bool,
) -> tuple[list[list[str]], list[str]]:
    """The rows of Moodle's grading worksheet with the grades, and who is not in it."""
    ids = {f"Participant {arrived[s].id}": e for s, e in by_student(marked).items() if s in arrived}
    if roster is None:
        rows = [["Identifier", "Full name", "Grade", "Maximum Grade"]]
        rows += [
            [
                number,
                arrived[entry.result.student].name,
                mark_of(entry, partial),
                "" if entry.result.problem else points(entry.out_of),
            ]
            for number, entry in ids.items()
            if number != "Participant "
        ]
        return rows, [s for s in by_student(marked) if not (s in arrived and arrived[s].id)]
    column = next((i for i, name in enumerate(roster[0]) if name == "Grade"), len(roster[0]))
    return filled(roster, "Identifier", column, "Grade", ids, marked, partial)


LAYOUTS = {"canvas": for_canvas, "moodle": for_moodle}


def filled(
    roster: list[list[str]],
    key: str,
    column: int,
    title: str,
    ids: Mapping[str, Entry],
    marked: Sequence[Entry],
    partial: bool,
) -> tuple[list[list[str]], list[str]]:
    """A roster with one column filled, by what stands under `key`, and who was not found in it."""
    head, *rows = roster
    if key not in head:
        raise CourseError(f"The roster has no column {key!r}; it has {', '.join(head[:6])}.")
    where = head.index(key)
    found = set()
    table = [[*head, title] if column == len(head) else head]
    for row in rows:
        row = row + [""] * (len(table[0]) - len(row))
        if entry := ids.get(row[where].strip()):
            found.add(entry.result.student)
            row[column] = mark_of(entry, partial)
        table.append(row)
    return table, [s for s in by_student(marked) if s not in found]


def by_student(marked: Iterable[Entry]) -> dict[str, Entry]:
    """The entries of one exercise by learner."""
    return {entry.result.student: entry for entry in marked}


def mark_of(entry: Entry, partial: bool) -> str:
    """The points of an exercise; nothing while something waits for a person."""
    if entry.settled or (partial and not entry.result.problem):
        return points(entry.total)
    return ""


def roster_of(path: Path | None) -> list[list[str]] | None:
    """The rows of a platform's table. Raises `CourseError` when it cannot be read."""
    if path is None:
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"The roster {path} cannot be read: {error}") from None
    if not rows:
        raise CourseError(f"The roster {path} is empty.")
    return rows


def written(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV, every field quoted and none a formula."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([no_formula(field) for field in row] for row in rows)
    return out.getvalue()


def no_formula(text: str) -> str:
    """Text that a spreadsheet takes for text."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def points(value: float) -> str:
    """A number of points without needless decimals."""
    return f"{value:.1f}".removesuffix(".0")
