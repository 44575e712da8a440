"""The learner's check: what was expected, what came, and which misunderstanding would explain it.

    check("kl", kl_to_standard_normal)

calls the function on inputs that anyone may see and shows the judgement of `question.judge`, the
same that marks the answer later on inputs that nobody has seen. It says what a right answer does
and, on the first input where the answer differs, which values were wanted and which came. It never
says how they are computed.
"""

import html
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from traceback import extract_tb

from torch import Tensor

from gencourse.grading.protocol import Value, plain
from gencourse.grading.question import (
    Arguments,
    ChoiceQuestion,
    Failure,
    FunctionQuestion,
    WrittenQuestion,
    call_directly,
    copied,
    expected,
    judge,
    judge_choice,
    public_inputs,
    shape,
)
from gencourse.grading.questions import PAGES, find

__all__ = ["Feedback", "check", "runs"]

# Where the book is read. A test holds it to the repository's URL in _config.yml.
BOOK = "https://generative-models-measured.github.io/course/"
SHOWN = 16  # numbers that are worth a learner's reading
WIDTH = 96  # columns of the plain text
STATES = {
    "right": ("right", "#17a18a"),
    "partly": ("not all of it yet", "#bb861b"),
    "wrong": ("not yet", "#bb861b"),
    "unanswered": ("not answered yet", "#8a94a3"),
}


@dataclass(frozen=True)
class Feedback:
    """What `check` found: `state` is "right", "partly", "wrong" or "unanswered"."""

    question: str
    state: str
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def correct(self) -> bool:
        """Whether the answer is right as a whole."""
        return self.state == "right"

    def __repr__(self) -> str:
        lines = [f"{self.question}: {STATES[self.state][0]}"]
        column = max((len(label) for label, _ in self.rows), default=0) + 4
        for label, text in self.rows:
            wrapped = [
                part for line in text.splitlines() for part in textwrap.wrap(line, WIDTH - column)
            ]
            lines.append(f"  {label}".ljust(column) + wrapped[0])
            lines += [" " * column + part for part in wrapped[1:]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same with a coloured edge and links; text takes the notebook's own colour."""
        word, colour = STATES[self.state]
        cells = "".join(
            f'<div style="opacity:.72">{html.escape(label)}</div><div>{marked_up(text)}</div>'
            for label, text in self.rows
        )
        return (
            f'<div style="border-left:3px solid {colour};padding:.2em 0 .2em .9em;margin:.4em 0;'
            'max-width:46em;line-height:1.5">'
            f"<div><strong>{html.escape(self.question)}</strong>: {word}</div>"
            '<div style="display:grid;grid-template-columns:max-content minmax(0,1fr);'
            f'gap:.15em 1em;margin-top:.2em">{cells}</div></div>'
        )


def check(name: str, answer: object) -> Feedback:
    """Judge the answer to question `name` at once, on public inputs.

    `answer` is the function, not called, or the dict of choices. Raises `KeyError` with the names
    there are when no question is called `name`.
    """
    _, question = find(name)
    if answer is None or answer is Ellipsis:
        return Feedback(name, "unanswered")
    if isinstance(question, FunctionQuestion):
        return check_function(question, answer)
    if isinstance(question, ChoiceQuestion):
        return check_choice(question, answer)
    return check_written(question, answer)


def runs(name: str, answer: object) -> bool:
    """Whether the answer to a coding question returns the right kind of value yet, right or not.

    The given cells that draw a picture with the learner's function ask this first.
    """
    _, question = find(name)
    if not isinstance(question, FunctionQuestion) or not callable(answer):
        return False
    inputs = public_inputs(question)
    outputs = [call(question, answer, arguments) for arguments in inputs]
    return all(
        shapes(output) == shapes(target)
        for output, target in zip(outputs, expected(question, inputs), strict=True)
    )


def check_function(question: FunctionQuestion, answer: object) -> Feedback:
    """Call the learner's function on every public input and describe the first difference."""
    name = question.name
    if not callable(answer):
        text = (
            f'Give the function itself, without calling it: `check("{name}", {question.function})`'
        )
        return Feedback(name, "wrong", (("problem", text),))
    inputs = public_inputs(question)
    outputs = []
    for arguments in inputs:
        output = call(question, answer, arguments)
        if isinstance(output, Failure):
            if output.kind == "no answer":
                return Feedback(name, "unanswered")
            on = described_inputs(question, arguments)
            return Feedback(name, "wrong", (("on", on), ("problem", output.message)))
        outputs.append(output)
    verdict = judge(question, outputs, inputs)
    if verdict.case is None:
        checked = f"on {len(inputs)} inputs; the marks are given on others"
        return Feedback(name, "right", (("checked", checked),))
    got, wanted = outputs[verdict.case], plain(expected(question, inputs)[verdict.case])
    if isinstance(got, tuple) and isinstance(wanted, tuple):
        got, wanted = got[0], wanted[0]
    rows = [
        ("expected", question.expects),
        ("on", described_inputs(question, inputs[verdict.case])),
        ("wanted", described_value(wanted)),
        ("got", described_value(got)),
    ]
    if verdict.misconception is None:
        rows.append(("problem", verdict.message))
    else:
        rows += [
            ("likely", verdict.misconception.name),
            ("why", verdict.misconception.message),
            ("read", verdict.misconception.where),
        ]
    return Feedback(name, "wrong", tuple(rows))


def check_choice(question: ChoiceQuestion, answer: object) -> Feedback:
    """Say for each item that is not right what to reconsider."""
    if not isinstance(answer, Mapping):
        text = f"`{question.variable}` should be a dict; it is of type {type(answer).__name__}."
        return Feedback(question.name, "wrong", (("problem", text),))
    chosen = [c for c in answer.values() if isinstance(c, str) and c.strip(" .")]
    if not chosen:
        return Feedback(question.name, "unanswered")
    verdict = judge_choice(question, answer)
    items = len(question.key)
    right = round(verdict.points / question.points * items)
    rows = [("right", f"{right} of {items}")]
    if not verdict.correct:
        for line in verdict.message.splitlines():
            item, _, remark = line.partition(": ")
            rows.append((item, remark))
        rows.append(("read", question.where))
    state = "right" if verdict.correct else "partly" if right else "wrong"
    return Feedback(question.name, state, tuple(rows))


def check_written(question: WrittenQuestion, answer: object) -> Feedback:
    """Repeat the rubric: a person marks the text."""
    rows = tuple((f"{points} points", text) for points, text in question.rubric)
    return Feedback(question.name, "unanswered", (("marked by", "a person, who asks:"), *rows))


def call(question: FunctionQuestion, answer: object, arguments: Arguments) -> Value | Failure:
    """What the learner's function returns, or why it returned nothing."""
    try:
        result = question.call(answer, *copied(arguments))
        if unfinished(result):
            return Failure("no answer", "The function returns `...`.")
        return plain(result)
    except NotImplementedError:
        return Failure("no answer", "Nothing is written here yet.")
    except Exception as error:
        if "ellipsis" in str(error):  # a stub's `...` was used as a value
            return Failure("no answer", "There is still a `...` in the function.")
        return Failure("raised", f"{type(error).__name__}: {error}{place(error, answer)}")


def unfinished(result: object) -> bool:
    """Whether a result is, or begins with, the `...` of a stub."""
    return result is Ellipsis or (isinstance(result, tuple) and result[:1] == (Ellipsis,))


def place(error: Exception, answer: object) -> str:
    """The line of the learner's cell from which an error came; "" if it came from elsewhere."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return ""
    frames = [f for f in extract_tb(error.__traceback__) if f.filename == code.co_filename]
    return f"\nin line {frames[-1].lineno} of its cell: `{frames[-1].line}`" if frames else ""


def shapes(value: Value | Failure) -> object:
    """What tells one kind of return value from another: shapes, and the structure of tuples."""
    if isinstance(value, tuple):
        return tuple(shapes(part) for part in value)
    if isinstance(value, Tensor):
        return value.shape
    return () if isinstance(value, int | float) else type(value)


def described_inputs(question: FunctionQuestion, arguments: Arguments) -> str:
    """The arguments by name: their numbers if they are few, else their shapes."""
    few = sum(value.numel() for value in arguments if isinstance(value, Tensor)) <= SHOWN
    if question.call is call_directly:
        names = list(signature(question.reference).parameters)
    else:
        _, *names = signature(question.call).parameters
    return "\n".join(
        f"{name} {shape(value)}"
        if isinstance(value, Tensor) and not few
        else f"{name} = {value.tolist() if isinstance(value, Tensor) else value!r}"
        for name, value in zip(names, arguments, strict=True)
    )


def described_value(value: Value) -> str:
    """A value for reading: its shape, and as many of its numbers as are worth it."""
    if not isinstance(value, Tensor):
        return f"{value:.5g}" if isinstance(value, float) else repr(value)
    numbers = [f"{number:.5g}" for number in value.flatten()[:SHOWN].tolist()]
    if value.numel() > SHOWN:
        numbers.append("…")
    return f"shape {shape(value)}: {', '.join(numbers)}"


def marked_up(text: str) -> str:
    """Text as safe HTML, with `code`, line ends, and links to the chapter's sections."""
    safe = html.escape(text, quote=False)
    safe = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", safe).replace("\n", "<br>")
    return re.sub(r"Chapter (\d{1,2})(?:, “([^”]{1,120})”)?", link, safe)


def link(found: re.Match[str]) -> str:
    """A section of the book as a link to it, if the chapter is known."""
    page = PAGES.get(int(found[1]))
    if page is None:
        return found[0]
    anchor = "#" + re.sub(r"[^a-z0-9]+", "-", found[2].lower()).strip("-") if found[2] else ""
    return f'<a href="{BOOK}notebooks/{page}.html{anchor}">{found[0]}</a>'
