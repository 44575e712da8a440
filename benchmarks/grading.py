"""A class of sixty from release to export, beside nbgrader's own autograde on the same notebooks.

    python -m benchmarks.grading                   the whole class: writes results/grading.json
    python -m benchmarks.grading --learners 12     a part of it: prints, writes nothing

The class hands in the exercise of chapter 2: right answers, saved by Jupyter or by Colab; every
kind of wrong answer to its question `kl` that can be written in a line; notebooks that are damaged;
and notebooks that attack. What each has earned is known beforehand. The two graders take turns, a
half of the class each, with the same time-outs. nbgrader runs learners' code with the rights of
whoever calls it, so here it is itself locked up: no network, nothing writable but its own course.
"""

import argparse
import copy
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.kernels.side_by_side import machine, versions
from gencourse.grading.marking import secret_inputs
from gencourse.grading.protocol import plain
from gencourse.grading.question import FunctionQuestion, copied, judge
from gencourse.grading.questions import MODULES, assignment
from gencourse.grading.results import load, safe_name
from gencourse.grading.strip import MARKER

NAME = "02-vae"
RESULT = Path(__file__).parent / "results" / "grading.json"
SECONDS = 10
HEAD = "# exercise: kl\ndef kl_to_standard_normal(mean, log_var):\n"
RIGHT = "0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)"
WRONG = {  # expressions, and the misconception that is to be named
    RIGHT.replace(".sum(-1)", ".mean(-1)"): "averaged over the latent dimensions",
    RIGHT.replace(".sum(-1)", ".sum()"): "one number for the whole batch: summed",
    RIGHT.replace(".sum(-1)", ".sum(-1).mean()"): "one number for the whole batch: averaged",
    RIGHT.replace(".sum(-1)", ""): "not summed at all",
    RIGHT.replace(".sum(-1)", ".sum(0)"): "summed over the images instead of the latents",
    f"-{RIGHT}": "the sign",
    RIGHT.replace(" - 1", ""): "the constant is missing",
    RIGHT.replace(" - log_var", ""): "the logarithm is missing",
    RIGHT.replace("- log_var", "+ log_var"): "the sign of the logarithm",
    RIGHT.replace("mean**2", "mean"): "the mean is not squared",
    "0.5 * ((1 + mean**2) * (-log_var).exp() - 1 + log_var).sum(-1)": (
        "the two distributions exchanged"
    ),
}
HOSTILE = {
    "loops": "while True: pass",
    "catches": "while True:\n        try:\n            while True: pass\n        except: pass",
    "exits": "import os; os._exit(0)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "allocates": "return [0] * 10**9",
    "forks": "import os\n    if os.fork() == 0: os._exit(0)\n    return mean",
    "crowds": "import threading, time\n"
    "    for _ in range(500): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
    "    time.sleep(1)",
    "calls": "import urllib.request; urllib.request.urlopen('http://example.org', timeout=2)",
    "peeks": "import glob; return float(open(glob.glob('/**/gradebook.db', recursive=True)[0]))",
    "patches": "torch.allclose = torch.isclose = lambda *a, **k: True\n    return mean",
    "forges": "import os\n    for i in range(3, 20):\n        try: os.write(i, b'marks' * 99)\n"
    "        except OSError: pass\n    return mean",
    "quits": "raise SystemExit",
}


@dataclass
class Learner:
    """What one hands in, what it has earned for `kl`, and what is to be said of it."""

    name: str
    file: str
    data: bytes
    kl: str = "15"  # points; "" when the notebook waits for a person
    named: str = ""
    others: bool = True  # whether the other questions are answered
    damaged: bool = False


def the_class(released: Any, answers: dict[str, str]) -> Iterator[Learner]:
    """Sixty learners."""
    full = filled(released, answers)

    def learner(
        name: str, notebook: Any, kl: str = "15", *, file: str = "", **more: Any
    ) -> Learner:
        return Learner(name, file or f"{name}.ipynb", json.dumps(notebook).encode(), kl, **more)

    for i in range(14):
        yield learner(f"right {i}", with_remark(full, f"# version {i}"))
    for i in range(9):
        colab = with_remark(full, f"# from Colab {i}")
        colab["metadata"]["colab"] = {"provenance": [], "name": f"{NAME}.ipynb"}
        for cell in colab["cells"]:
            cell["metadata"]["id"] = cell.pop("id", "x")
        yield learner(f"colab {i}", colab, file=f"Copy of colab {i} ({i + 1}).ipynb")
    for i, (expression, name) in enumerate(WRONG.items()):
        notebook = filled(full, {"kl": f"{HEAD}    return {expression}"})
        yield learner(f"wrong {i}", notebook, "0", named=name)
    for name, body in HOSTILE.items():
        notebook = filled(full, {"kl": f"{HEAD}    {body}"})
        yield learner(f"hostile {name}", notebook, "0")
    for i in range(3):
        yield learner(f"blank {i}", released, "0", others=False)
    stripped = copy.deepcopy(full)
    for cell in stripped["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    yield learner("stripped", stripped)
    doubled = copy.deepcopy(full)
    doubled["cells"].append(cell_of(doubled, "kl"))
    yield learner("doubled", doubled)
    edited = copy.deepcopy(full)
    cell_of(edited, "kl-check")["source"] = "print('all right')"
    yield learner("edited check", edited)
    two = filled(full, {})
    two["cells"].append(cell_of(filled(full, {"kl": f"{HEAD}    return mean"}), "kl"))
    yield learner("two answers", two, "")
    deleted = copy.deepcopy(full)
    deleted["cells"].remove(cell_of(deleted, "kl"))
    yield learner("deleted", deleted, "0")
    text = json.dumps(full).encode()
    yield Learner("bom", "bom.ipynb", b"\xef\xbb\xbf" + text)
    for name, data in {
        "truncated": text[: len(text) // 2],
        "empty": b"",
        "web page": b"<html>Sign in</html>",
        "a list": b"[]",
        "noise": bytes(range(256)),
    }.items():
        yield Learner(name, f"{name}.ipynb", data, "", damaged=True)


def cell_of(notebook: Any, grade_id: str) -> Any:
    """The cell with a grade_id."""
    return next(
        c
        for c in notebook["cells"]
        if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )


def filled(notebook: Any, answers: dict[str, str]) -> Any:
    """A copy of a notebook with answers in it."""
    notebook = copy.deepcopy(notebook)
    for name, source in answers.items():
        cell_of(notebook, name)["source"] = source
    return notebook


def with_remark(notebook: Any, remark: str) -> Any:
    """The same notebook in a learner's own hand."""
    kl = cell_of(notebook, "kl")["source"]
    return filled(notebook, {"kl": f"{kl}\n{remark}"})


def solution_of(source: str) -> str:
    """A cell of the solutions as a learner would have written it."""
    lines, region = [], ""
    for line in source.split("\n"):
        if marker := MARKER.match(line):
            region = marker[2] if marker[1] == "BEGIN" else ""
        elif region != "STUB":
            lines.append(line)
    return "\n".join(lines)


def read(path: Path) -> Any:
    """A notebook, with the source of each cell as one string."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def command(*arguments: str, cwd: Path, inside: tuple[str, ...] = ()) -> float:
    """Run a command to its end; return the seconds it took."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    begun = time.monotonic()
    done = subprocess.run(
        [*inside, sys.executable, "-m", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode and not inside:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return time.monotonic() - begun


def locked_up(course: Path) -> tuple[str, ...]:
    """What nbgrader runs in: it may read this machine, and write its course and nothing else."""
    return (
        *("bwrap", "--unshare-pid", "--unshare-net", "--die-with-parent", "--ro-bind", "/", "/"),
        *("--dev", "/dev", "--proc", "/proc", "--size", str(1 << 30), "--tmpfs", "/tmp"),
        *("--bind", str(course), str(course), "--setenv", "HOME", "/tmp"),
        *("bash", "-c", 'ulimit -v 8000000; exec "$@"', "bash"),
    )


def mutants() -> dict[str, int]:
    """How many of the known wrong answers of all exercises are refused and named, in marking."""
    count = {"known": 0, "refused": 0, "named": 0}
    for name in MODULES:
        for question in assignment(name).questions:
            if not isinstance(question, FunctionQuestion):
                continue
            inputs = secret_inputs(question, b"benchmark")
            for wrong in question.misconceptions:
                got = [plain(question.call(wrong.function, *copied(case))) for case in inputs]
                verdict = judge(question, got, inputs)
                count["known"] += 1
                count["refused"] += not verdict.correct
                count["named"] += verdict.misconception is wrong
    return count


def verify(course: Path, class_: list[Learner], questions: list[str]) -> dict[str, list[str]]:
    """The learners whose marks are wrong, whose answers were lost, whose mistake was not named."""
    with (course / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    found: dict[str, list[str]] = {"marks_wrong": [], "answers_lost": [], "not_named": []}
    full = {q: str(p) for q, p in points_of(questions).items()}
    for learner in class_:
        row = rows.get(learner.name)
        if row is None:
            found["answers_lost"].append(f"{learner.name}: no row")
            continue
        if learner.damaged:
            if row["points"] or not row["waits for a person"]:
                found["marks_wrong"].append(learner.name)
            continue
        others = full if learner.others else dict.fromkeys(full, "0")
        wanted = {**others, "kl": learner.kl}
        # What patches or forges may spoil later answers in its own sandbox.
        free = {"kl"} if learner.name in ("hostile patches", "hostile forges") else set(wanted)
        if wrong := {q: row[q] for q in free if row[q] != wanted[q]}:
            found["marks_wrong"].append(f"{learner.name}: {wrong}")
        result = load(course / "results" / NAME, learner.name)
        if result is None or result.problem:
            found["answers_lost"].append(learner.name)
            continue
        for mark in result.marks:
            written = learner.others and not (learner.name == "deleted" and mark.question == "kl")
            if written and mark.message == "There is no answer yet.":
                found["answers_lost"].append(f"{learner.name}: {mark.question}")
            if mark.question == "kl" and learner.named and mark.misconception != learner.named:
                found["not_named"].append(f"{learner.name}: {mark.misconception}")
    return found


def points_of(questions: list[str]) -> dict[str, int]:
    """What each question that a machine marks is worth."""
    return {q.name: q.points for q in assignment(NAME).questions if q.name in questions}


def main() -> None:
    """Run the class through both graders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--without-nbgrader", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gencourse-class-") as folder:
        result = measure(Path(folder), args)
    print(json.dumps(result, indent=1))
    if args.learners == 60 and not args.without_nbgrader:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


def measure(root: Path, args: argparse.Namespace) -> dict[str, Any]:
    """One run, from release to export."""
    course, peer, scratch = root / "course", root / "peer", root / "tmp"
    scratch.mkdir()
    os.environ["TMPDIR"] = str(scratch)  # so that what is left behind can be seen
    before = {process.pid for process in psutil.process_iter()}
    command("gencourse.cli", "release", NAME, "--course", str(course), cwd=root)
    command("gencourse.cli", "release", NAME, "--course", str(peer), cwd=root)
    (peer / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(peer)!r}\n"
        f"c.ExecutePreprocessor.timeout = {SECONDS}\n"
    )
    solutions = read(course / "source" / NAME / f"{NAME}.ipynb")
    answers = {
        question.name: solution_of(cell_of(solutions, question.name)["source"])
        for question in assignment(NAME).questions
    }
    released = read(course / "release" / NAME / f"{NAME}.ipynb")
    everybody = list(the_class(released, answers))
    assert len(everybody) == 60
    step = 60 / args.learners
    class_ = [everybody[int(i * step)] for i in range(args.learners)]
    export, seconds = root / "export", {"gencourse": 0.0, "nbgrader": 0.0}
    limits = [f"--seconds-per-{what}={SECONDS}" for what in ("cell", "question")]
    load_before = os.getloadavg()[0]
    for block in range(args.blocks):
        for learner in class_[block :: args.blocks]:
            for target in (
                export / learner.file,
                peer / "submitted" / safe_name(learner.name) / NAME / f"{NAME}.ipynb",
            ):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(learner.data)
        at = ("--course", str(course))
        seconds["gencourse"] += command("gencourse.cli", "collect", str(export), *at, cwd=root)
        seconds["gencourse"] += command(
            "gencourse.cli", "grade", *at, "--jobs", str(args.jobs), *limits, cwd=root
        )
        if not args.without_nbgrader:
            seconds["nbgrader"] += command(
                "nbgrader", "autograde", NAME, cwd=peer, inside=locked_up(peer)
            )
    for name in ("report", "feedback", "export"):
        seconds["gencourse"] += command("gencourse.cli", name, "--course", str(course), cwd=root)
    questions = [
        question.name for question in assignment(NAME).questions if question.name != "sign-off"
    ]
    ours = {
        process.pid
        for process in psutil.process_iter()
        if process.pid not in before and str(root) in " ".join(process.cmdline())
    }
    return {
        "machine": machine(torch.device("cpu")),
        "versions": versions() | {"nbgrader": version("nbgrader")},
        "jobs": args.jobs,
        "load_before": round(load_before, 1),
        "learners": len(class_),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "times_faster": round(seconds["nbgrader"] / seconds["gencourse"], 2),
        "marked_by_nbgrader": len(list((peer / "autograded").glob("*/*/*.ipynb"))),
        **verify(course, class_, questions),
        "mutants": mutants(),
        "processes_left": len(ours),
        "files_left": [
            str(path.relative_to(root)) for path in (*scratch.rglob("*"), *course.rglob(".aside-*"))
        ],
    }


if __name__ == "__main__":
    main()
