"""The generated notebooks: plain Markdown, the book's numbers, the same bytes each time."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import gencourse
from tools.notebooks.__main__ import main
from tools.notebooks.build import INSTALL, notebooks_of
from tools.notebooks.markdown import DialectError, Page, leftovers, summary
from tools.notebooks.project import Project

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "sample"
REPOSITORY = "https://github.com/someone/sample"
TAG = f"v{gencourse.__version__}"
BOOK = "https://someone.github.io/sample"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A copy of the sample course, its notebooks generated and run."""
    root = tmp_path_factory.mktemp("course") / "sample"
    shutil.copytree(SAMPLE, root)
    assert main([], root) == 0
    return root


@pytest.fixture
def course(generated, tmp_path):
    """The same, to be changed."""
    root = tmp_path / "sample"
    shutil.copytree(generated, root)
    return root


def cells(root, name, kind=None):
    notebook = nbformat.read(root / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if kind in (None, cell.cell_type)]


@pytest.fixture(scope="module")
def chapter(generated):
    """All Markdown of the sample chapter."""
    return "\n\n".join(c.source for c in cells(generated, "notebooks/02-sample", "markdown"))


# Nothing of the dialect is visible


def test_every_construct_of_the_dialect_is_in_the_sample():
    text = (SAMPLE / "notebooks/02-sample.md").read_text(encoding="utf8")
    text += (SAMPLE / "notebooks/01-first.md").read_text(encoding="utf8")
    text += (SAMPLE / "solutions/02-sample.md").read_text(encoding="utf8")
    page = Page(Project.at(SAMPLE), "notebooks/02-sample")
    shown_elsewhere = {"bibliography", "abbr", "cite", "math", "sub", "sup"}
    missing = [n for n in page.blocks if f"{{{n}}}" not in text and n not in shown_elsewhere]
    missing += [n for n in page.roles if f"{{{n}}}`" not in text and n not in shown_elsewhere]
    assert not missing


def test_no_directive_and_no_role_is_visible(generated):
    for path in generated.rglob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                prose = cell.source.replace('print("{eq}`untouched`")  # :::', "")
                visible = re.search(r":::|`{3}\{|\{[a-z:]+\}`(?! in code)", prose)
                assert visible is None, f"{path.name}: {visible}"
                assert leftovers(cell.source) == []


@pytest.mark.parametrize(
    "text", [":::{tip}\n:::", "see {eq}`x`", "```{note}\nx\n```", "> :::{tip}", "word[^1]"]
)
def test_the_search_for_what_is_left_finds_it(text):
    assert leftovers(text)


@pytest.mark.parametrize(
    "text",
    ["`{eq}` in code", "```python\n# ::: {x}`y`\n```", r"$\frac{a}{b}$ `c`", "a :: b {c}"],
)
def test_code_and_mathematics_are_not_the_dialect(text):
    assert leftovers(text) == []


# Each construct has its form


@pytest.mark.parametrize(
    ("construct", "form"),
    [
        ("title, numbered", "# 2. The sample and $x^2$\n"),
        ("promise", "**Compress.** One sentence, with $z$ and *emphasis*.\n"),
        ("facts", "<small>5 minutes · needs: nothing, or almost nothing · you will see every"),
        ("badge", f"/github/someone/sample/blob/{TAG}/notebooks/02-sample.ipynb)"),
        ("origin", "This notebook is generated from [notebooks/02-sample.md]"),
        ("citation", "[Kingma and Welling (2014)](https://arxiv.org/abs/1312.6114) asked it"),
        ("two citations", "([van den Oord *et al.*, 2016](https://doi.org/10.48550/arXiv.16"),
        ("list of sources", "## References\n\n- Diederik P. Kingma and Max Welling."),
        ("objectives", "> **After this chapter you can**\n>\n> - Read $p_\\theta(x)$."),
        ("section marks", "## A section\n\n<small>depth: working · level: intermediate</small>"),
        ("number", "It stands at −98.8 nats, and `{number}` in code stays as it is."),
        ("number in a table", "| −98.76 | $x$ |"),
        ("references here", "See (2.1), Figure 2.1, "),
        ("reference elsewhere", f"[Symbols]({BOOK}/book/notation.html#symbols)"),
        ("link to a page", f"[the notation]({BOOK}/book/notation.html#symbols)"),
        ("link to a file", f"[a source]({REPOSITORY}/blob/{TAG}/gencourse/toy.py)"),
        ("link elsewhere", "[a page](https://example.org)"),
        ("equation", "$$\nf(x) = 2x \\tag{2.1}\n$$\n\n<small>computed by [`toy.double`]"),
        ("its function", f"[`toy.double`]({REPOSITORY}/blob/{TAG}/gencourse/toy.py#L4-L6)"),
        ("its test", f"proved by [`test_double_is_a_sum`]({REPOSITORY}/blob/{TAG}/tests/toy_tr"),
        ("lines of an equation", "\\end{aligned} \\tag{2.2}\n$$"),
        ("margin note", "> *Why twice?* Because once is not enough."),
        ("box", "> **Misconception: more is *better***\n>\n> It is not:\n>\n"),
        ("equation in a box", "\n> $$ \\begin{aligned} a &= b \\\\ c &= d \\end{aligned} $$\n"),
        ("code in a box", '> ```python\n> print("{eq}`untouched`")  # :::\n> ```\n'),
        ("note in a box", "> > A note in a box."),
        ("box without a title", "> **Key insight**\n>\n> No title."),
        ("depth", "<small>depth: working</small>\n\nWorked."),
        ("depth in a box", "> <small>depth: research</small>\n>\n> Deep."),
        ("definitions", "- **Term**: What it means, (2.2).\n- **Other term**: What *that* means."),
        (
            "self-check",
            "<summary>What is <em>twice</em> $a \\lt  b$?</summary>\n\nTwice is `2 * x`",
        ),
        ("quotation", "```python\ndef double(x):\n    return 2 * x  # exactly\n```"),
        ("its place", f"quoted from [gencourse/toy.py]({REPOSITORY}/blob/{TAG}/gencourse/toy.py#L"),
        (
            "exercise",
            f"blob/{TAG}/exercises/02-sample.ipynb) · [download the notebook](https://raw",
        ),
        ("caption", "_Figure 2.1. **A line.** It has $x$ and (2.1)._"),
        ("summary card", "> **The chapter on one card**\n>\n> | one | two |\n> |---|---|"),
    ],
)
def test_a_construct_arrives_as_plain_markdown(chapter, construct, form):
    assert form in chapter, construct


def test_what_stands_in_at_the_depth_idea_goes(chapter):
    assert "Only at the idea" not in chapter


def test_only_what_is_cited_is_listed(chapter):
    assert "Never Cited" not in chapter


def test_a_reference_to_another_chapter_is_a_link(generated):
    text = cells(generated, "notebooks/01-first", "markdown")[1].source
    assert f"[(2.1)]({BOOK}/notebooks/02-sample.html#equation-eq-twice)" in text
    assert f"[Figure 2.1]({BOOK}/notebooks/02-sample.html#fig-line)" in text
    assert f"[The sample and $x^2$]({BOOK}/notebooks/02-sample.html)" in text


def test_live_figures_count_and_say_the_number_that_is_due(course, capsys):
    caption = (
        "_Figure 1.2. Another, after [Kingma and Welling (2014)](https://arxiv.org/abs/1312.6114)._"
    )
    assert caption in [c.source for c in cells(course, "notebooks/01-first")]
    text = course / "notebooks/01-first.md"
    source = text.read_text(encoding="utf8")
    text.write_text(source.replace('number="1.1"', 'number="1.7"'), encoding="utf8")
    assert main(["--check"], course) == 1
    assert "live figure 1.7 is number 1.1" in capsys.readouterr().err


def test_a_summary_is_html_with_its_mathematics_left_alone():
    assert summary("*Why* $z_1$ and `z`?") == "<em>Why</em> $z_1$ and <code>z</code>?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":::{hint}\nx\n:::", "directive {hint}"),
        ("see {term}`elbo`", "role {term}"),
        ("see {eq}`eq-nothing`", "eq-nothing"),
        ("see {cite:t}`nobody1900`", "nobody1900"),
        ("at {number}`toy:test.fid:.1f`", "fid"),
        ("[there](nowhere.md)", "nowhere"),
        ("word[^1]", "footnote"),
        ("- item\n\n  :::{insight} x\n  y\n  :::", "inside a list"),
        ("$$\nx\n$$ (label)", "directive {equation}"),
        (":::{depth} shallow\nx\n:::", "shallow"),
    ],
)
def test_what_has_no_form_in_a_notebook_is_refused_by_name(text, message):
    page = Page(Project.at(SAMPLE), "notebooks/02-sample")
    with pytest.raises(DialectError, match=re.escape(message)):
        page.translate(text)


# Cells, outputs, bytes


def test_the_first_code_cell_installs_the_release_and_does_nothing_here(generated):
    for path in generated.rglob("*.ipynb"):
        first = next(c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        wheel = f"gencourse-{gencourse.__version__}-py3-none-any.whl"
        address = f"{REPOSITORY}/releases/download/{TAG}/{wheel}"
        assert first.source == INSTALL.format(wheel=address)
        assert first.outputs == []
        assert first.execution_count == 1


def test_text_outputs_are_stored_joined_and_nothing_else(generated):
    outputs = [c.outputs for c in cells(generated, "notebooks/02-sample", "code")]
    figure, printed, html = outputs[1:]
    assert [o.data for o in figure] == [{"text/plain": "<Figure size 640x480 with 0 Axes>"}]
    assert printed[0].text == "printed\n"
    assert printed[1].data == {"text/plain": "{'a': 1}"}
    assert html[0].data == {"text/plain": "<IPython.core.display.HTML object>"}


def test_a_code_cell_keeps_its_tags_and_nothing_of_the_books(generated):
    metadata = [dict(c.metadata) for c in cells(generated, "notebooks/02-sample", "code")]
    assert metadata == [{}, {"tags": ["hide-input"]}, {"tags": ["depth-research"]}, {}]


def test_an_exercise_has_stubs_and_its_solution_has_answers(generated):
    exercise = {c.id: c for c in cells(generated, "exercises/02-sample")}
    solution = {c.id: c for c in cells(generated, "solutions/02-sample")}
    assert exercise["double"].source.endswith("    result = ...\n    return result")
    assert "2 * x" in solution["double"].source
    assert exercise["double"].metadata.nbgrader == solution["double"].metadata.nbgrader
    assert exercise["double-check"].outputs[0].text == "Ellipsis\n"
    assert solution["double-check"].outputs[0].text == "2\n"
    assert exercise["argue"].source == "*Your answer here.*"
    assert not any("rubric" in c.source for c in exercise.values())


def test_a_second_run_changes_no_byte(course, capsys):
    before = {path: path.read_bytes() for path in course.rglob("*.ipynb")}
    shutil.rmtree(course / "_build")  # so that every cell runs again
    assert main(["02-sample"], course) == 0
    assert {path: path.read_bytes() for path in course.rglob("*.ipynb")} == before
    assert "written" not in capsys.readouterr().out


def test_inserting_a_cell_leaves_the_others_ids_alone(course):
    ids = {c.id for c in cells(course, "notebooks/02-sample")}
    text = course / "notebooks/02-sample.md"
    source = text.read_text(encoding="utf8")
    text.write_text(source.replace("After the figure.", "After.\n\n+++\n\nMore."), encoding="utf8")
    project = Project.at(course)
    made = notebooks_of(project, text)[text.with_suffix(".ipynb")]
    assert len(ids - {c.id for c in made.cells}) == 1


def test_the_check_is_content_when_nothing_would_change(generated):
    assert main(["--check"], generated) == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("notebooks/02-sample.md", "Worked.", "Reworked.", "notebooks/02-sample.ipynb: differs"),
        ("gencourse/toy.py", "exactly", "twice", "notebooks/02-sample.ipynb: differs"),
        ("gencourse/checkpoints/toy.json", "98.764", "97.1", "notebooks/02-sample.ipynb: differs"),
        ("solutions/02-sample.md", "Add.", "Add twice.", "exercises/02-sample.ipynb: differs"),
        ("solutions/02-sample.md", "# result = ...", "# total = ...", "`total = ...` is not in"),
        ("notebooks/01-first.md", "{eq}`eq-twice`", "{eq}`eq-thrice`", "eq-thrice"),
    ],
)
def test_the_check_fails_and_names_what_would_change(course, capsys, file, old, new, complaint):
    path = course / file
    path.write_text(path.read_text(encoding="utf8").replace(old, new), encoding="utf8")
    before = {path: path.read_bytes() for path in course.rglob("*.ipynb")}
    assert main(["--check"], course) == 1
    assert complaint in capsys.readouterr().err
    assert {path: path.read_bytes() for path in course.rglob("*.ipynb")} == before


def test_a_notebook_that_no_text_makes_is_named_and_left_alone(course, capsys):
    stray = course / "notebooks/03-gone.ipynb"
    shutil.copy(course / "notebooks/01-first.ipynb", stray)
    assert main(["--check"], course) == 1
    assert "03-gone.ipynb: no text makes it" in capsys.readouterr().err
    assert main([], course) == 0
    assert "03-gone.ipynb: no text makes it" in capsys.readouterr().out
    assert stray.exists()


def test_a_cell_that_fails_stops_the_generation(course, capsys):
    text = course / "notebooks/02-sample.md"
    source = text.read_text(encoding="utf8").replace('{"a": 1}', "1 / 0")
    text.write_text(source, encoding="utf8")
    assert main(["02-sample"], course) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_path_of_this_machine_never_enters_a_notebook(course, capsys):
    text = course / "notebooks/02-sample.md"
    source = text.read_text(encoding="utf8").replace('{"a": 1}', "import os; print(os.getcwd())")
    text.write_text(source, encoding="utf8")
    assert main(["02-sample"], course) == 1
    assert "path of this machine" in capsys.readouterr().err


# nbval


def test_nbval_compares_what_is_stored_with_what_is_printed(course):
    shutil.copy(ROOT / "conftest.py", course)
    path = course / "notebooks/02-sample.ipynb"
    text = path.read_text(encoding="utf8")
    path.write_text(text.replace('printed\\n"', 'something else\\n"'), encoding="utf8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval"]
    command += ["--nbval-sanitize-with", str(ROOT / "tests/nbval-sanitize.cfg")]
    done = subprocess.run([*command, path], cwd=course, capture_output=True, text=True)
    assert "1 failed, 3 passed" in done.stdout
    assert "something else" in done.stdout
