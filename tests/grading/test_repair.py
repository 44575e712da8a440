"""Answers find their way back into the release, whatever became of the notebook around them."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import from_dict
from sample_exercise import RIGHT, SAMPLE, answered, json, solution_notebook

from gencourse.grading.preflight import Cell, parse_notebook
from gencourse.grading.repair import graft
from gencourse.grading.strip import learner_notebook

RELEASE_NOTEBOOK = json.loads(json.dumps(learner_notebook(from_dict(solution_notebook()))))
RELEASE = parse_notebook(json.dumps(RELEASE_NOTEBOOK).encode())
FULL = parse_notebook(json.dumps(answered(RELEASE_NOTEBOOK, RIGHT)).encode())
NAMES = [question.name for question in SAMPLE.questions]


def place(name):
    return next(i for i, cell in enumerate(RELEASE) if cell.grade_id == name)


def sources(cells):
    return {name: answer.source for name, answer in graft(RELEASE, cells, SAMPLE).answers.items()}


def bare(cell):
    return Cell(cell.kind, cell.source)


def without_marker(cell):
    lines = cell.source.split("\n")
    kept = [line for line in lines if "exercise:" not in line]
    return replace(bare(cell), source="\n".join(kept))


def test_an_untouched_notebook_holds_no_answer():
    assert not any(sources(RELEASE).values())


def test_a_full_notebook_is_itself():
    repaired = graft(RELEASE, FULL, SAMPLE)
    assert [step.cell for step in repaired.steps] == FULL
    assert not any(answer.note or answer.problem for answer in repaired.answers.values())


@pytest.mark.parametrize(
    ("damage", "sign"),
    [
        (lambda cell: replace(cell, id=""), ""),
        (lambda cell: replace(cell, grade_id=""), ""),
        (bare, "marker"),
        (without_marker, "name"),
    ],
)
def test_answers_are_found_by_the_strongest_sign_left(damage, sign):
    repaired = graft(RELEASE, [damage(cell) for cell in FULL], SAMPLE)
    for name, answer in repaired.answers.items():
        assert RIGHT[name] in answer.source
        assert ("place" if sign and name == "why" else sign) in answer.note
    order = [step.cell.source for step in repaired.steps]
    assert [step.given for step in repaired.steps] == list(range(len(RELEASE)))
    assert order[place("softplus") + 1] == RELEASE[place("softplus") + 1].source


def test_the_checks_and_the_locked_cells_are_always_ours():
    check = place("softplus-check")
    cells = [*FULL]
    cells[check] = replace(FULL[check], source="check = lambda *a: 100", locked=False)
    steps = graft(RELEASE, cells, SAMPLE).steps
    assert steps[check].cell == cells[check]
    assert steps[check].given is None
    assert steps[check + 1].cell == RELEASE[check]
    del cells[check]
    assert graft(RELEASE, cells, SAMPLE).steps[check].cell == RELEASE[check]


def test_a_given_cell_that_is_not_locked_is_the_learners():
    cells = [*FULL]
    cells[1] = replace(FULL[1], source=FULL[1].source + "\nimport math")
    assert graft(RELEASE, cells, SAMPLE).steps[1].cell.source.endswith("import math")


def test_added_cells_stay_where_they_were():
    helper = Cell("code", "def helper(): ...")
    at = place("softplus")
    steps = graft(RELEASE, [*FULL[:at], helper, *FULL[at:]], SAMPLE).steps
    assert steps[at].cell == helper
    assert steps[at + 1].cell.grade_id == "softplus"


def test_an_answer_made_anew_at_the_end_takes_its_helper_along():
    at = place("softplus")
    helper = Cell("code", "def helper(): ...")
    anew = Cell("code", "def softplus(x):\n    return helper(x)")
    cells = [*FULL[:at], RELEASE[at], *FULL[at + 1 :], helper, anew]
    repaired = graft(RELEASE, cells, SAMPLE)
    assert repaired.answers["softplus"].source == anew.source
    steps = [step.cell for step in repaired.steps]
    assert steps[at] == helper
    assert steps[at + 1].source == anew.source


def test_the_same_answer_twice_is_one_answer():
    at = place("softplus")
    doubled = replace(FULL[at], source=FULL[at].source + "\n\n")
    repaired = graft(RELEASE, [*FULL[:at], doubled, *FULL[at:]], SAMPLE)
    assert not repaired.answers["softplus"].problem
    assert len(repaired.steps) == len(RELEASE)


def test_two_different_answers_wait_for_a_person_and_both_stay_visible():
    at = place("softplus")
    other = replace(FULL[at], source="# exercise: softplus\ndef softplus(x):\n    return 0")
    repaired = graft(RELEASE, [*FULL[:at], other, *FULL[at:]], SAMPLE)
    assert "2 different answers" in repaired.answers["softplus"].problem
    assert {other.source, FULL[at].source} <= {step.cell.source for step in repaired.steps}
    assert repaired.answers["square"].source


def test_a_deleted_answer_is_said_to_be_missing():
    at = place("softplus")
    answer = graft(RELEASE, [*FULL[:at], *FULL[at + 1 :]], SAMPLE).answers["softplus"]
    assert not answer.source
    assert not answer.problem
    assert "missing" in answer.note


def test_an_answer_inside_the_cell_of_another_waits_for_a_person():
    first, second = place("softplus"), place("square")
    merged = replace(FULL[second], source=FULL[second].source + "\n" + RIGHT["softplus"])
    cells = [*FULL[:first], *FULL[first + 1 : second], merged, *FULL[second + 1 :]]
    assert "another question" in graft(RELEASE, cells, SAMPLE).answers["softplus"].problem


def test_an_answer_that_became_markdown_is_code_again():
    at = place("softplus")
    cells = [*FULL]
    cells[at] = replace(FULL[at], kind="markdown", source=f"```python\n{FULL[at].source}\n```")
    repaired = graft(RELEASE, cells, SAMPLE)
    assert repaired.answers["softplus"].source.strip() == FULL[at].source
    assert repaired.steps[at].cell.kind == "code"
    assert "markdown" in repaired.answers["softplus"].note


def test_words_in_several_cells_are_one_answer():
    more = Cell("markdown", "And another thing.")
    answer = graft(RELEASE, [*map(without_marker, FULL), more], SAMPLE).answers["why"]
    assert RIGHT["why"] in answer.source
    assert more.source in answer.source


def test_words_typed_into_the_question_are_not_lost():
    at = place("why") - 1
    cells = [*FULL]
    cells[at] = replace(FULL[at], source=FULL[at].source + "\n\n" + RIGHT["why"])
    cells[at + 1] = RELEASE[at + 1]
    repaired = graft(RELEASE, cells, SAMPLE)
    assert repaired.answers["why"].problem
    assert cells[at].source in [step.cell.source for step in repaired.steps]
    assert RELEASE[at] in [step.cell for step in repaired.steps]


def test_words_in_the_wrong_place_wait_for_a_person():
    at = place("why")
    cells = [bare(FULL[at]), *FULL[:at], *FULL[at + 1 :]]
    repaired = graft(RELEASE, cells, SAMPLE)
    assert repaired.answers["why"].problem
    assert repaired.steps[0].cell.source == RIGHT["why"]


@st.composite
def mangled(draw):
    """A full notebook after a mishap or several, each answer still in it once in some form."""
    cells = list(FULL)
    randomly = random.Random(draw(st.integers(0, 10**6)))
    for _ in range(draw(st.integers(0, 6))):
        i = randomly.randrange(len(cells))
        match draw(st.sampled_from(["bare", "id", "double", "insert", "stub", "move", "spaces"])):
            case "bare":
                cells[i] = bare(cells[i])
            case "id":
                cells[i] = replace(cells[i], id="new", grade_id="")
            case "double":
                cells.insert(i, cells[i])
            case "insert":
                cells.insert(i, Cell("code", "x = 1"))
            case "stub":
                cells.insert(i, RELEASE[place(randomly.choice(NAMES))])
            case "move":
                cells.insert(randomly.randrange(len(cells)), cells.pop(i))
            case "spaces":
                cells[i] = replace(cells[i], source=cells[i].source.replace("\n", "  \n\n"))
    return cells


@given(mangled())
@settings(max_examples=200)
def test_no_mishap_loses_an_answer(cells):
    repaired = graft(RELEASE, cells, SAMPLE)
    for name in NAMES:
        answer = repaired.answers[name]
        found = " ".join(answer.source.split())
        assert " ".join(RIGHT[name].split()) in found or answer.problem


@pytest.mark.parametrize("source", ["\n", " ", "#", "# ", "def\n", "softplus ", "<!-- ", "```\n"])
def test_a_long_cell_takes_no_long_time(source):
    kinds = ("code", "markdown")
    cells = [Cell(kind, source * 300_000, grade_id) for kind in kinds for grade_id in ("", "why")]
    graft(RELEASE, cells, SAMPLE)


loose_cells = st.builds(
    Cell,
    st.sampled_from(["code", "markdown", "raw", ""]),
    st.text(max_size=30)
    | st.sampled_from(
        [*RIGHT.values(), "# exercise: softplus", "<!-- exercise: why -->", "verbs ="]
    ),
    st.sampled_from(["", *NAMES, "softplus-check", "other"]),
    st.sampled_from(["", *(cell.id for cell in RELEASE)]),
)


@given(st.lists(loose_cells, max_size=12))
@settings(max_examples=200)
def test_any_cells_can_be_grafted_and_the_release_stays_whole(cells):
    repaired = graft(RELEASE, cells, SAMPLE)
    assert [s.given for s in repaired.steps if s.given is not None] == list(range(len(RELEASE)))
    assert set(repaired.answers) == set(NAMES)
    shown = "\n".join(step.cell.source for step in repaired.steps)
    for cell in cells:
        if cell.kind == "code" and cell.grade_id in ("", "other") and not cell.id:
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert all(line.rstrip() in shown for line in lines)
