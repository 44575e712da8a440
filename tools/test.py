"""Every check of the project, in order, with the time each took.

    make test                       all stages
    python -m tools.test types nb   only the stages so named

A failing stage does not stop the ones after it, so that one run shows everything that is wrong.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
WORKERS = str(min(4, os.cpu_count() or 1))

# name: (what it proves, command)
STAGES: dict[str, tuple[str, list[str]]] = {
    "format": ("the code is formatted", [PYTHON, "-m", "ruff", "format", "--check", "."]),
    "lint": ("ruff finds nothing", [PYTHON, "-m", "ruff", "check", "."]),
    "types": ("mypy --strict over gencourse", [PYTHON, "-m", "mypy"]),
    "generated": (
        "regenerating the notebooks changes nothing",
        [PYTHON, "-m", "tools.notebooks", "--check"],
    ),
    "bundles": (
        "regenerating the live figures changes nothing",
        [PYTHON, "-m", "tools.widgets", "--check"],
    ),
    "book": (
        "the book builds, warnings are errors",
        ["jupyter-book", "build", ".", "-W", "-n", "--keep-going", "-q"],
    ),
    "tests": (
        "unit, book, browser and grading tests",
        [PYTHON, "-m", "pytest", "-q", "-n", WORKERS, "--dist", "loadfile"],
    ),
    "nb": (
        "nbval: every notebook runs and prints what is stored",
        [
            *[PYTHON, "-m", "pytest", "-q", "-n", WORKERS, "--dist", "loadfile", "--nbval"],
            *["--nbval-sanitize-with", "tests/nbval-sanitize.cfg", "--nbval-cell-timeout", "120"],
            *["notebooks", "solutions", "exercises"],
        ],
    ),
}


def main(names: list[str]) -> int:
    """Run the stages named (all when none is) and return the number that failed."""
    unknown = set(names) - set(STAGES)
    if unknown:
        raise SystemExit(
            f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}"
        )
    environment = os.environ | {
        "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",  # tests run side by side, one thread each
        "GENCOURSE_BOOK_BUILT": str(ROOT / "_build" / "html"),
    }
    subprocess.run([PYTHON, "-m", "tools.system"], cwd=ROOT)
    took: dict[str, float] = {}
    failed = []
    for name in names or STAGES:
        promise, command = STAGES[name]
        print(f"\n=== {name}: {promise}", flush=True)
        start = time.monotonic()
        if subprocess.run(command, cwd=ROOT, env=environment).returncode:
            failed.append(name)
        took[name] = time.monotonic() - start
    print("\nWhat took longest:")
    for name, seconds in sorted(took.items(), key=lambda item: -item[1]):
        print(f"  {seconds:7.1f} s  {name}{'   FAILED' if name in failed else ''}")
    print(f"  {sum(took.values()):7.1f} s  in all")
    print(f"\n{len(took) - len(failed)} passed, {len(failed)} failed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
