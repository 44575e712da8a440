"""Every exercise: notebook and questions agree, and the solutions are solutions.

The tests run over all exercises, so a new one is tested by being listed.
"""

import re
from functools import cache
from pathlib import Path

import jupytext
import nbformat
import pytest

from gencourse.grading import check
from gencourse.grading.marking import UNMARKED
from gencourse.grading.question import ChoiceQuestion, FunctionQuestion, WrittenQuestion
from gencourse.grading.questions import MODULES, assignment
from gencourse.grading.strip import WRITTEN_STUB, learner_notebook

ROOT = Path(__file__).parents[2]


def questions(*kinds):
    """One test for each question of these kinds, in every exercise."""
    return pytest.mark.parametrize(
        ("name", "question"),
        [
            pytest.param(name, question, id=f"{name}: {question.name}")
            for name in MODULES
            for question in assignment(name).questions
            if isinstance(question, kinds)
        ],
    )


by_name = questions(ChoiceQuestion, FunctionQuestion, WrittenQuestion)
with_code = questions(ChoiceQuestion, FunctionQuestion)
each_exercise = pytest.mark.parametrize("name", MODULES)


@cache
def solution_of(name):
    notebook = jupytext.read(ROOT / "solutions" / f"{name}.md", fmt="md:myst")
    return nbformat.from_dict(notebook)


@pytest.fixture
def solution(name):
    return solution_of(name)


@cache
def exercise_of(name):
    return learner_notebook(solution_of(name))


@pytest.fixture
def exercise(name):
    return exercise_of(name)


def cell_of(notebook, name):
    (cell,) = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name]
    return cell


def answer_in(notebook, question):
    """What the cell of an answer defines, run after the cells of the notebook that import names."""
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith(("import", "from")):
            exec(cell.source, names)
    exec(cell_of(notebook, question.name).source, names)
    return names[question.function if isinstance(question, FunctionQuestion) else question.variable]


def section_of(notebook, question):
    """All cells from the heading before a question's answer to the next heading."""
    cells = notebook.cells
    here = cells.index(cell_of(notebook, question.name))
    heads = [i for i, c in enumerate(cells) if re.search(r"^## \d", c.source, re.MULTILINE)]
    start = max(i for i in heads if i <= here)
    end = min([i for i in heads if i > start], default=len(cells))
    return cells[start:end]


@with_code
def test_the_solution_is_right(solution, question):
    assert check(question.name, answer_in(solution, question)).correct


@with_code
def test_the_exercise_is_unanswered(exercise, question):
    assert check(question.name, answer_in(exercise, question)).state == "unanswered"


@with_code
def test_no_line_of_a_solution_is_left_in_the_exercise(solution, exercise, question):
    regions = re.findall(
        r"### BEGIN SOLUTION\n(.*?)### END SOLUTION",
        cell_of(solution, question.name).source,
        re.DOTALL,
    )
    cut = cell_of(exercise, question.name).source
    lines = [line.strip() for region in regions for line in region.split("\n")]
    lines = [line for line in lines if line]
    assert lines
    for line in lines:
        assert line not in cut or line.endswith(("{", "}"))
    if isinstance(question, ChoiceQuestion):
        assert set(answer_in(exercise, question)) == set(question.key)


@questions(WrittenQuestion)
def test_the_written_answer_is_left_to_the_learner(exercise, question):
    assert cell_of(exercise, question.name).source == WRITTEN_STUB


@each_exercise
def test_what_is_for_the_instructor_is_not_in_the_exercise(solution, exercise):
    assert any("For the instructor" in cell.source for cell in solution.cells)
    assert not any("For the instructor" in cell.source for cell in exercise.cells)


@each_exercise
def test_points_and_names_are_those_of_the_questions(solution, name):
    metadata = [c.metadata["nbgrader"] for c in solution.cells if "nbgrader" in c.metadata]
    points = {m["grade_id"]: m["points"] for m in metadata if m["grade"]}
    assert points == {
        q.name if isinstance(q, WrittenQuestion) else f"{q.name}-check": q.points
        for q in assignment(name).questions
    }
    assert sum(points.values()) == 100
    answers = [m["grade_id"] for m in metadata if m["solution"]]
    assert answers == [q.name for q in assignment(name).questions]
    for m in metadata:
        assert m["schema_version"] == 3
        assert m["locked"] is not m["solution"]


@with_code
def test_the_check_is_one_call_after_the_answer(solution, question):
    names = [c.metadata.get("nbgrader", {}).get("grade_id") for c in solution.cells]
    assert names.index(f"{question.name}-check") > names.index(question.name)
    what = question.function if isinstance(question, FunctionQuestion) else question.variable
    assert cell_of(solution, f"{question.name}-check").source == f'check("{question.name}", {what})'


@by_name
def test_a_question_states_its_time_and_its_points_and_has_two_hints(solution, question):
    text = "\n".join(cell.source for cell in section_of(solution, question))
    (minutes,) = map(int, re.findall(r"About (\d+) minutes", text))
    assert 5 <= minutes <= 20
    assert f"{question.points} points" in text
    assert re.findall(r":::\{dropdown\} (.*)", text) == ["First hint", "Second hint"]
    overview = solution.cells[0].source + solution.cells[1].source
    title = re.search(r"## (\d)\. (.*)", text)
    row = rf"\| {title[1]} \| {re.escape(title[2])} \| .* \| {minutes} \| {question.points} \|"
    assert re.search(row, overview)


@each_exercise
def test_the_minutes_add_up(solution):
    text = "\n".join(cell.source for cell in solution.cells)
    each = map(int, re.findall(r"About (\d+) minutes", text))
    assert f":minutes: {sum(each)}" in text


@questions(FunctionQuestion)
def test_a_coding_question_draws_a_picture_once_the_function_runs(solution, question):
    pictures = [c for c in section_of(solution, question) if f'runs("{question.name}"' in c.source]
    assert len(pictures) == 1
    assert UNMARKED in pictures[0].metadata["tags"]


@questions(ChoiceQuestion)
def test_every_item_and_option_is_explained(solution, question):
    text = "\n".join(c.source for c in section_of(solution, question) if c.cell_type == "markdown")
    for item in question.key:
        assert f"**{item}.**" in text or f"**{item.split()[0]}.**" in text
        for option in question.options_for(item):
            assert f'`"{option}"`' in text or f"- **{option}** " in text


@questions(WrittenQuestion)
def test_the_rubric_in_the_notebook_is_that_of_the_question(solution, question):
    text = "\n".join(cell.source for cell in section_of(solution, question))
    shown = [int(points) for points in re.findall(r"^\| (\d+) \| ", text, re.MULTILINE)]
    assert shown == [points for points, _ in question.rubric]


@questions(WrittenQuestion)
def test_the_sample_paragraph_keeps_to_its_length(solution, question):
    words = cell_of(solution, question.name).source.split()
    assert 150 <= len(words) <= 250
