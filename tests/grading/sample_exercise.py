"""A small exercise with a question of every kind, its solution, and ways to hand it in."""

import copy
import json
from pathlib import Path
from typing import Any

import torch

from gencourse.grading.question import (
    Assignment,
    ChoiceQuestion,
    FunctionQuestion,
    Misconception,
    WrittenQuestion,
)

Notebook = dict[str, Any]


def softplus_inputs(generator: torch.Generator) -> list[tuple[Any, ...]]:
    return [
        (torch.randn(4, generator=generator),),
        (100 + 50 * torch.rand(3, generator=generator, dtype=torch.float64),),
    ]


def square_inputs(generator: torch.Generator) -> list[tuple[Any, ...]]:
    return [(torch.randn(3, 2, generator=generator),) for _ in range(2)]


def value_and_gradient(function, x):  # type: ignore[no-untyped-def]
    """Call a loss as training does."""
    import torch

    x = x.clone().requires_grad_()
    value = function(x)
    (gradient,) = torch.autograd.grad(value, x)
    return value, gradient


CHOICE = ChoiceQuestion(
    name="verbs",
    variable="verbs",
    points=4,
    options=("compress", "contest", "invert", "chain"),
    key={"vae": "compress", "gan": "contest", "flow": "invert", "transformer": "chain"},
    remarks={("flow", "compress"): "A flow keeps every dimension."},
    where="Chapter 1",
)
SOFTPLUS = FunctionQuestion(
    name="softplus",
    function="softplus",
    points=3,
    inputs=softplus_inputs,
    reference=lambda x: torch.nn.functional.softplus(x),
    misconceptions=(
        Misconception(
            "the exponential overflows",
            "For large inputs the exponential is infinite before its logarithm is taken.",
            "Chapter 2, “Numbers”",
            lambda x: (1 + (10 * x).exp()).log() / 10 if x.max() < 50 else (1 + x.exp() ** 9).log(),
        ),
        Misconception(
            "the rectifier", "This has a corner at 0.", "Chapter 2, “Numbers”", lambda x: x.relu()
        ),
    ),
)
SQUARE = FunctionQuestion(
    name="square",
    function="mean_square",
    points=3,
    inputs=square_inputs,
    reference=lambda x: (x**2).mean(),
    call=value_and_gradient,
    misconceptions=(
        Misconception(
            "summed", "You add up and never divide.", "Chapter 2", lambda x: (x**2).sum()
        ),
    ),
)
WORDS = WrittenQuestion("why", points=5, rubric=((3, "Says why."), (2, "Says <when>.")))
SAMPLE = ASSIGNMENT = Assignment("00-sample", (CHOICE, SOFTPLUS, SQUARE, WORDS))

RIGHT = {
    "verbs": (
        'verbs = {"vae": "compress", "gan": "contest", "flow": "invert", "transformer": "chain"}'
    ),
    "softplus": "def softplus(x):\n    return torch.logaddexp(x, torch.zeros_like(x))",
    "square": "def mean_square(x):\n    return x.pow(2).mean()",
    "why": "Because a bound is not an equality.",
}
STUBS = {
    "verbs": 'verbs = {"vae": "...", "gan": "...", "flow": "...", "transformer": "..."}',
    "softplus": "def softplus(x):\n    ...",
    "square": "def mean_square(x):\n    ...",
}


def code(source: str, **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def markdown(source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": metadata, "source": source}


def about(grade_id: str, *, points: int | None = None, solution: bool = False) -> dict[str, Any]:
    return {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
        **({} if points is None else {"points": points}),
    }


def solution_notebook() -> Notebook:
    """The instructor's notebook, as `make notebooks` would write it."""
    cells = [
        markdown("# A sample\n\nFour questions."),
        code("import torch\n\nfrom gencourse.grading import check\nfrom gencourse.nn import MLP"),
    ]
    for number, question in enumerate(SAMPLE.questions, start=1):
        name = question.name
        cells.append(markdown(f"## {number}. About {name}"))
        if isinstance(question, WrittenQuestion):
            source = (
                f"<!-- exercise: {name} -->\n<!-- BEGIN SOLUTION -->\n{RIGHT[name]}\n"
                "<!-- END SOLUTION -->"
            )
            cells.append(markdown(source, nbgrader=about(name, points=5, solution=True)))
            continue
        indent = "    " if isinstance(question, FunctionQuestion) else ""
        head, _, body = RIGHT[name].partition("\n") if indent else ("", "", RIGHT[name])
        stub = STUBS[name].removeprefix(head + "\n")
        lines = [
            f"# exercise: {name}",
            *([head] if head else []),
            f"{indent}### BEGIN STUB",
            *(f"{indent}# {line.removeprefix(indent)}" for line in stub.split("\n")),
            f"{indent}### END STUB",
            f"{indent}### BEGIN SOLUTION",
            *(([body]) if indent else [stub, body]),
            f"{indent}### END SOLUTION",
        ]
        cells.append(code("\n".join(lines), nbgrader=about(name, solution=True)))
        argument = getattr(question, "function", None) or CHOICE.variable
        cells.append(
            code(
                f'check("{name}", {argument})',
                nbgrader=about(f"{name}-check", points=question.points),
            )
        )
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


def answered(release: Notebook, answers: dict[str, str]) -> Notebook:
    """The learners' notebook with some answers in it."""
    notebook = copy.deepcopy(release)
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in answers:
            marker = f"# exercise: {name}\n" if cell["cell_type"] == "code" else ""
            cell["source"] = marker + answers[name]
    return notebook


def hand_in(path: Path, notebook: Notebook) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))


def cell_of(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    """The cell with a grade_id."""
    return next(
        cell
        for cell in notebook["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )
