"""The questions of every exercise, one module for each chapter.

A question's name is unique in the whole course, so that `check("kl", ...)` needs no chapter.
"""

from functools import cache
from importlib import import_module

from gencourse.grading.question import Assignment, Question

__all__ = ["MODULES", "PAGES", "assignment", "find"]

# The chapters that a question may send its reader to, by number: the names of their pages.
PAGES = {1: "01-map", 2: "02-vae", 3: "03-gan", 4: "04-flow", 5: "05-autoregressive"}

# The exercise's name, which is also the chapter's, and the module with its questions.
MODULES = {
    "01-map": "gencourse.grading.questions.taxonomy",
    "02-vae": "gencourse.grading.questions.vae",
    "03-gan": "gencourse.grading.questions.gan",
    "04-flow": "gencourse.grading.questions.flow",
    "05-autoregressive": "gencourse.grading.questions.autoregressive",
}


@cache
def assignment(name: str) -> Assignment:
    """The questions of one exercise. Raises `KeyError` for an exercise that the course lacks."""
    if name not in MODULES:
        raise KeyError(f"There is no exercise {name!r}; the exercises are {', '.join(MODULES)}.")
    found: Assignment = import_module(MODULES[name]).ASSIGNMENT
    return found


def find(name: str) -> tuple[Assignment, Question]:
    """The question of this name, and the assignment it stands in.

    Raises `KeyError` with the names there are.
    """
    questions = {q.name: (a, q) for a in map(assignment, MODULES) for q in a.questions}
    if name not in questions:
        raise KeyError(f"There is no question {name!r}; the questions are {', '.join(questions)}.")
    return questions[name]
