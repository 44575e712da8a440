"""One page for each learner: the marks, and what each answer shows of its author's understanding.

Every word on it is ours or the learner's own, escaped; of the secret inputs and the checks it says
nothing. The page is one file without scripts or links to other hosts but the book's, and is read as
well on a telephone as in an e-mail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gencourse.grading.check import marked_up
from gencourse.grading.gradebook import Score
from gencourse.grading.marking import Mark
from gencourse.grading.results import Result

__all__ = ["Report", "page", "points"]

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


@dataclass(frozen=True)
class Report:
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
    def out_of(self) -> int:
        """The points that can be had."""
        return sum(mark.out_of for mark in self.result.marks)

    @property
    def waiting(self) -> list[str]:
        """The questions that wait for a person."""
        return [mark.question for mark in self.result.marks if self.score(mark) is None]


def page(reports: Sequence[Report]) -> str:
    """The page of one learner, in HTML, with each exercise that was handed in."""
    student = escape(reports[0].result.student)
    body = "\n".join(exercise(report) for report in reports)
    return PAGE.format(title=f"Feedback for {student}", style=STYLE, body=body)


def exercise(report: Report) -> str:
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
    return f'<header>{head}</header>\n<p class="total">{total}</p>\n{sections}'


def section(report: Report, mark: Mark) -> str:
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


def points(value: float) -> str:
    """A number of points without needless decimals."""
    return f"{value:.1f}".removesuffix(".0")
