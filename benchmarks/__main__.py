"""Run every benchmark, one after another: `python -m benchmarks`, or `make bench`.

A benchmark is a module of this folder, or of `benchmarks.kernels`, that runs as a program; a new
one is found by itself. One that fails does not stop those after it.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def programs() -> list[str]:
    """The names of the modules that run as programs."""
    files = sorted(FOLDER.rglob("*.py"))
    found = [file for file in files if '__name__ == "__main__"' in file.read_text()]
    public = (file for file in found if not file.name.startswith("_"))
    names = (file.relative_to(FOLDER.parent).with_suffix("") for file in public)
    return [".".join(name.parts) for name in names]


def main() -> int:
    """Run them all and return how many failed."""
    failed = []
    for name in programs():
        print(f"\n=== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", name], cwd=FOLDER.parent).returncode:
            failed.append(name)
    print(f"\n{len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
