"""What a chapter can say, and what stops the build."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from _ext.execution import key

NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'

PAGE = r"""
# A page

```{opening} invert
:promise: It bends.
:minutes: 5
:needs: nothing
:outcome: bend it
```

The number $e^x$, measured at {number}`small:test.elbo:.1f` nats over {number}`small:n:,` images in
run {number}`small:test.runs.1:d`. See {eq}`eq-total`.

:::{margin} Why
Because.
:::

:::{margin} And why
Because of that.
:::

Another paragraph.

```{equation} total
:function: gencourse.sums.total
:test: tests/test_sums.py::test_total_of_nothing_is_zero
s = \sum_i x_i
```

$$
s = 1
$$

```{quote-function} gencourse.front.whole
```

:::{insight} the *title*
Insight.
:::

:::{misconception} the *title*
Misconception.
:::

:::{try} the *title*
Try.
:::

:::{shortcut} the *title*
Shortcut.
:::

:::{frontier} the *title*
Frontier.
:::

:::{selfcheck} Why?
For this reason.
:::

:::{depth} research
Only at research.
:::

```{exercise-link} 01-one
```

## Plain

Text.

## Proof

```{section-marks}
:depth: research
:level: advanced
```

Text.
"""


@pytest.fixture(scope="module")
def book(build: Callable):
    return build(PAGE, **{"exercises/01-one.ipynb": NOTEBOOK})


@pytest.fixture(scope="module")
def complaints(build: Callable) -> Callable[[str], str]:
    """What the build says about a chapter with this text."""
    return lambda text: build(f"# A page\n\n{text}\n", builder="dummy").complaints


def test_a_right_chapter_raises_no_complaint(book) -> None:
    assert book.complaints == ""


class TestEquations:
    def test_an_equation_has_a_number_and_is_cited_by_it(self, book) -> None:
        assert book.page.count('<span class="eqno">(1)</span>') == 1
        assert 'id="equation-eq-total"' in book.page
        assert re.search(r'href="#equation-eq-total"[^>]*>\(1\)<', book.page)

    def test_it_links_to_its_function_and_its_test(self, book) -> None:
        assert 'href="source/gencourse/sums.html#total"' in book.page
        assert 'href="source/tests/test_sums.html#test_total_of_nothing_is_zero"' in book.page

    def test_the_links_lead_to_highlighted_source(self, book) -> None:
        source = book.read("source/gencourse/sums.html")
        assert '<span class="object" id="total">' in source
        assert '<span class="nf">total</span>' in source
        assert '<a href="../../index.html">A page</a>' in source

    def test_a_missing_function_or_test_is_an_error(self, complaints: Callable) -> None:
        function = "gencourse.sums.total"
        test = "tests/test_sums.py::test_total_of_nothing_is_zero"
        wrong = {
            "a": ("", test, "names no function"),
            "b": (function, "", "names no test"),
            "c": ("gencourse.sums.gone", test, "gencourse/sums.py defines no `gone`"),
            "d": ("gencourse.gone.total", test, "gencourse.gone.total"),
            "e": (function, "tests/test_sums.py::test_gone", "defines no `test_gone`"),
            "f": (function, "tests/test_gone.py::test_total", "no file tests/test_gone.py"),
            "g": (function, "tests/test_sums.py::helper", "`helper` is not a test"),
        }
        said = complaints(
            "\n\n".join(
                f"```{{equation}} {label}\n"
                + (f":function: {function}\n" if function else "")
                + (f":test: {test}\n" if test else "")
                + "x = 1\n```"
                for label, (function, test, _) in wrong.items()
            )
        ).splitlines()
        for label, (*_, reason) in wrong.items():
            assert any(f"ERROR: equation eq-{label}: " in s and reason in s for s in said), said

    def test_a_label_by_another_route_is_an_error(self, complaints: Callable) -> None:
        said = complaints(
            "```{math}\n:label: one\nx = 1\n```\n\n"
            "$$\nx = 2\n$$ (two)\n\n"
            "\\begin{equation}\nx = 3\n\\end{equation}"
        )
        assert said.count("labelled by another route") == 3

    def test_an_equation_without_a_label_has_no_number(self, book) -> None:
        assert book.page.count('<span class="eqno">') == 1
        assert book.page.count('<div class="math-scroll"') == 2


class TestFormulas:
    def test_formulas_are_set_with_mathml_and_no_script(self, book) -> None:
        assert "<msup>" in book.page
        assert 'class="katex-html" aria-hidden="true"' in book.page
        assert "MathJax" not in book.page

    def test_what_cannot_be_set_is_an_error_with_its_line(self, build: Callable) -> None:
        said = build("# A page\n\nFine $x$.\n\n$$\n\\frac{1}{\n$$\n").complaints
        assert "index.md:5: ERROR" in said
        assert "KaTeX cannot set this formula" in said


class TestNumbers:
    def test_a_number_comes_from_a_committed_result(self, book) -> None:
        shown = re.findall(
            r'title="from gencourse/checkpoints/small\.json">([^<]+)</span>', book.page
        )
        assert shown == ["−101.3", "1,234", "4"]

    def test_a_number_that_is_not_there_is_an_error(self, complaints: Callable) -> None:
        wrong = {
            "gone:test.elbo:.1f": "no gone.json",
            "small:test.gone:.1f": "(no `gone`)",
            "small:test.runs.7:d": "(no `7`)",
            "small:test:.1f": "cannot be written as `.1f`",
        }
        said = complaints("\n\n".join(f"{{number}}`{reference}`" for reference in wrong))
        assert said.count("ERROR") == len(wrong)
        for reason in wrong.values():
            assert reason in said


class TestDepth:
    def test_blocks_and_sections_carry_their_depth(self, book) -> None:
        assert '<div class="depth-research">' in book.page
        assert '<section class="depth-research" id="proof">' in book.page

    def test_the_level_stands_beside_its_heading_and_nowhere_else(self, book) -> None:
        assert book.page.count('<span class="level level-advanced">advanced</span>') == 1

    def test_marks_away_from_their_heading_are_an_error(self, complaints: Callable) -> None:
        said = complaints("Text.\n\n```{section-marks}\n:depth: research\n```")
        assert "directly under its heading" in said


class TestPieces:
    def test_the_verb_stands_above_the_title_and_outside_it(self, book) -> None:
        page = book.page
        assert page.index('class="opening-verb"') < page.index("<h1>") < page.rindex("It bends.")
        assert 'data-verb="invert"' in page[page.index("<body") : page.index("<header")]
        assert "<title>A page" in page

    def test_margin_notes_are_kept_with_the_block_before_them(self, book) -> None:
        together = book.page[book.page.index('class="noted"') : book.page.index("Another para")]
        assert together.count('class="margin-note"') == 2
        assert together.index("Because.") < together.index("Because of") < together.index("measur")

    def test_a_quotation_is_the_source_without_its_docstring(self, book) -> None:
        quoted = book.page[book.page.index('class="quote"') : book.page.index("quoted from")]
        assert '<span class="k">return</span>' in quoted
        assert "Formula" not in quoted

    def test_a_quotation_of_what_is_gone_is_an_error(self, complaints: Callable) -> None:
        said = complaints("```{quote-function} gencourse.sums.gone\n```")
        assert "defines no `gone`" in said

    @pytest.mark.parametrize("name", ["insight", "misconception", "try", "shortcut", "frontier"])
    def test_a_box_says_what_it_is(self, book, name: str) -> None:
        assert f'href="#mark-{name}"' in book.page
        assert f'id="mark-{name}"' in book.page
        assert book.page.count("the <em>title</em>") == 5

    def test_an_answer_is_folded_under_its_question(self, book) -> None:
        fold = book.page[book.page.index('<details class="selfcheck">') :]
        assert fold.index("Why?") < fold.index("</summary>") < fold.index("For this reason.")

    def test_an_exercise_opens_in_colab_at_the_release(self, book) -> None:
        address = "github/an-owner/a-course/blob/v9.9.9/exercises/01-one.ipynb"
        assert f"https://colab.research.google.com/{address}" in book.page
        assert list(book.folder.glob("_downloads/*/01-one.ipynb"))

    def test_a_link_to_no_exercise_is_an_error(self, complaints: Callable) -> None:
        said = complaints("```{exercise-link} 07-none\n```")
        assert "there is no exercises/07-none.ipynb" in said


LIVE = (
    '<figure><div id="plane" data-gm="x"></div>'
    "<figcaption><b>Figure {}. A</b></figcaption></figure>"
)


class TestLiveFigures:
    def test_a_live_figure_is_one_of_the_numbered_figures(self, complaints: Callable) -> None:
        assert complaints(LIVE.format("1")) == ""
        assert 'write number="1"' in complaints(LIVE.format("2.7"))


class TestExecution:
    def test_the_cache_is_another_when_the_package_changes(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("x = 1\n")
        before = key(tmp_path)
        assert key(tmp_path) == before
        (tmp_path / "a.py").write_text("x = 2\n")
        assert key(tmp_path) != before

    def test_what_python_compiles_does_not_count(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("x = 1\n")
        before = key(tmp_path)
        (tmp_path / "a.pyc").write_bytes(b"anything")
        assert key(tmp_path) == before
