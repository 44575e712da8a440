"""Marking needs bubblewrap: a machine without it fails in CI, and elsewhere skips by name."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def sandboxed() -> None:
    if shutil.which("bwrap") is None:
        message = "bubblewrap is not installed, so nothing can be marked (apt install bubblewrap)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
