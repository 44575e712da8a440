"""Marking: `check` answers a learner at once, `gencourse grade` marks what a class has handed in.

`question` says what a question is and judges an answer to it. The questions themselves, with their
solutions and the wrong answers that are known, are in `questions`, one module for each chapter.
"""

from gencourse.grading.check import Feedback, check, runs

__all__ = ["Feedback", "check", "runs"]
