"""Write one page for each learner: the marks, and what each answer shows of its author.

    gencourse feedback --course ~/courses/autumn
    gencourse feedback --course ~/courses/autumn --zip return.zip

writes feedback/LEARNER.html in the course, with every exercise that the learner has handed in and
the marks and comments that you have given by hand. `gencourse grade` does the same at its end; this
is for afterwards. With --zip the pages also go into one archive, those of learners whose work came
from Moodle in folders of the names that Moodle expects back (the assignment's "Upload multiple
feedback files in a zip").

Every word on a page is ours or the learner's own, escaped; of the secret inputs and the checks it
says nothing. A page is one file without scripts or links to other hosts but the book's, and is read
as well on a telephone as in an e-mail.
"""

import argparse
import sys
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from gencourse.grading.check import marked_up
from gencourse.grading.collect import collected
from gencourse.grading.course import CourseError, Entry, entries, exercises_of
from gencourse.grading.export import points
from gencourse.grading.gradebook import GradebookError
from gencourse.grading.marking import Mark
from gencourse.grading.results import safe_name, write_atomically

__all__ = ["PAGE", "STYLE", "configure", "page", "run", "write_pages"]

STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --quiet: #5b6675; --line: #d5dae1;
  --ground: #ffffff; --right: #0e7a68; --partly: #8a6410; --wrong: #8e2929; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --quiet: #a3adba; --line: #39424e;
  --ground: #14181f; --right: #5ee8ba; --partly: #f9d210; --wrong: #f08a72; } }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 "Inter", system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 42rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0; }
header p, .where, .note { color: var(--quiet); margin: .25rem 0; }
.total { font-size: 1.25rem; margin: 1rem 0; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
.score { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; }
.score span { white-space: nowrap; font-variant-numeric: tabular-nums; }
.right { color: var(--right); } .partly { color: var(--partly); } .wrong { color: var(--wrong); }
.waits { color: var(--quiet); }
p { margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem;
  font: .875rem/1.5 "JetBrains Mono", ui-monospace, monospace; margin: .75rem 0; }
dt { color: var(--quiet); } dd { margin: 0; white-space: pre-wrap; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
a { color: inherit; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse feedback`."""
    parser.add_argument("--course", type=Path, required=True, help="the folder of your course")
    parser.add_argument("--zip", type=Path, metavar="FILE", help="an archive to send back")


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when nothing was marked."""
    try:
        names = exercises_of(args.course)
        everything = entries(args.course)
        if not everything:
            raise CourseError(f"Nothing has been marked in {args.course}; see `gencourse grade`.")
        pages = write_pages(args.course, everything)
        if args.zip:
            pack(args.zip, args.course, names, pages)
    except (CourseError, GradebookError) as problem:
        print(f"gencourse feedback: {problem}", file=sys.stderr)
        return 2
    print(f"{len(pages)} pages are in {args.course / 'feedback'}")
    return 0


def write_pages(course: Path, everything: Sequence[Entry]) -> dict[str, Path]:
    """Write the page of every learner, and return where each is."""
    by_student: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in everything:
        by_student[entry.result.student].append(entry)
    pages = {}
    for student, own in by_student.items():
        pages[student] = course / "feedback" / f"{safe_name(student)}.html"
        write_atomically(pages[student], page(own).encode(errors="replace"))
    return pages


def pack(target: Path, course: Path, names: Sequence[str], pages: dict[str, Path]) -> None:
    """Put the pages into an archive, under the names that the learners' platform knows."""
    known = {student: c for name in names for student, c in collected(course, name).items()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, path in pages.items():
            inside = path.name
            if student in known and known[student].system == "moodle":
                folder = f"{known[student].name}_{known[student].id}_assignsubmission_file_"
                inside = f"{folder}/feedback.html"
            archive.write(path, inside)


def page(reports: Sequence[Entry]) -> str:
    """The page of one learner, in HTML, with each exercise that was handed in."""
    student = escape(reports[0].result.student)
    body = "\n".join(exercise(report) for report in reports)
    return PAGE.format(title=f"Feedback for {student}", style=STYLE, body=body)


def exercise(report: Entry) -> str:
    """One exercise: the total, then question by question."""
    who = f"{report.result.student} · {report.result.file}"
    head = f"<h1>{escape(report.title)}</h1>\n<p>{escape(who)}</p>"
    if report.result.problem:
        problem = f"This file could not be marked. {report.result.problem}"
        advice = "A person will look at it, and may ask you to send it again."
        return f"<header>{head}</header>\n<p>{escape(problem)}</p>\n<p>{advice}</p>"
    total = f"{points(report.total)} of {report.out_of} points"
    if report.waiting:
        later = sum(m.out_of for m in report.result.marks if m.question in report.waiting)
        total += f" so far; a person still marks answers worth {later}"
    sections = "\n".join(section(report, mark) for mark in report.result.marks)
    flags = " ".join(report.result.flags)
    about = f'<p class="note">About your file: {escape(flags)}</p>\n' if flags else ""
    return f'<header>{head}</header>\n<p class="total">{total}</p>\n{about}{sections}'


def section(report: Entry, mark: Mark) -> str:
    """One question: its score, and why."""
    score, decided = report.score(mark), report.scores.get(mark.question)
    by_person = decided is not None and decided.by_person and score is not None
    if score is None:
        state, words = "waits", f"– of {mark.out_of}"
    else:
        state = "right" if score >= mark.out_of else "partly" if score > 0 else "wrong"
        words = f"{points(score)} of {mark.out_of}"
    title = escape(report.titles.get(mark.question, mark.question))
    lines = [
        '<section><div class="score">',
        f'<h2>{title}</h2><span class="{state}">{words}</span></div>',
    ]
    if mark.misconception and not by_person:
        lines.append(f"<p><strong>Likely: {marked_up(mark.misconception)}.</strong></p>")
    lines.append(f"<p>{'Marked by a person.' if by_person else marked_up(mark.message)}</p>")
    if decided is not None and decided.comment:
        lines.append(f"<p>{marked_up(decided.comment)}</p>")
    if mark.example:
        rows = (f"<dt>{what}</dt><dd>{escape(value)}</dd>" for what, value in mark.example)
        lines.append(f"<dl>{''.join(rows)}</dl>")
    if mark.where:
        lines.append(f'<p class="where">To read: {marked_up(mark.where)}</p>')
    if mark.note:
        lines.append(f'<p class="note">{escape(mark.note)}</p>')
    return "\n".join([*lines, "</section>"])
