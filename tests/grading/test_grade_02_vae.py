"""Chapter 2's exercise, released and marked by the two commands, on what a class hands in."""

import copy
import csv
import json
from pathlib import Path

import pytest
from sample_exercise import Notebook, cell_of, hand_in

from gencourse.cli import main
from gencourse.grading.gradebook import open_gradebook
from gencourse.grading.marking import secret_inputs
from gencourse.grading.protocol import plain
from gencourse.grading.question import FunctionQuestion, copied, judge
from gencourse.grading.questions import assignment
from gencourse.grading.strip import MARKER

ROOT = Path(__file__).parents[2]
NAME = "02-vae"
EXERCISE = assignment(NAME)
FUNCTIONS = [q for q in EXERCISE.questions if isinstance(q, FunctionQuestion)]
FULL = {q.name: str(q.points) for q in EXERCISE.questions if q.name != "sign-off"}
KL = "# exercise: kl\ndef kl_to_standard_normal(mean, log_var):\n"
RIGHT_KL = "return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)"
KL_VARIANTS = {
    "endless loop": (KL + "    while True:\n        pass", "0"),
    "os exit": (f"import os\n{KL}    os._exit(0)", "0"),
    "patched": (f"torch.allclose = lambda *a, **k: True\n{KL}    return mean.sum(-1)", "0"),
    "warns": (f"import warnings\n{KL}    warnings.warn('careful')\n    {RIGHT_KL}", "15"),
    "partial": (KL + "    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean(-1)", "0"),
}


def solution_of(source: str) -> str:
    """A cell of the solutions as a learner would have written it."""
    lines, region = [], ""
    for line in source.split("\n"):
        if marker := MARKER.match(line):
            region = marker[2] if marker[1] == "BEGIN" else ""
        elif region != "STUB":
            lines.append(line)
    return "\n".join(lines)


def filled(released: Notebook, answers: dict[str, str]) -> Notebook:
    notebook = copy.deepcopy(released)
    for name, source in answers.items():
        cell_of(notebook, name)["source"] = source
    return notebook


def read(path: Path) -> Notebook:
    """A notebook, with the source of each cell as one string."""
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory, sandboxed) -> Path:
    """A course in which a class has been marked."""
    folder = tmp_path_factory.mktemp("vae")
    course, class_ = folder / "course", folder / "class"
    assert main(["release", NAME, "--course", str(course)]) == 0
    released = read(course / "release" / NAME / f"{NAME}.ipynb")
    solutions = read(course / "source" / NAME / f"{NAME}.ipynb")
    answers = {
        question.name: solution_of(cell_of(solutions, question.name)["source"])
        for question in EXERCISE.questions
    }
    full = filled(released, answers)
    hand_in(class_ / "full.ipynb", full)
    hand_in(class_ / "blank.ipynb", released)
    hand_in(class_ / "Copy of renamed (1).ipynb", full)
    (class_ / "truncated.ipynb").write_text(json.dumps(full)[:5000])
    (class_ / "bom.ipynb").write_bytes(b"\xef\xbb\xbf" + json.dumps(full).encode())
    for name, (kl, _) in KL_VARIANTS.items():
        hand_in(class_ / f"{name}.ipynb", filled(released, {**answers, "kl": kl}))
    stripped = copy.deepcopy(full)
    for cell in stripped["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    hand_in(class_ / "stripped.ipynb", stripped)
    doubled = copy.deepcopy(full)
    doubled["cells"].append(cell_of(doubled, "kl"))
    hand_in(class_ / "doubled.ipynb", doubled)
    limits = [f"--seconds-per-{what}=5" for what in ("cell", "question")]
    assert main(["grade", str(class_), "--course", str(course), "--jobs", "2", *limits]) == 0
    return course


def rows(course: Path) -> dict[str, dict[str, str]]:
    with (course / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_the_release_is_what_learners_open_in_colab(course):
    released = course / "release" / NAME / f"{NAME}.ipynb"
    assert released.read_bytes() == (ROOT / "exercises" / f"{NAME}.ipynb").read_bytes()


def test_every_right_answer_has_its_marks(course):
    got = rows(course)
    for student in ("full", "renamed", "bom", "stripped", "doubled", "warns"):
        assert {name: got[student][name] for name in FULL} == FULL, student
        assert got[student]["points"] == "80"
        assert got[student]["waits for a person"] == "sign-off"


@pytest.mark.parametrize("student", KL_VARIANTS)
def test_a_wrong_answer_costs_its_own_question_only(course, student):
    row = rows(course)[student]
    wanted = {**FULL, "kl": KL_VARIANTS[student][1]}
    assert wanted == {name: row[name] for name in FULL}


def test_nothing_answered_is_nothing_earned_and_nothing_to_mark_by_hand(course):
    row = rows(course)["blank"]
    assert row["points"] == "0"
    assert row["waits for a person"] == ""


def test_a_damaged_file_waits_with_its_reason(course):
    assert "cut off" in rows(course)["truncated"]["waits for a person"]


def test_the_page_names_the_misconception_and_where_to_read(course):
    page = (course / "feedback" / "partial.html").read_text()
    question = next(q for q in FUNCTIONS if q.name == "kl")
    named = [m for m in question.misconceptions if m.name in page]
    assert len(named) == 1
    assert "3. The toll" in page
    assert ".html#" in page


def test_the_argued_answers_wait_in_the_formgrader(course):
    with open_gradebook(course) as gradebook:
        listed = gradebook.notebook_submission_dicts(NAME, NAME)
        waiting = {s["student"] for s in listed if s["needs_manual_grade"]}
    assert waiting == set(rows(course)) - {"blank", "truncated"}


@pytest.mark.parametrize("question", FUNCTIONS, ids=lambda question: question.name)
@pytest.mark.parametrize("seed", [b"one", b"two"])
def test_secret_inputs_know_right_from_wrong_and_name_every_misconception(question, seed):
    inputs = secret_inputs(question, seed)

    def judged(function):
        outputs = [plain(question.call(function, *copied(arguments))) for arguments in inputs]
        return judge(question, outputs, inputs)

    for right in (question.reference, *question.alternatives):
        assert judged(right).correct
    for misconception in question.misconceptions:
        verdict = judged(misconception.function)
        assert not verdict.correct
        assert verdict.misconception is misconception
