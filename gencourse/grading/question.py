"""What a question is, and how an answer to it is judged.

An exercise is a notebook and, beside it, a module in `gencourse.grading.questions` that says for
each question what a right answer does and which wrong answers are known. Two readers use that
module: `check`, in the learner's own notebook, on inputs that anyone may see; and `gencourse
grade`, on secret inputs, which sends them to the learner's function in a sandbox and compares what
comes back here, outside.

The notebook and the questions are tied together by names alone:

- the cell for the answer to question `kl` has the nbgrader `grade_id` `kl` and, if it holds code,
  the line `# exercise: kl`, by which it is found again when a learner's notebook has lost its
  metadata;
- the cell that checks it, `check("kl", kl)`, is locked, carries the points, and has the `grade_id`
  `kl-check`. The answer is judged where this cell stands;
- the answer to a written question is one Markdown cell that carries its points itself.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gencourse.grading.protocol import Value

__all__ = [
    "Assignment",
    "ChoiceQuestion",
    "Failure",
    "FunctionQuestion",
    "Misconception",
    "Question",
    "Verdict",
    "WrittenQuestion",
    "expected",
    "judge",
    "judge_choice",
    "public_inputs",
]

Arguments: TypeAlias = tuple[Value, ...]
# The functions of several questions have nothing in common but what they may return.
Answer: TypeAlias = Callable[..., Any]

PUBLIC_SEED = 2014


@dataclass(frozen=True)
class Failure:
    """A call that returned nothing: the kind of failure, and a sentence for the learner."""

    kind: str  # "no answer", "raised", "time", "memory", "exit", "type"
    message: str


@dataclass(frozen=True)
class Misconception:
    """A wrong answer that learners are known to give, alive: `function` gives it.

    It is named only when the learner's outputs equal its outputs on every input and those are not
    the right ones, so that a message never accuses a learner of a mistake that was not made.
    """

    name: str  # "the variance taken for the standard deviation"
    message: str  # what to reconsider, without the answer
    where: str  # where the chapter treats it
    function: Answer


def call_directly(function: Answer, *arguments: Value) -> Any:
    """Call a learner's function on the inputs as they are."""
    return function(*arguments)


@dataclass(frozen=True)
class FunctionQuestion:
    """A question whose answer is a function.

    `inputs(generator)` returns a list of argument tuples; it draws from the generator alone, so a
    secret seed gives secret inputs. Tolerances are those of `torch.isclose`.

    Where the learner's function takes more than arrays and numbers (a callable, a module), `call`
    builds the arguments: `call(function, *arguments)` with `arguments` from `inputs`. Its source is
    sent into the sandbox, so it stands alone: it imports what it needs inside its own body. The
    reference and the misconceptions are called through it as well, and so it may also return more
    than the function does, a gradient for example.

    `expects` tells the learner what any right answer does: its shape, and a property it has.
    `alternatives` are right answers written differently. Nothing runs them but the tests, which
    hold that they are accepted.
    """

    name: str  # the grade_id and the marker `# exercise: NAME`
    function: str  # the function's name in the notebook
    points: int
    inputs: Callable[[torch.Generator], list[Arguments]]
    reference: Answer
    misconceptions: tuple[Misconception, ...] = ()
    alternatives: tuple[Answer, ...] = ()
    expects: str = ""
    rtol: float = 1e-4
    atol: float = 1e-5
    call: Callable[..., Any] = call_directly


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question whose answer is a dict `{item: option}`, marked item by item, each worth the same.

    `options` are the same for every item, or a mapping that gives each item its own.
    `remarks[item, option]` says what to reconsider for a choice that is known to tempt.
    """

    name: str
    variable: str  # the dict's name in the notebook
    points: int
    options: tuple[str, ...] | Mapping[str, tuple[str, ...]]
    key: Mapping[str, str]
    remarks: Mapping[tuple[str, str], str]
    where: str = ""

    def options_for(self, item: str) -> tuple[str, ...]:
        """What may be chosen for `item`."""
        return self.options[item] if isinstance(self.options, Mapping) else self.options


@dataclass(frozen=True)
class WrittenQuestion:
    """A question answered in words, which a person marks along `rubric`.

    Each line of the rubric is (points, what earns them).
    """

    name: str
    points: int
    rubric: tuple[tuple[float, str], ...]


Question: TypeAlias = FunctionQuestion | ChoiceQuestion | WrittenQuestion


@dataclass(frozen=True)
class Assignment:
    """The questions of one exercise notebook, in its order.

    `modules` are the modules of `gencourse` that a marked notebook can use, if an answer cannot be
    had without them. Any other can be imported while it is marked, but there is nothing in it, and
    so no answer can be had by calling the course's own.
    """

    name: str  # "02-vae"
    questions: tuple[Question, ...]
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What became of one answer. `message` never holds an expected value or an input."""

    points: float
    correct: bool
    message: str
    misconception: Misconception | None = None
    case: int | None = None  # the first input on which the answer was wrong


def public_inputs(question: FunctionQuestion) -> list[Arguments]:
    """The inputs that `check` uses, the same on every machine."""
    return question.inputs(torch.Generator().manual_seed(PUBLIC_SEED))


def expected(question: FunctionQuestion, inputs: Sequence[Arguments]) -> list[Value]:
    """The right outputs for `inputs`."""
    return [question.call(question.reference, *copied(arguments)) for arguments in inputs]


def judge(
    question: FunctionQuestion, outputs: Sequence[Value | Failure], inputs: Sequence[Arguments]
) -> Verdict:
    """Compare a learner's `outputs` on `inputs` with the reference and with every misconception.

    Raises `ValueError` when there are not as many outputs as inputs, or no input at all.
    """
    if len(outputs) != len(inputs) or not inputs:
        raise ValueError(f"{len(outputs)} outputs for {len(inputs)} inputs of {question.name!r}")
    targets = expected(question, inputs)
    problems = [
        difference(output, target, question.rtol, question.atol)
        for output, target in zip(outputs, targets, strict=True)
    ]
    case = next((i for i, problem in enumerate(problems) if problem), None)
    if case is None:
        return Verdict(question.points, True, "Right.")
    for misconception in question.misconceptions:
        if gives(misconception, question, outputs, inputs):
            return Verdict(0, False, misconception.message, misconception, case)
    return Verdict(0, False, problems[case], case=case)


def judge_choice(question: ChoiceQuestion, answer: object) -> Verdict:
    """Mark a dict of choices item by item.

    Anything but a dict is no answer. Items that the question does not have are ignored, and an
    option is read without regard to case and surrounding space.
    """
    if not isinstance(answer, Mapping):
        return Verdict(0, False, f"`{question.variable}` is not a dict of choices.")
    given = {
        str(item).strip().casefold(): str(option).strip().casefold()
        for item, option in answer.items()
        if isinstance(option, str)
    }
    remarks = {(item, option.casefold()): text for (item, option), text in question.remarks.items()}
    right, lines = 0, []
    for item, option in question.key.items():
        choice = given.get(item.casefold())
        if choice == option.casefold():
            right += 1
        elif choice is None or choice in ("", "..."):
            lines.append(f"{item}: no choice made.")
        elif choice not in [o.casefold() for o in question.options_for(item)]:
            lines.append(f"{item}: not one of {', '.join(question.options_for(item))}.")
        else:
            lines.append(f"{item}: {remarks.get((item, choice), 'not this one.')}")
    points = question.points * right / len(question.key)
    return Verdict(points, right == len(question.key), "\n".join(lines) or "Right.")


def gives(
    misconception: Misconception,
    question: FunctionQuestion,
    outputs: Sequence[Value | Failure],
    inputs: Sequence[Arguments],
) -> bool:
    """Whether a misconception explains all of the outputs."""
    for output, arguments in zip(outputs, inputs, strict=True):
        try:
            wrong = question.call(misconception.function, *copied(arguments))
        except Exception:  # a misconception that fails on an input explains no output there
            return False
        if difference(output, wrong, question.rtol, question.atol, nan_equals_nan=True):
            return False
    return True


def difference(
    output: Value | Failure,
    target: Value,
    rtol: float,
    atol: float,
    *,
    nan_equals_nan: bool = False,
) -> str:
    """Say in a sentence how an output differs from its target; the empty string if it does not."""
    if isinstance(output, Failure):
        return output.message
    if isinstance(target, tuple):
        if not isinstance(output, tuple) or len(output) != len(target):
            return f"The function should return {len(target)} values, not {described(output)}."
        parts = (
            difference(o, t, rtol, atol, nan_equals_nan=nan_equals_nan)
            for o, t in zip(output, target, strict=True)
        )
        return next((part for part in parts if part), "")
    if target is None or isinstance(target, str):
        return "" if output == target else f"The function returned {described(output)}."
    wanted = torch.as_tensor(target)
    if not isinstance(output, Tensor | float | int | bool):
        return f"The function returned {described(output)}; {described(wanted)} was expected."
    got = torch.as_tensor(output)
    if got.is_complex() or (got.dtype == torch.bool) != (wanted.dtype == torch.bool):
        return f"The function returned {described(output)}; {described(wanted)} was expected."
    if got.shape != wanted.shape:
        return f"The shape is {shape(got)}; {shape(wanted)} was expected."
    coarse = ""
    if wanted.is_floating_point() and (not got.is_floating_point() or got.dtype.itemsize < 4):
        coarse = str(got.dtype).removeprefix("torch.")
    got, wanted = got.to(torch.float64), wanted.to(torch.float64)
    if torch.isclose(got, wanted, rtol=rtol, atol=atol, equal_nan=nan_equals_nan).all():
        return ""
    if coarse:
        return f"The values are of dtype {coarse}, which cannot hold what was expected."
    if bool(got.isnan().any()):
        return "Some values are NaN, not a number."
    if bool(got.isinf().any()) and not bool(wanted.isinf().any()):
        return "Some values are infinite."
    return "The shape is right, but some values are not."


def described(value: Value) -> str:
    """Name a value for a learner: its type, and its shape if it has one."""
    if value is None:
        return "None (is a `return` missing?)"
    if isinstance(value, Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return f"a {kind} tensor of shape {shape(value)}" if value.ndim else f"a {kind} scalar"
    if isinstance(value, tuple):
        return f"a tuple or list of {len(value)} values"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return f"a value of type {type(value).__name__}"


def shape(tensor: Tensor) -> str:
    """The shape as Python prints a tuple: `(4, 2)`, `(4,)`, `()`."""
    return str(tuple(tensor.shape))


def copied(arguments: Arguments) -> Arguments:
    """The same arguments in fresh memory, so that a function may overwrite what it was given."""
    return tuple(a.clone() if isinstance(a, Tensor) else a for a in arguments)
