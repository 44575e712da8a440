"""Write one page about a class: how it did, what it misunderstands, what still waits for you.

    gencourse report --course ~/courses/autumn

writes report-02-vae.html in the course. On it

  marks             how they are spread, with the median
  what waits        answers in words, damaged files, questions with two answers: by learner
  questions         for each the mean, and how well it separates: the correlation of its points with
                    the points of all other questions together. A question that everybody solves, or
                    that the better half fails, is marked
  misconceptions    which of the known mistakes were made, by how many, and where to read
  resemblance       pairs of learners whose cells share uncommon passages. Short right answers are
                    alike by nature, so what many wrote does not count; still a pair is a reason to
                    look and no more
  remarks           what was lost, moved or edited in the notebooks

The page holds names and marks: it is for you alone.
"""

import argparse
import io
import statistics
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, combinations
from pathlib import Path

from gencourse.grading.check import marked_up
from gencourse.grading.collect import Collected, collected
from gencourse.grading.course import CourseError, Entry, entries, exercise_of
from gencourse.grading.feedback import PAGE, STYLE
from gencourse.grading.gradebook import GradebookError
from gencourse.grading.preflight import Cell, parse_notebook
from gencourse.grading.results import Result, write_atomically

__all__ = ["Resemblance", "configure", "resemblances", "run", "separation"]

SEPARATES = 0.2  # a correlation below this tells the strong from the weak no better than chance
ENOUGH = 8  # learners, before a correlation is worth printing
PASSAGE = 6  # tokens that follow one another
UNCOMMON = 0.1  # of a class: a passage that more than this share wrote is nobody's own
ALIKE = 0.6  # of the uncommon passages of a pair
LONG_ENOUGH = 25  # shared uncommon passages
MOST_PAIRS = 20
REPORT_STYLE = """
main { max-width: 62rem; }
h2 { margin: 2.25rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1.25rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--quiet); font-weight: 500; }
th, td { padding: .3rem 1rem .3rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.marks { display: grid; grid-template-columns: repeat(10, 1fr); gap: 3px; align-items: end;
  height: 8rem; margin: 1rem 0 0; }
.marks div { background: var(--right); min-height: 1px; border-radius: 2px 2px 0 0; }
.scale { display: grid; grid-template-columns: repeat(10, 1fr); gap: 3px; color: var(--quiet);
  font-size: .8rem; font-variant-numeric: tabular-nums; }
.share { display: inline-block; height: .6rem; background: var(--right); border-radius: 2px; }
.track { display: inline-block; width: 6rem; background: var(--line); border-radius: 2px;
  line-height: .6rem; vertical-align: baseline; }
"""


@dataclass(frozen=True)
class Resemblance:
    """Two learners, and the share of their uncommon passages that both wrote."""

    first: str
    second: str
    share: float
    passages: int


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse report`."""
    parser.add_argument("--course", type=Path, required=True, help="the folder of your course")
    parser.add_argument("--exercise", help="which one, where the course has released several")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: above)")


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when nothing was marked."""
    try:
        exercise = exercise_of(args.course, args.exercise)
        found = [entry for entry in entries(args.course) if entry.assignment == exercise]
        if not found:
            raise CourseError(f"Nothing has been marked for {exercise}; see `gencourse grade`.")
    except (CourseError, GradebookError) as problem:
        print(f"gencourse report: {problem}", file=sys.stderr)
        return 2
    release = parse_notebook(
        (args.course / "release" / exercise / f"{exercise}.ipynb").read_bytes()
    )
    target = args.out or args.course / f"report-{exercise}.html"
    text = class_page(found, collected(args.course, exercise), release)
    write_atomically(target, text.encode(errors="replace"))
    print(f"The page is {target}")
    return 0


def class_page(
    found: Sequence[Entry], arrived: Mapping[str, Collected], release: Sequence[Cell]
) -> str:
    """The page, in HTML."""
    marked = [entry for entry in found if not entry.result.problem]
    settled = sum(entry.settled for entry in found)
    late = sum(
        entry.result.student in arrived and arrived[entry.result.student].late for entry in found
    )
    head = (
        f"<header><h1>{escape(found[0].title)}</h1>\n"
        f"<p>{len(found)} submissions: {settled} marked, {len(found) - settled} waiting for a "
        f"person{f', {late} handed in late' if late else ''}. For you alone.</p></header>"
    )
    body = [head]
    if marked:
        body += [
            spread(marked),
            waiting(found),
            questions(marked),
            misconceptions(marked),
            pairs(resemblances([entry.result for entry in marked], release)),
        ]
    else:
        body.append(waiting(found))
    body.append(remarks(found))
    title = f"The class: {escape(found[0].title)}"
    return PAGE.format(title=title, style=STYLE + REPORT_STYLE, body="\n".join(body))


def spread(marked: Sequence[Entry]) -> str:
    """How the marks are spread over tenths of what can be had."""
    shares = [entry.total / entry.out_of if entry.out_of else 0 for entry in marked]
    tenths = Counter(min(9, int(10 * share)) for share in shares)
    highest = max(tenths.values())
    bars = "".join(
        f'<div style="height:{100 * tenths[i] / highest:.0f}%"></div>' for i in range(10)
    )
    scale = "".join(f"<span>{10 * i}–{10 * i + 10} %<br>{tenths[i]}</span>" for i in range(10))
    unsettled = sum(not entry.settled for entry in marked)
    note = f" {unsettled} of them still grow: something waits for a person." if unsettled else ""
    said = ", ".join(f"{tenths[i]} between {10 * i} and {10 * i + 10} %" for i in sorted(tenths))
    return (
        "<h2>Marks</h2>\n"
        f"<p>The median is {100 * statistics.median(shares):.0f} % of the points.{note}</p>\n"
        f'<div class="marks" role="img" aria-label="Learners by share of the points: {said}">{bars}'
        f'</div><div class="scale" aria-hidden="true">{scale}</div>'
    )


def waiting(found: Sequence[Entry]) -> str:
    """What a person still has to decide, by learner."""
    rows = []
    for entry in found:
        by_name = {mark.question: mark for mark in entry.result.marks}
        for question in entry.waiting:
            title = entry.titles.get(question, question)
            reason = by_name[question].message.removeprefix("A person will mark this. ")
            rows.append((entry.result.student, title, reason))
        if entry.result.problem:
            rows.append((entry.result.student, entry.result.file, entry.result.problem))
    if not rows:
        return "<h2>What waits for you</h2>\n<p>Nothing.</p>"
    advice = (
        "<p>Answers are marked in nbgrader's formgrader, each below its rubric. A file that cannot "
        "be read is asked for again, or mended and collected.</p>"
    )
    return f"<h2>What waits for you</h2>\n{advice}\n" + html_table(
        ("learner", "what", "why"), [[escape(part) for part in row] for row in rows]
    )


def questions(marked: Sequence[Entry]) -> str:
    """How each question went, and how well it separates."""
    rows = []
    for name, scores in scores_by_question(marked).items():
        out_of = next(m.out_of for m in marked[0].result.marks if m.question == name)
        known = [score for score in scores if score is not None]
        title = escape(marked[0].titles.get(name, name))
        if not known or not out_of:
            rows.append([title, f"{out_of}", "–", "–", "–", "–", "Nothing is marked yet."])
            continue
        share = statistics.mean(known) / out_of
        bar = f'<span class="share" style="width:{6 * share:.2f}rem"></span>'
        correlation = separation(scores, totals_without(name, marked))
        rows.append(
            [
                title,
                f"{out_of}",
                f'<span class="track">{bar}</span> {100 * share:.0f} %',
                f"{sum(score >= out_of for score in known)}",
                f"{sum(score == 0 for score in known)}",
                "–" if correlation is None else f"{correlation:+.2f}",
                verdict(correlation, known, out_of),
            ]
        )
    heads = ("question", "points", "mean", "in full", "at 0", "separates", "")
    return "<h2>Questions</h2>\n" + html_table(heads, rows, numeric=(1, 3, 4, 5))


def verdict(correlation: float | None, known: Sequence[float], out_of: int) -> str:
    """What an instructor should think of a question's numbers."""
    if len(known) < ENOUGH:
        return "Too few learners to tell."
    if correlation is None:
        return "Everybody has the same mark: it tells nobody apart."
    if correlation < 0:
        return "Those who do well elsewhere do worse here: look at its wording and its key."
    if correlation < SEPARATES:
        return "It hardly tells the strong from the weak."
    return ""


def scores_by_question(marked: Sequence[Entry]) -> dict[str, list[float | None]]:
    """The points of every learner, question by question; None while one waits."""
    names = [mark.question for mark in marked[0].result.marks]
    return {
        name: [
            next((entry.score(m) for m in entry.result.marks if m.question == name), None)
            for entry in marked
        ]
        for name in names
    }


def totals_without(name: str, marked: Sequence[Entry]) -> list[float]:
    """The points that every learner has for the other questions."""
    return [
        sum(entry.score(mark) or 0 for mark in entry.result.marks if mark.question != name)
        for entry in marked
    ]


def separation(scores: Sequence[float | None], rest: Sequence[float]) -> float | None:
    """The correlation between the points for a question and those for all others together.

    None where it does not exist: too few learners, or everybody has the same.
    """
    pairs = [(score, other) for score, other in zip(scores, rest, strict=True) if score is not None]
    if len(pairs) < ENOUGH:
        return None
    ours, others = zip(*pairs, strict=True)
    if len(set(ours)) == 1 or len(set(others)) == 1:
        return None
    return statistics.correlation(ours, others)


def misconceptions(marked: Sequence[Entry]) -> str:
    """Which of the known mistakes the class makes."""
    found: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for entry in marked:
        for mark in entry.result.marks:
            if mark.misconception:
                found[mark.question, mark.misconception, mark.where] += 1
    if not found:
        return "<h2>Misconceptions</h2>\n<p>None of the known ones was recognised.</p>"
    titles = marked[0].titles
    rows = [
        [
            escape(titles.get(question, question)),
            marked_up(name),
            f"{count}",
            f"{100 * count / len(marked):.0f} %",
            marked_up(where),
        ]
        for (question, name, where), count in sorted(found.items(), key=lambda item: -item[1])
    ]
    heads = ("question", "what was done", "learners", "of the class", "treated in")
    return "<h2>Misconceptions</h2>\n" + html_table(heads, rows, numeric=(2, 3))


def pairs(found: Sequence[Resemblance]) -> str:
    """Who resembles whom."""
    if not found:
        return "<h2>Resemblance</h2>\n<p>No two submissions share uncommon passages.</p>"
    rows = [
        [escape(p.first), escape(p.second), f"{100 * p.share:.0f} %", f"{p.passages}"]
        for p in found[:MOST_PAIRS]
    ]
    advice = (
        f"<p>Passages of {PASSAGE} words or signs that hardly anybody else wrote. It may be a "
        "shared source, work done together, or chance: look before you think.</p>"
    )
    heads = ("learner", "learner", "of their own passages", "passages in common")
    return f"<h2>Resemblance</h2>\n{advice}\n" + html_table(heads, rows, numeric=(2, 3))


def resemblances(results: Sequence[Result], release: Sequence[Cell]) -> list[Resemblance]:
    """The pairs whose uncommon passages are mostly the same, the most alike first.

    A passage is a run of tokens in a cell that is the learner's. It is uncommon when at most a
    tenth of the class (but always two) wrote it and the release does not hold it.
    """
    given = {cell.source for cell in release}
    common = set(chain.from_iterable(map(passages, given)))
    own = {
        result.student: {
            passage
            for cell in result.cells
            if cell.source not in given
            for passage in passages(cell.source)
        }
        - common
        for result in results
    }
    holders = Counter(passage for found in own.values() for passage in found)
    most = max(2, int(UNCOMMON * len(own)))
    rare = {
        student: {passage for passage in found if holders[passage] <= most}
        for student, found in own.items()
    }
    alike = []
    for first, second in combinations(sorted(rare), 2):
        shared = rare[first] & rare[second]
        if len(shared) >= LONG_ENOUGH:
            share = len(shared) / len(rare[first] | rare[second])
            if share >= ALIKE:
                alike.append(Resemblance(first, second, share, len(shared)))
    return sorted(alike, key=lambda pair: -pair.share)


def passages(source: str) -> set[tuple[str, ...]]:
    """The runs of tokens in a cell: Python's tokens, or words where it is not Python."""
    words = tokens_of(source)
    return {tuple(words[i : i + PASSAGE]) for i in range(len(words) - PASSAGE + 1)}


def tokens_of(source: str) -> list[str]:
    """What a cell consists of, without its spaces."""
    try:
        found = tokenize.generate_tokens(io.StringIO(source).readline)
        return [token.string for token in found if token.string.strip()]
    except (tokenize.TokenError, SyntaxError):
        return source.split()


def remarks(found: Sequence[Entry]) -> str:
    """What was lost, moved, edited or mended."""
    rows = []
    for entry in found:
        notes = [*entry.result.flags]
        notes += [f"{mark.question}: {mark.note}" for mark in entry.result.marks if mark.note]
        if notes:
            rows.append([escape(entry.result.student), escape(" ".join(notes))])
    if not rows:
        return ""
    return "<h2>Remarks</h2>\n" + html_table(("learner", "what was noticed"), rows)


def html_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = ()
) -> str:
    """A table. What is in `rows` is HTML already."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if i in numeric else ''}>{cell}</{tag}>"
            for i, cell in enumerate(cells)
        )

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{line(heads, "th")}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
