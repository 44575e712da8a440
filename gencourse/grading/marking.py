"""Marking one notebook: run its cells in a sandbox, and judge each answer where its check stands.

A cell that hangs or ends the process costs its own question only: the sandbox is replaced, the
cells before it run again, it is left out, and marking goes on behind it.

Every answer is judged on the inputs that `check` uses and on secret ones, shuffled together. The
secret ones follow from a key that the course keeps and from the bytes of the notebook, so that the
same notebook always meets the same inputs, and a notebook changed in view of its feedback others.
"""

import hashlib
import hmac
import inspect
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from gencourse.grading.check import described_inputs, described_value
from gencourse.grading.protocol import Value, plain
from gencourse.grading.question import (
    Arguments,
    Assignment,
    ChoiceQuestion,
    Failure,
    FunctionQuestion,
    Question,
    Verdict,
    WrittenQuestion,
    call_directly,
    expected,
    judge,
    judge_choice,
    public_inputs,
)
from gencourse.grading.repair import Answer, Repaired
from gencourse.grading.sandbox import DeadError, Sandboxes

__all__ = ["CHECK", "UNMARKED", "Limits", "Mark", "mark"]

CHECK = "{}-check"  # the grade_id of the cell at which a question is judged
UNMARKED = "unmarked"  # the tag of given cells that marking has no need to run
SECRET_ROUNDS = 2
NO_ANSWER = "There is no answer yet."
NO_TIME = Failure("time", "The notebook as a whole took too long, and this was not reached.")
ONLY_SECRET = (
    "The answer is right on the inputs that `check` uses, and wrong on others of the same kind."
)


@dataclass(frozen=True)
class Limits:
    """Seconds that a cell, a question's calls together, and a whole notebook may take."""

    cell: float = 30.0
    question: float = 30.0
    submission: float = 300.0


@dataclass(frozen=True)
class Mark:
    """What one answer earned, and what its author is told. No points: a person decides."""

    question: str
    points: float | None
    out_of: int
    message: str
    misconception: str = ""
    where: str = ""
    example: tuple[tuple[str, str], ...] = ()  # on a public input: (what, value)
    note: str = ""


class Session:
    """A notebook at work, in a sandbox that is replaced when it dies."""

    def __init__(self, sandboxes: Sandboxes, limits: Limits) -> None:
        self.sandboxes = sandboxes
        self.limits = limits
        self.survived: list[str] = []  # the cells that make up the present state
        self.sandbox = sandboxes.take()
        self.deadline = time.monotonic() + limits.submission

    def run(self, source: str) -> Failure | None:
        """Run a cell; leave it out from now on if it kills the process."""
        if self.seconds_left() <= 0:
            return NO_TIME
        try:
            failure = self.sandbox.run(source, min(self.limits.cell, self.seconds_left()))
        except DeadError as dead:
            self.restart()
            return dead.failure
        self.survived.append(source)
        return failure

    def call(self, question: FunctionQuestion, cases: Sequence[Arguments]) -> list[Value | Failure]:
        """The outputs of a function on the cases. Behind one that kills the process, all fail."""
        if self.seconds_left() <= 0:
            return [NO_TIME] * len(cases)
        harness = None if question.call is call_directly else harness_of(question)
        deadline = time.monotonic() + min(self.limits.question, self.seconds_left())
        outputs: list[Value | Failure] = []
        for arguments in cases:
            seconds = max(0.0, deadline - time.monotonic())
            try:
                outputs.append(self.sandbox.call(question.function, harness, arguments, seconds))
            except DeadError as dead:
                self.restart()
                failure = dead.failure
                if failure.kind == "time":
                    failure = Failure("time", f"It took longer than {self.limits.question:g} s.")
                return outputs + [failure] * (len(cases) - len(outputs))
        return outputs

    def read(self, question: ChoiceQuestion) -> Value | Failure:
        """The choices made, as pairs."""
        if self.seconds_left() <= 0:
            return NO_TIME
        try:
            return self.sandbox.read(question.variable, min(self.limits.cell, self.seconds_left()))
        except DeadError as dead:
            self.restart()
            return dead.failure

    def restart(self) -> None:
        """Run what survived so far in a new sandbox, without what does not survive it again."""
        self.sandbox.close()
        self.sandbox = self.sandboxes.take()
        position = 0
        while position < len(self.survived) and self.seconds_left() > 0:
            try:
                seconds = min(self.limits.cell, self.seconds_left())
                self.sandbox.run(self.survived[position], seconds)
                position += 1
            except DeadError:
                del self.survived[position]
                position = 0
                self.sandbox.close()
                self.sandbox = self.sandboxes.take()

    def seconds_left(self) -> float:
        """Until the notebook as a whole has had its time."""
        return self.deadline - time.monotonic()


def mark(
    repaired: Repaired,
    assignment: Assignment,
    sandboxes: Sandboxes,
    limits: Limits,
    seed: bytes,
) -> list[Mark]:
    """Mark every question of a notebook, in the order of the assignment.

    `seed` decides the secret inputs. Raises `SandboxUnavailableError` when no sandbox starts.
    """
    answers = repaired.answers
    marks = {q.name: without_running(q, answers[q.name]) for q in assignment.questions}
    waiting = {
        CHECK.format(q.name): q
        for q in assignment.questions
        if answers[q.name].source and not isinstance(q, WrittenQuestion)
    }
    if not waiting:
        return list(marks.values())
    failures: dict[str, Failure] = {}  # of the cells that hold answers
    session = Session(sandboxes, limits)
    try:
        for step in repaired.steps:
            if not waiting:
                break
            name = step.cell.grade_id if step.given is not None else ""
            if question := waiting.pop(name, None):
                earned = judged(session, question, failures.get(question.name), seed)
                marks[question.name] = replace(earned, note=answers[question.name].note)
            elif step.cell.kind == "code" and UNMARKED not in step.cell.tags:
                failure = session.run(step.cell.source)
                if failure and name:
                    failures[name] = failure
    finally:
        session.sandbox.close()
    return list(marks.values())


def without_running(question: Question, answer: Answer) -> Mark:
    """What can be said of an answer before anything runs."""
    if answer.problem:
        message = f"A person will mark this. {answer.problem}"
        return Mark(question.name, None, question.points, message)
    if not answer.source:
        return Mark(question.name, 0, question.points, NO_ANSWER, note=answer.note)
    message = "A person marks this answer."
    return Mark(question.name, None, question.points, message, note=answer.note)


def judged(
    session: Session,
    question: FunctionQuestion | ChoiceQuestion,
    failure: Failure | None,
    seed: bytes,
) -> Mark:
    """Mark one answer where its check stands. `failure` is that of its cell, if it had one."""
    if isinstance(question, ChoiceQuestion):
        choices = session.read(question)
        if isinstance(choices, Failure):
            return Mark(question.name, 0, question.points, (failure or choices).message)
        verdict = judge_choice(question, as_dict(choices))
        where = "" if verdict.correct else question.where
        return Mark(question.name, verdict.points, question.points, verdict.message, where=where)
    public, secret = public_inputs(question), secret_inputs(question, seed)
    cases = [*public, *secret]
    order = torch.randperm(len(cases), generator=generator(question, seed)).tolist()
    shuffled = session.call(question, [cases[i] for i in order])
    outputs = [output for _, output in sorted(zip(order, shuffled, strict=True), key=first)]
    if failure and all(isinstance(o, Failure) and o.kind == "no answer" for o in outputs):
        outputs = [failure] * len(cases)
    verdict = judge(question, outputs, cases)
    return explained(question, verdict, public, outputs)


def explained(
    question: FunctionQuestion,
    verdict: Verdict,
    public: Sequence[Arguments],
    outputs: Sequence[Value | Failure],
) -> Mark:
    """A verdict as a mark, with the learner's own output on a public input where it was wrong."""
    mark = Mark(question.name, verdict.points, question.points, verdict.message)
    if verdict.correct:
        return mark
    if verdict.misconception:
        name, where = verdict.misconception.name, verdict.misconception.where
        mark = replace(mark, misconception=name, where=where)
    seen = judge(question, outputs[: len(public)], public)
    if seen.case is None:
        return replace(mark, message=f"{ONLY_SECRET} {mark.message}")
    got = outputs[seen.case]
    if isinstance(got, Failure):
        return mark
    wanted = plain(expected(question, [public[seen.case]])[0])
    if isinstance(wanted, tuple) and isinstance(got, tuple):
        wanted, got = head(wanted), head(got)
    return replace(
        mark,
        example=(
            ("on", described_inputs(question, public[seen.case])),
            ("wanted", described_value(wanted)),
            ("got", described_value(got)),
        ),
    )


def head(value: Value) -> Value:
    """The first of several values, which is the one that the learner's function returned."""
    return value[0] if isinstance(value, tuple) and value else value


def first(pair: tuple[int, Value | Failure]) -> int:
    return pair[0]


def as_dict(pairs: Value) -> dict[str, str]:
    """The choices that a sandbox reports, whatever it reports."""
    found: dict[str, str] = {}
    for pair in pairs if isinstance(pairs, tuple) else ():
        match pair:
            case (str(item), str(option)):
                found[item] = option
    return found


def secret_inputs(question: FunctionQuestion, seed: bytes) -> list[Arguments]:
    """Inputs of the same kind as the public ones, which the seed decides."""
    draws = generator(question, seed)
    return [case for _ in range(SECRET_ROUNDS) for case in question.inputs(draws)]


def generator(question: FunctionQuestion, seed: bytes) -> torch.Generator:
    """Random numbers for one question of one notebook."""
    digest = hmac.digest(seed, question.name.encode(), hashlib.sha256)
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def harness_of(question: FunctionQuestion) -> str:
    """The source of what calls the learner's function. Its annotations may name anything."""
    source = textwrap.dedent(inspect.getsource(question.call))
    return f"from __future__ import annotations\n{source}"
