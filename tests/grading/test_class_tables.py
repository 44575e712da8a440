"""What an instructor reads of a class, and what a platform is given, from results alone."""

import csv
import io
from types import MappingProxyType

import pytest

from gencourse.grading.collect import Collected
from gencourse.grading.course import CourseError, Entry
from gencourse.grading.export import for_canvas, for_moodle, no_formula, table, written
from gencourse.grading.gradebook import without_html
from gencourse.grading.marking import Mark
from gencourse.grading.preflight import Cell
from gencourse.grading.report import class_page, resemblances, separation
from gencourse.grading.results import CellAsMarked, Result

RELEASE = [Cell("code", "import torch"), Cell("code", "def f(x):\n    ...", "f")]
TITLES = MappingProxyType({"": "An exercise", "f": "1. The <first>", "w": "2. In words"})


def entry(student, f, w=5.0, *, name="summed", source="", problem=""):
    marks = (
        Mark("f", f, 10, "Right." if f == 10 else "No.", "" if f == 10 else name, "Chapter 2"),
        Mark("w", w, 5, "A person marks this answer."),
    )
    cells = (CellAsMarked("code", source, "f", True),)
    result = Result(student, "x.ipynb", "", problem, (), () if problem else marks, cells)
    return Entry("02-vae", "An exercise", TITLES, result, {})


ADA, BOB = entry("ada 1", 10.0), entry("bob 2", 0.0, w=None)
CYD = entry("=cyd()", 10.0, problem="The file is empty.")
ARRIVED = {
    "ada 1": Collected("ada", "canvas", "1"),
    "bob 2": Collected("bob", "canvas", "2", late=True),
}


def read(text):
    return list(csv.reader(io.StringIO(text)))


def test_the_table_has_a_row_for_everybody_and_says_what_waits():
    head, *rows = read(table([ADA, BOB, CYD], ARRIVED))
    by_student = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    assert by_student["ada 1"]["points"] == "15"
    assert by_student["bob 2"]["waits for a person"] == "w"
    assert (by_student["bob 2"]["late"], by_student["ada 1"]["late"]) == ("late", "")
    assert by_student["'=cyd()"]["waits for a person"] == "The file is empty."


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "\n=1"]
)
def test_no_field_is_a_formula_and_every_field_is_quoted(text):
    assert no_formula(text) == f"'{text}"
    assert written([[text, "plain", "-2.5", "1"]]).startswith("\"'")
    assert written([["plain", "-2.5"]]) == '"plain","-2.5"\r\n'


def test_canvas_gets_its_own_rows_back_with_one_column_filled():
    roster = [
        ["Student", "ID", "SIS Login ID", "02-vae (77)", "Final Score"],
        ["    Points Possible", "", "", "15", "(read only)"],
        ["Lovelace, Ada", "1", "ada@x", "", "3"],
        ["Byron, Bob", "2", "bob@x", "", "4"],
    ]
    rows, missing = for_canvas([ADA, BOB], ARRIVED, roster, False)
    assert rows[:2] == roster[:2]
    assert rows[2] == ["Lovelace, Ada", "1", "ada@x", "15", "3"]
    assert rows[3][3] == ""  # something of Bob's still waits
    assert missing == []
    partial, _ = for_canvas([ADA, BOB], ARRIVED, roster, True)
    assert partial[3][3] == "0"


def test_moodle_gets_its_participants_and_who_is_in_no_roster_is_named():
    arrived = {"ada 1": Collected("ada", "moodle", "1")}
    rows, missing = for_moodle([ADA, BOB], arrived, None, False)
    assert rows[1:] == [["Participant 1", "ada", "15", "15"]]
    assert missing == ["bob 2"]
    roster = [["Identifier", "Full name", "Grade"], ["Participant 9", "Zoe", ""]]
    rows, missing = for_moodle([ADA], arrived, roster, False)
    assert rows == roster
    assert missing == ["ada 1"]
    with pytest.raises(CourseError, match="Identifier"):
        for_moodle([ADA], arrived, [["Name"], ["ada"]], False)


def test_a_question_separates_when_the_strong_do_better_in_it():
    rest = [float(i) for i in range(10)]
    assert separation(rest, rest) == pytest.approx(1)
    assert separation(rest[::-1], rest) == pytest.approx(-1)
    assert separation([3.0] * 10, rest) is None
    assert separation(rest[:4], rest[:4]) is None


def test_shared_uncommon_passages_are_found_and_common_ones_are_not():
    common = "def f(x):\n    return (x**2 + x.exp() - 1 - x).sum(-1) * 0.5"
    strange = "\n".join(f"    oddly_{i} = x * {i} + helper_{i}(x, {i} - 1)" for i in range(12))
    texts = [common] * 20 + [f"def f(x):\n{strange}", f"# mine\ndef f(x):\n{strange}"]
    results = [entry(f"s{i:02d}", 0.0, source=text).result for i, text in enumerate(texts)]
    (pair,) = resemblances(results, RELEASE)
    assert (pair.first, pair.second) == ("s20", "s21")
    assert pair.share > 0.8


def test_the_page_names_misconceptions_and_what_waits_and_is_safe():
    page = class_page([ADA, BOB, CYD, entry("eve<script>", 0.0, w=None)], ARRIVED, RELEASE)
    assert "<script" not in page
    assert "eve&lt;script&gt;" in page
    assert "1. The &lt;first&gt;" in page
    assert "summed" in page
    assert "The file is empty." in page
    assert "1 handed in late" in page


def test_mathematics_of_a_learner_s_makes_no_link():
    for source in (r"$\href{javascript:x}{y}$", r"$\\href{javascript:x}{y}$", r"\require{html}"):
        assert "\\href" not in without_html(source)
        assert "\\require" not in without_html(source)
    assert without_html(r"$\left(\frac12\right)$") == r"$\left(\frac12\right)$"
