"""A class hands in a small exercise in every state that a notebook can be in, and is marked.

None stops the batch, none gains a mark that it has not earned, none loses one that it has.
"""

import csv
import json
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from sample_exercise import (
    RIGHT,
    SAMPLE,
    Notebook,
    answered,
    cell_of,
    code,
    hand_in,
    solution_notebook,
)

from gencourse.cli import main
from gencourse.grading import grade as grade_module
from gencourse.grading.grade import GradeError, grade, locked
from gencourse.grading.gradebook import open_gradebook
from gencourse.grading.marking import Limits
from gencourse.grading.release import release
from gencourse.grading.results import load, safe_name
from gencourse.grading.sandbox import SandboxUnavailableError

LIMITS = Limits(cell=3, question=3, submission=60)
FULL = {"verbs": "4", "softplus": "3", "square": "3", "why": ""}  # words wait for a person
NOTHING = dict.fromkeys(FULL, "0")


@dataclass
class Course:
    folder: Path
    submissions: Path
    released: Notebook

    def rows(self) -> dict[str, dict[str, str]]:
        with (self.folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}

    def page(self, student: str) -> str:
        return (self.folder / "feedback" / f"{safe_name(student)}.html").read_text()


def softplus(body: str) -> str:
    """An answer to `softplus` that does something besides, or instead."""
    return f"def softplus(x):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}"


RETURN_RIGHT = "return torch.logaddexp(x, torch.zeros_like(x))"
FORGE = """
from gencourse.grading.protocol import pack
reply = pack({"failure": None}, [torch.nn.functional.relu(x)])
import os
for descriptor in range(3, 30):
    try:
        os.write(descriptor, reply)
    except OSError:
        pass
return x
"""
PATCH = """
import builtins
torch.allclose = torch.isclose = torch.equal = lambda *a, **k: True
torch.Tensor.__eq__ = torch.Tensor.all = lambda *a, **k: True
builtins.all = builtins.isinstance = lambda *a: True
class Agreeable:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __eq__(self, other): return True
def softplus(x):
    return Agreeable()
"""
ENDLESS = """
while True:
    try:
        while True: pass
    except BaseException: pass
"""
SYS_EXIT = """\
def mean_square(x):
    raise SystemExit
"""
HARD_CODED = """\
seen = {}
def mean_square(x):
    return seen.get(tuple(x.flatten().tolist()), x.sum() * 0)
"""
# name: (the answers that differ from the right ones, what that changes in the marks)
CLASS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "full": ({}, {}),
    "=1+1": (
        {"softplus": "softplus = lambda x: x.clamp(min=0) + torch.log1p((-x.abs()).exp())"},
        {},
    ),
    "partial": (
        {
            "verbs": RIGHT["verbs"].replace("invert", "compress"),
            "square": "def mean_square(x):\n    return (x**2).sum()",
        },
        {"verbs": "3", "square": "0"},
    ),
    "warns": (
        {
            "softplus": softplus(
                "import sys, warnings\nwarnings.warn('careful')\nprint('x' * 10**6)\n"
                f"print('error', file=sys.stderr)\n{RETURN_RIGHT}"
            )
        },
        {},
    ),
    "magic": (
        {
            "softplus": "%%time\n" + RIGHT["softplus"],
            "square": "!pip install numpy\n%matplotlib inline\n" + RIGHT["square"],
        },
        {},
    ),
    "endless cell": ({"softplus": "while True: pass"}, {"softplus": "0"}),
    "endless function": ({"softplus": softplus(ENDLESS)}, {"softplus": "0"}),
    "os exit": ({"softplus": "import os\nos._exit(0)"}, {"softplus": "0"}),
    "exit in function": (
        {"softplus": softplus("import os\nos._exit(0)"), "square": SYS_EXIT},
        {"softplus": "0", "square": "0"},
    ),
    "patched": ({"softplus": PATCH}, {"softplus": "0", "square": "*"}),
    "forged": ({"softplus": softplus(FORGE)}, {"softplus": "0", "square": "*"}),
    "memory": ({"softplus": softplus("return [0] * 10**10")}, {"softplus": "0"}),
    "fork": ({"softplus": softplus(f"import os\nos.fork()\n{RETURN_RIGHT}")}, {"softplus": "0"}),
    "syntax": ({"softplus": "def softplus(x:\n    return x"}, {"softplus": "0"}),
    "hard-coded": ({"square": HARD_CODED}, {"square": "0"}),
    "not a number": (
        {
            "softplus": softplus("return (1 + x.float().exp()).log()"),
            "square": "def mean_square(x):\n    return x.sum() / 0 * 0",
        },
        {"softplus": "0", "square": "0"},
    ),
    "hostile <img src=x>": (
        {
            "softplus": softplus("raise ValueError('<img src=x onerror=alert(1)>')"),
            "why": "<script>alert(1)</script> [a](java&#115;cript:alert(1)) [b]\n\n[b]: data:x",
        },
        {"softplus": "0"},
    ),
}


def broken_files(folder: Path, released: Notebook) -> dict[str, dict[str, str]]:
    """Hand in notebooks that are damaged as files or as notebooks; their marks by name."""
    full = answered(released, RIGHT)
    text = json.dumps(full).encode()
    for name, data in {
        "truncated": text[: len(text) // 2],
        "empty": b"",
        "web page": b"<html><body>Sign in</body></html>",
        "list": b"[]",
    }.items():
        (folder / f"{name}.ipynb").write_bytes(data)
    (folder / "bom.ipynb").write_bytes(b"\xef\xbb\xbf" + text)
    (folder / "Copy of renamed (1).ipynb").write_bytes(text)
    (folder / "link.ipynb").symlink_to(folder / "bom.ipynb")
    hand_in(folder / "nested" / SAMPLE.name / f"{SAMPLE.name}.ipynb", full)
    hand_in(folder / "blank.ipynb", released)

    stripped = answered(released, RIGHT)
    stripped["nbformat_minor"] = 0
    for cell in stripped["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    hand_in(folder / "stripped.ipynb", stripped)

    doubled = answered(released, RIGHT)
    doubled["cells"].insert(2, cell_of(doubled, "softplus"))
    hand_in(folder / "doubled.ipynb", doubled)

    two = answered(released, RIGHT)
    other = answered(released, {"softplus": "def softplus(x):\n    return x"})
    two["cells"].append(cell_of(other, "softplus"))
    hand_in(folder / "two answers.ipynb", two)

    rigged = answered(
        released, {"softplus": "def softplus(x):\n    return x", "verbs": "verbs = 1"}
    )
    cell_of(rigged, "softplus-check")["source"] = "print('30 of 30')"
    cell_of(rigged, "softplus-check")["metadata"]["nbgrader"]["points"] = 30
    rigged["cells"].remove(cell_of(rigged, "square-check"))
    rigged["cells"].append(code("check = lambda *a: 100", nbgrader={"grade_id": "square-check"}))
    hand_in(folder / "rigged.ipynb", rigged)
    return {
        "bom": FULL,
        "renamed": FULL,
        "nested": FULL,
        "stripped": FULL,
        "doubled": FULL,
        "two answers": {**FULL, "softplus": ""},
        "blank": NOTHING,
        "rigged": NOTHING,
        **{key: {} for key in ["truncated", "empty", "web page", "list", "link"]},
    }


@pytest.fixture(scope="module")
def course(tmp_path_factory, sandboxed) -> Course:
    """A course with the sample released in it, and nothing handed in yet."""
    root = tmp_path_factory.mktemp("class")
    hand_in(root / "solutions" / "00-sample.ipynb", solution_notebook())
    learners = release(SAMPLE, root / "course", root / "solutions")
    (root / "submissions").mkdir()
    return Course(root / "course", root / "submissions", json.loads(learners.read_text()))


@pytest.fixture(scope="module")
def expected(course) -> dict[str, dict[str, str]]:
    """Everything handed in, and the marks it has earned."""
    marks = broken_files(course.submissions, course.released)
    for name, (answers, change) in CLASS.items():
        path = course.submissions / name / "answer.ipynb"
        hand_in(path, answered(course.released, {**RIGHT, **answers}))
        marks[path.parent.name] = {**FULL, **change}
    return marks


@pytest.fixture(scope="module")
def marked(course, expected) -> Course:
    """The course after the batch was marked once."""
    assert grade(SAMPLE, course.submissions, course.folder, jobs=2, limits=LIMITS) == 0
    return course


def test_everything_handed_in_has_a_row_and_a_page(marked, expected):
    rows = {name.removeprefix("'") for name in marked.rows()}
    assert rows == set(expected)
    for student in expected:
        assert "</html>" in marked.page(student)


def test_every_answer_has_the_mark_it_has_earned_and_no_other(marked, expected):
    rows = {name.removeprefix("'"): row for name, row in marked.rows().items()}
    for student, marks in expected.items():
        got = {question: rows[student][question] for question in marks}
        wanted = {q: got[q] if m == "*" else m for q, m in marks.items()}
        assert got == wanted, student
        assert bool(rows[student]["waits for a person"]) == (not marks or "" in marks.values())


def test_what_cannot_be_marked_says_why(marked):
    rows = marked.rows()
    for student, why in {
        "truncated": "cut off",
        "empty": "empty",
        "web page": "web page",
        "list": "not a notebook",
        "link": "link",
        "two answers": "softplus",
    }.items():
        assert why in rows[student]["waits for a person"]
        assert rows[student]["points"] == ("" if student != "two answers" else "7")


def test_repairs_are_mentioned(marked):
    remarks = marked.rows()["stripped"]["remarks"]
    assert "softplus: Found by its marker" in remarks
    assert "why: Found by its place" in remarks


def test_feedback_names_the_misconception_and_shows_a_public_example(marked):
    page = marked.page("partial")
    assert "Likely: summed." in page
    assert "You add up and never divide." in page
    assert "A flow keeps every dimension." in page
    assert "<dt>wanted</dt>" in page
    assert "2. About softplus" in page
    assert "It took longer than 3 s." in marked.page("endless function")
    assert "still running after 3 s." in marked.page("endless cell")
    assert "SyntaxError" in marked.page("syntax")
    assert "There is no answer yet." in marked.page("blank")


def test_feedback_is_about_the_public_inputs_and_secret_ones_stay_secret(marked):
    """The function that remembers nothing is wrong everywhere, but one public case is shown."""
    page = marked.page("hard-coded")
    assert page.count("<dt>got</dt>") == 1
    assert "inputs" not in page


def test_pages_are_safe_and_complete_in_themselves(marked, expected):
    for student in expected:
        page = marked.page(student)
        assert "<script" not in page
        assert "<img" not in page
        assert not re.search(r"<[^>]*\b(src|onerror)=|url\(|@import", page)
    page = marked.page("hostile <img src=x>")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_spreadsheet_takes_no_name_for_a_formula(marked):
    assert "'=1+1" in marked.rows()


def test_nothing_is_left_behind(marked):
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    assert not [command for command in commands if "bwrap" in command]
    hidden = [path.name for path in marked.folder.rglob(".*")]
    assert hidden == [".marking-key"]


def test_formgrader_finds_what_a_person_has_to_mark(marked, expected):
    """As its page does: submissions by notebook, and the notebook that it shows."""
    wait = {s for s, marks in expected.items() if "" in marks.values()}
    with open_gradebook(marked.folder) as gradebook:
        listed = gradebook.notebook_submission_dicts(SAMPLE.name, SAMPLE.name)
        assert {s["student"] for s in listed if s["needs_manual_grade"]} == set(
            map(safe_name, wait)
        )
        grade_of_words = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, "full")
        assert grade_of_words.needs_manual_grade
        assert grade_of_words.max_score == 5
        submission = gradebook.find_submission(SAMPLE.name, "full")
        assert (submission.score, submission.max_score) == (10, 15)
    shown = marked.folder / "autograded" / "full" / SAMPLE.name / f"{SAMPLE.name}.ipynb"
    cells = json.loads(shown.read_text())["cells"]
    at = next(i for i, cell in enumerate(cells) if cell["source"].startswith(RIGHT["why"]))
    assert "**3** Says why." in cells[at - 1]["source"]
    assert "A model answer" in cells[at - 1]["source"]


def test_a_marker_s_browser_runs_nothing_of_a_learner_s(marked):
    from nbconvert.exporters import HTMLExporter

    name = safe_name("hostile <img src=x>")
    path = marked.folder / "autograded" / name / SAMPLE.name / f"{SAMPLE.name}.ipynb"
    html, _ = HTMLExporter(template_name="basic").from_filename(path)
    assert "<script>alert(1)" not in html
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)', html))


def test_marks_given_by_hand_stay_and_a_changed_answer_waits_again(marked):
    with open_gradebook(marked.folder) as gradebook:
        for student in ("full", "bom"):
            held = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, student)
            held.manual_score, held.needs_manual_grade = 4, False
            comment = gradebook.find_comment("why", SAMPLE.name, SAMPLE.name, student)
            comment.manual_comment = "Say <when>, too."
        gradebook.db.commit()
    hand_in(
        marked.submissions / "full" / "answer.ipynb",
        answered(marked.released, {**RIGHT, "why": "I have thought again."}),
    )
    before = load(marked.folder / "results" / SAMPLE.name, "partial")
    assert grade(SAMPLE, marked.submissions, marked.folder, jobs=2, limits=LIMITS) == 0
    assert load(marked.folder / "results" / SAMPLE.name, "partial") == before
    rows = marked.rows()
    assert rows["bom"]["why"] == "4"
    assert rows["bom"]["points"] == "14"
    assert rows["bom"]["waits for a person"] == ""
    assert rows["full"]["waits for a person"] == "why"
    assert "Say &lt;when&gt;, too." in marked.page("bom")
    with open_gradebook(marked.folder) as gradebook:
        held = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, "full")
        assert (held.manual_score, held.needs_manual_grade) == (4, True)


def test_a_result_that_was_cut_off_is_made_again(marked, capsys):
    results = marked.folder / "results" / SAMPLE.name
    kept = load(results, "renamed")
    (results / "renamed.json").write_text((results / "renamed.json").read_text()[:100])
    assert grade(SAMPLE, marked.submissions, marked.folder, limits=LIMITS, minutes=0) == 1
    assert "Time ran out before 1 submission" in capsys.readouterr().out
    assert grade(SAMPLE, marked.submissions, marked.folder, limits=LIMITS) == 0
    assert load(results, "renamed").marks == kept.marks


def test_two_graders_do_not_meet(course):
    another = locked(course.folder)
    with locked(course.folder), pytest.raises(GradeError, match="another process"):
        another.__enter__()


def test_without_a_sandbox_no_mark_changes(course, monkeypatch, tmp_path):
    def unavailable(private):
        raise SandboxUnavailableError("none")

    monkeypatch.setattr(grade_module, "self_test", unavailable)
    hand_in(tmp_path / "ada.ipynb", answered(course.released, RIGHT))
    with pytest.raises(SandboxUnavailableError, match="No answer was run"):
        grade(SAMPLE, tmp_path, course.folder)
    assert load(course.folder / "results" / SAMPLE.name, "ada") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--course", "{tmp}"], "no course"),
        (["nowhere", "--course", "{tmp}/nothing"], "no course"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message, tmp_path, capsys):
    command = [argument.format(tmp=tmp_path) for argument in arguments]
    assert main(["grade", *command]) == 2
    assert message in capsys.readouterr().err


def test_help_reads_like_a_page(capsys):
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    text = capsys.readouterr().out
    assert "What happens to each submission" in text
    assert "grades.csv" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_names_of_files_are_safe_and_different():
    names = ["ada", "ada ", "../ada", "ADA", "a/b", "a_b", "x" * 300, "x" * 301, "é", ".hidden", ""]
    names += ["漢" * 80, *map(safe_name, names[6:8])]
    safe = [safe_name(name) for name in dict.fromkeys(names)]
    assert len(set(safe)) == len(safe)
    assert all(re.fullmatch(r"[\w@~-][\w.@ ~-]*", name) for name in safe)
    assert all(len(name.encode()) < 150 for name in safe)
