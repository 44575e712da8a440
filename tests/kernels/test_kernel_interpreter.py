"""Runs `interpreted/` under Triton's interpreter, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gencourse.kernels.dispatch import HAS_TRITON

INTERPRETED = sorted((Path(__file__).parent / "interpreted").glob("test_*.py"))


@pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")
@pytest.mark.parametrize("file", INTERPRETED, ids=lambda file: file.stem)
def test_the_kernels_interpreted_on_a_cpu(file: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " skipped" not in result.stdout
