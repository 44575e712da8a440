"""Run every generated notebook as Colab would: the wheel installed, the checkout out of reach.

    python -m tools.colab_check            in a fresh environment with Colab's versions
    python -m tools.colab_check 02-vae     only the notebooks of that name
    python -m tools.colab_check --here     in this Python's environment: Colab's own image

The versions stand in colab-pins.txt. The wheel is built from a copy of the package and installed;
the notebooks are copied to a folder of their own and run there. Only an error fails the check:
outputs are nbval's business.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

__all__ = ["build_wheel", "main"]

ROOT = Path(__file__).parent.parent
PINS = ROOT / "tools" / "colab-pins.txt"
LOCK = ROOT / "requirements.lock"
FOLDERS = ("notebooks", "exercises", "solutions")
TIMEOUT = 300  # seconds for one cell

# Runs inside the environment that is being checked, with the versions of nbclient found there.
RUNNER = f"""
import sys, nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
here = nbformat.v4.new_code_cell("import gencourse; print(gencourse.__file__)")
notebook.cells.append(here)
NotebookClient(notebook, timeout={TIMEOUT}, kernel_name="python3").execute()
print(notebook.cells[-1].outputs[0].text.strip())
"""


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel into `folder`, away from the checkout, and return its path."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / "gencourse", copy / "gencourse", ignore=ignored)
        for file in (*ROOT.glob("LICENSE*"), ROOT / "README.md", ROOT / "pyproject.toml"):
            if file.is_file():
                shutil.copy(file, copy)
        wheel = [
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(folder),
        ]
        _run([sys.executable, "-m", "pip", *wheel, str(copy)])
    return next(folder.glob("gencourse-*.whl"))


def main(arguments: list[str] | None = None) -> int:
    """Build, install, run; return the number of notebooks that failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.colab_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NN-name", help="all, when none is named")
    parser.add_argument("--here", action="store_true", help="install into this environment")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="colab-check-") as place:
        folder = Path(place)
        notebooks = _copies(folder, args.names)
        wheel = build_wheel(folder)
        print(f"built {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
        python = sys.executable if args.here else _environment(folder / "environment")
        print("installing", "here" if args.here else f"beside {PINS.name}", flush=True)
        versions = [] if args.here else ["--requirement", str(PINS), _torch()]
        _run([python, "-m", "pip", "install", "--quiet", *versions, str(wheel)])
        failed = [path for path in notebooks if not _passes(python, path, folder)]
    print(f"{len(notebooks) - len(failed)} passed, {len(failed)} failed")
    return len(failed)


def _copies(folder: Path, names: list[str]) -> list[Path]:
    copies = []
    for kind in FOLDERS:
        for notebook in sorted((ROOT / kind).glob("*.ipynb")):
            if not names or notebook.stem in names:
                (folder / kind).mkdir(exist_ok=True)
                copies.append(Path(shutil.copy(notebook, folder / kind)))
    if not copies:
        raise SystemExit("there is no such notebook; run `make notebooks` first")
    return copies


def _environment(place: Path) -> str:
    venv.create(place, with_pip=True)
    return str(place / ("Scripts" if os.name == "nt" else "bin") / "python")


def _torch() -> str:
    """The torch of requirements.lock: Colab's own is built for its GPUs."""
    found = re.search(r"^torch==\S+", LOCK.read_text(encoding="utf8"), re.MULTILINE)
    assert found, "requirements.lock names no torch"
    return found[0]


def _passes(python: str, path: Path, folder: Path) -> bool:
    """Run one notebook, and see that the package it used was the installed one."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "JUPYTER_PATH", "MPLBACKEND")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment |= {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONNOUSERSITE": "1",
    }
    start = time.monotonic()
    done = subprocess.run(
        [python, "-c", RUNNER, str(path)],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    outside = str(ROOT) in done.stdout
    passed = done.returncode == 0 and not outside
    took = f"{time.monotonic() - start:6.1f} s"
    print(f"{'ok    ' if passed else 'FAILED'} {took}  {path.relative_to(folder)}", flush=True)
    if outside:
        print(f"  it imported the checkout: {done.stdout.strip()}")
    elif not passed:
        print("\n".join(done.stderr.strip().splitlines()[-40:]))
    return passed


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:4])} failed:\n{done.stderr.strip()[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
