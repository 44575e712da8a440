"""A release holds no solution, agrees with its questions, and makes a course for nbgrader."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from sample_exercise import (
    RIGHT,
    SAMPLE,
    SOFTPLUS,
    answered,
    cell_of,
    code,
    hand_in,
    markdown,
    solution_notebook,
)

from gencourse.cli import main
from gencourse.grading.gradebook import open_gradebook
from gencourse.grading.release import ReleaseError, release


@pytest.fixture
def solutions(tmp_path):
    folder = tmp_path / "solutions"
    hand_in(folder / f"{SAMPLE.name}.ipynb", solution_notebook())
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    hand_in(folder / "solutions" / f"{SAMPLE.name}.ipynb", solution_notebook())
    release(SAMPLE, folder / "course", folder / "solutions")
    return folder / "course"


@pytest.fixture
def course(tmp_path, pristine):
    return shutil.copytree(pristine, tmp_path / "course")


def test_learners_get_no_solution_and_the_course_keeps_it(course):
    learners = (course / "release" / SAMPLE.name / f"{SAMPLE.name}.ipynb").read_text()
    source = (course / "source" / SAMPLE.name / f"{SAMPLE.name}.ipynb").read_text()
    for solution in ("logaddexp", "x.pow(2)", '\\"compress\\"', "not an equality"):
        assert solution in source
        assert solution not in learners
    assert "# exercise: softplus" in learners


def test_nbgrader_knows_the_questions_and_their_points(course):
    with open_gradebook(course) as gradebook:
        notebook = gradebook.find_notebook(SAMPLE.name, SAMPLE.name)
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        answers = {cell.name for cell in notebook.solution_cells}
    assert points == {"verbs-check": 4, "softplus-check": 3, "square-check": 3, "why": 5}
    assert answers == {"verbs", "softplus", "square", "why"}


def test_an_exercise_can_be_released_again_with_the_same_key(course, solutions):
    key = (course / ".marking-key").read_bytes()
    release(SAMPLE, course, solutions)
    assert (course / ".marking-key").read_bytes() == key


def test_a_published_exercise_is_released_as_it_is(tmp_path, solutions):
    first = release(SAMPLE, tmp_path / "first", solutions)
    published = json.loads(first.read_text())
    published["cells"][0]["source"] = "# A sample\n\nWith links of its own."
    hand_in(tmp_path / "exercises" / f"{SAMPLE.name}.ipynb", published)
    second = release(SAMPLE, tmp_path / "second", solutions)
    assert "links of its own" in second.read_text()


def test_a_published_exercise_with_other_questions_is_refused(tmp_path, solutions):
    published = json.loads(release(SAMPLE, tmp_path / "first", solutions).read_text())
    cell_of(published, "softplus")["source"] = "# exercise: softplus\nsoftplus = ..."
    hand_in(tmp_path / "exercises" / f"{SAMPLE.name}.ipynb", published)
    with pytest.raises(ReleaseError, match="make notebooks"):
        release(SAMPLE, tmp_path / "second", solutions)


def test_points_that_differ_from_the_questions_are_refused(tmp_path, solutions):
    other = replace(SAMPLE, questions=(replace(SOFTPLUS, points=7),))
    with pytest.raises(ReleaseError, match="gives 3 points for softplus"):
        release(other, tmp_path / "course", solutions)
    assert not (tmp_path / "course").exists()


def test_a_question_without_a_cell_is_refused(tmp_path, solutions):
    other = replace(SAMPLE, questions=(replace(SOFTPLUS, name="softmax"),))
    with pytest.raises(ReleaseError, match="lacks the cell softmax"):
        release(other, tmp_path / "course", solutions)


def test_missing_solutions_say_where_they_come_from(tmp_path):
    with pytest.raises(ReleaseError, match="make notebooks"):
        release(SAMPLE, tmp_path / "course", tmp_path)


def test_a_folder_with_other_things_is_left_alone(tmp_path, solutions):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "thesis.tex").write_text("x")
    with pytest.raises(ReleaseError, match=r"thesis\.tex"):
        release(SAMPLE, tmp_path / "course", solutions)
    assert [path.name for path in (tmp_path / "course").iterdir()] == ["thesis.tex"]
    with pytest.raises(ReleaseError, match="is a file"):
        release(SAMPLE, tmp_path / "course" / "thesis.tex", solutions)


def test_other_questions_need_a_course_of_their_own_once_something_was_handed_in(course, solutions):
    with open_gradebook(course) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission(SAMPLE.name, "ada")
    notebook = solution_notebook()
    notebook["cells"] += [
        markdown("## 5. About more"),
        code(
            "assert True",
            nbgrader={**cell_of(notebook, "softplus-check")["metadata"]["nbgrader"]}
            | {"grade_id": "more-check"},
        ),
    ]
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number}"
    hand_in(solutions / f"{SAMPLE.name}.ipynb", notebook)
    with pytest.raises(ValueError, match="a course of its own"):
        release(SAMPLE, course, solutions)


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["release", "99-nothing", "--course", str(tmp_path / "course")]) == 2
    assert "02-vae" in capsys.readouterr().err
    assert not (tmp_path / "course").exists()


def test_nbgrader_s_own_autograde_runs_nothing_in_this_course(course):
    learners = json.loads((course / "release" / SAMPLE.name / f"{SAMPLE.name}.ipynb").read_text())
    escaped = course / "escaped"
    hostile = {**RIGHT, "softplus": f"open({str(escaped)!r}, 'w').write('I was here')"}
    path = course / "submitted" / "eve" / SAMPLE.name / f"{SAMPLE.name}.ipynb"
    hand_in(path, answered(learners, hostile))
    command = [sys.executable, "-m", "nbgrader", "autograde", SAMPLE.name]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not escaped.exists()
    with open_gradebook(course) as gradebook:
        assert gradebook.find_submission(SAMPLE.name, "eve").score == 0
