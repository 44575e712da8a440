"""Every kernel compiles for five GPUs, spills nothing, and costs what its snapshot says.

Compiled by `ahead_of_time.py` in a process of its own. Registers and loads depend on the
compiler's version, so they are compared where Triton is the version that made the snapshot, as in
CI; under any other version the kernels must still compile and spill nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gencourse.kernels.dispatch import HAS_TRITON

pytestmark = pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")

PROGRAM = Path(__file__).parent / "ahead_of_time.py"
SNAPSHOTS = {
    file.stem: json.loads(file.read_text())
    for file in sorted((PROGRAM.parent / "snapshots").glob("*.json"))
}
TARGETS = ["sm_75", "sm_80", "sm_86", "sm_90", "gfx942"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # An empty cache, so that what is reported was compiled now.
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    environment.pop("TRITON_INTERPRET", None)
    result = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    reports: dict[str, Any] = json.loads(result.stdout)
    return reports


def test_every_kernel_has_a_snapshot(reports: dict[str, Any]) -> None:
    assert reports.keys() == SNAPSHOTS.keys()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kernel", SNAPSHOTS)
def test_nothing_spills(reports: dict[str, Any], kernel: str, target: str) -> None:
    spills = {
        case: usage[target]["spills"]
        for case, usage in reports[kernel]["cases"].items()
        if target in usage
    }
    assert not any(spills.values()), "bytes spilled to memory; make the tile smaller"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kernel", SNAPSHOTS)
def test_cost_is_that_of_the_snapshot(reports: dict[str, Any], kernel: str, target: str) -> None:
    snapshot, report = SNAPSHOTS[kernel], reports[kernel]
    if report["triton"] != snapshot["triton"]:
        # Two compilers allocate registers differently: nothing to compare, except where CI runs.
        in_ci = os.environ.get("CI") == "true"
        assert not in_ci, f"the snapshot was made by Triton {snapshot['triton']}"
        return
    costs = {case: usage[target] for case, usage in report["cases"].items()}
    expected = {case: usage[target] for case, usage in snapshot["cases"].items()}
    assert costs == expected, (
        "if the change is meant, accept it: python tests/kernels/ahead_of_time.py --update"
    )
