"""Marking needs bubblewrap: a machine without it fails in CI, and elsewhere skips by name."""

import os
import shutil
from collections.abc import Iterator

import pytest
from sample_exercise import SAMPLE

from gencourse.grading import questions


@pytest.fixture(scope="session")
def sandboxed() -> None:
    if shutil.which("bwrap") is None:
        message = "bubblewrap is not installed, so nothing can be marked (apt install bubblewrap)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="module")
def sample_is_listed() -> Iterator[None]:
    """The sample exercise among those that the commands know."""
    questions.MODULES[SAMPLE.name] = "sample_exercise"
    yield
    del questions.MODULES[SAMPLE.name]
