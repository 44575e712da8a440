"""The learner's notebook holds the stubs, the harness and nothing of the answers."""

import nbformat
import pytest

from gencourse.grading.strip import StripError, learner_notebook, learner_source

ANSWER = """\
# exercise: kl
def kl_divergence(mean, log_var):
    ### BEGIN STUB
    # # The variance is the exponential of its logarithm.
    # variance = ...
    # return ...
    ### END STUB
    ### BEGIN SOLUTION
    variance = log_var.exp()
    return 0.5 * (mean**2 + variance - 1 - log_var).sum(-1)
    ### END SOLUTION"""

STUB = """\
# exercise: kl
def kl_divergence(mean, log_var):
    # The variance is the exponential of its logarithm.
    variance = ...
    return ..."""


def answer_cell(source, name="kl", kind=nbformat.v4.new_code_cell):
    grading = {"grade_id": name, "solution": True, "grade": False, "locked": False}
    return kind(source, metadata={"nbgrader": grading})


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def test_the_stub_stands_where_the_solution_stood():
    assert learner_source(ANSWER) == STUB


def test_without_a_stub_a_function_raises_at_the_solutions_indentation():
    source = "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"
    cut = learner_source(source)
    assert "return x" not in cut
    with pytest.raises(NotImplementedError):
        exec(cut + "\nf(1)", {})


def test_hidden_tests_go_and_what_surrounds_them_stays():
    source = "a = 1\n### BEGIN HIDDEN TESTS\nassert a == 1\n### END HIDDEN TESTS\nb = 2"
    assert learner_source(source) == "a = 1\nb = 2"


@pytest.mark.parametrize(
    "line", ["sigma = ...", "return log_var", "variance = log_var", "return mean ..."]
)
def test_a_stub_line_that_the_solution_lacks_is_refused(line):
    with pytest.raises(StripError, match="not in the solution"):
        learner_source(ANSWER.replace("# variance = ...", f"# {line}"))


def test_the_stubs_lines_stand_in_the_solutions_order():
    swapped = ANSWER.replace(
        "    # variance = ...\n    # return ...", "    # return ...\n    # variance = ..."
    )
    with pytest.raises(StripError, match="variance"):
        learner_source(swapped)


@pytest.mark.parametrize(
    "source",
    [
        "### BEGIN SOLUTION\na = 1",
        "a = 1\n### END SOLUTION",
        "### BEGIN STUB\n# a = ...\n### END STUB\nb = 1\n### BEGIN SOLUTION\n### END SOLUTION",
        "### BEGIN STUB\n# a = ...\n### END STUB",
        "### BEGIN SOLUTION\n### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS\n### END SOLUTION",
        "### BEGIN SOLUTION\na = 1\n### END HIDDEN TESTS",
        "### BEGIN SOLUTION\na = 1\n### END SOLUTION",  # the default stub would stop the notebook
    ],
)
def test_markers_that_do_not_pair_are_refused_with_the_cells_name(source):
    with pytest.raises(StripError, match="cell kl"):
        learner_source(source, "kl")


def test_a_learners_notebook_has_no_answers_no_outputs_and_no_instructors_cells():
    ran = nbformat.v4.new_code_cell(
        "print(1)", execution_count=3, outputs=[nbformat.v4.new_output("stream", text="1\n")]
    )
    solution = notebook(
        nbformat.v4.new_markdown_cell("# Exercise"),
        answer_cell(ANSWER),
        ran,
        nbformat.v4.new_code_cell("secret = 1", metadata={"tags": ["instructor-only"]}),
        answer_cell("A model answer.", "argue", nbformat.v4.new_markdown_cell),
    )
    learner = learner_notebook(solution)
    assert [c.source for c in learner.cells] == [
        "# Exercise",
        STUB,
        "print(1)",
        "*Your answer here.*",
    ]
    assert learner.cells[2].outputs == []
    assert learner.cells[2].execution_count is None
    assert solution.cells[1].source == ANSWER, "the solution itself is left as it was"


def test_a_written_answer_may_be_cut_inside_comments_of_markdown():
    source = "Choose.\n\n<!-- BEGIN SOLUTION -->\nThe VAE.\n<!-- END SOLUTION -->"
    cell = answer_cell(source, "argue", nbformat.v4.new_markdown_cell)
    assert learner_notebook(notebook(cell)).cells[0].source == "Choose.\n\n*Your answer here.*"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([answer_cell(ANSWER), answer_cell(ANSWER)], "two cells"),
        ([answer_cell(ANSWER, "elbo")], "exercise: elbo"),
        ([answer_cell("# exercise: kl\nkl = 1")], "no BEGIN SOLUTION"),
    ],
)
def test_a_notebook_that_could_not_be_marked_is_refused(cells, message):
    with pytest.raises(StripError, match=message):
        learner_notebook(notebook(*cells))
