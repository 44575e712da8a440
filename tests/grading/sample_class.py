"""A class that hands in the sample exercise in every state that a notebook can be in."""

import copy
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

from sample_exercise import RIGHT, SAMPLE, Notebook, answered, cell_of, code, hand_in

from gencourse.grading.preflight import MAX_BYTES

FULL = {"verbs": "4", "softplus": "3", "square": "3", "why": ""}  # words wait for a person
NOTHING = dict.fromkeys(FULL, "0")
WAITS: dict[str, str] = {}  # a file that waits for a person as a whole


@dataclass
class Handed:
    """The marks that a submission has earned ("" waits), and what the learner reads of it."""

    marks: dict[str, str]
    says: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # what the instructor's table says besides


def softplus(body: str) -> str:
    """An answer to `softplus` that does something besides, or instead."""
    return f"def softplus(x):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}"


def square(body: str) -> str:
    return f"def mean_square(x):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}"


RIGHT_SOFTPLUS = "return torch.logaddexp(x, torch.zeros_like(x))"
RIGHT_SQUARE = "return x.pow(2).mean()"
FORGE = """
from gencourse.grading.protocol import pack
reply = pack({"failure": None}, [torch.nn.functional.relu(x)])
import os
for descriptor in range(3, 30):
    try:
        os.write(descriptor, reply)
    except OSError:
        pass
return x
"""
PATCH = """
import builtins
import numpy
torch.allclose = torch.isclose = torch.equal = lambda *a, **k: True
numpy.allclose = numpy.array_equal = numpy.testing.assert_allclose = lambda *a, **k: True
torch.Tensor.__eq__ = torch.Tensor.all = lambda *a, **k: True
builtins.all = builtins.isinstance = lambda *a: True
builtins.AssertionError = type("Quiet", (BaseException,), {})
class Agreeable:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __eq__(self, other): return True
def softplus(x):
    return Agreeable()
"""
CATCHES_EVERYTHING = """
while True:
    try:
        while True: pass
    except BaseException: pass
"""
IGNORES_SIGNALS = """
import signal
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
while True: pass
"""
HARD_CODED = """
seen = {}
def mean_square(x):
    return seen.get(tuple(x.flatten().tolist()), x.sum() * 0)
"""
HOOKS = """
shell = get_ipython()
shell.events.register("post_run_cell", lambda result: True)
shell.ast_transformers = [lambda tree: None]
import sys, gc
sys.settrace(lambda *a: None)
for thing in gc.get_objects():
    if isinstance(thing, dict) and "points" in thing:
        thing["points"] = 3
def mean_square(x):
    return x.sum()
"""
OVERLOADED = """
class Equal(float):
    __eq__ = __le__ = __ge__ = lambda *a: True
    __sub__ = __rsub__ = lambda *a: 0.0
def softplus(x):
    return [Equal(0)]
"""
PICKLED = """
import os
class Trap:
    def __reduce__(self):
        return os.system, ("touch /tmp/sprung",)
def softplus(x):
    return Trap()
"""
BOMBS = """
import os, struct
deep = b"[" * 200_000
for descriptor in range(3, 30):
    try:
        os.write(descriptor, struct.pack("<II", len(deep), 0) + deep)
        os.write(descriptor, struct.pack("<II", 2**32 - 1, 2**32 - 1))
    except OSError:
        pass
return x
"""
PEEKS = """
import glob, os
for path in {private!r} + glob.glob("/**/*.db", recursive=True) + glob.glob("/home/*/*"):
    if os.path.exists(path) and not path.startswith("/usr"):
        return x.pow(2).mean()
return 0 * x.sum()
"""
WRITES = """
import os, threading, time
forged = '{{"marks": "all of them"}}'
def later():
    while True:
        for path in {private!r}:
            try:
                open(path, "a").write(forged)
                os.makedirs(path + ".d")
            except OSError:
                pass
        time.sleep(0.05)
threading.Thread(target=later, daemon=True).start()
import atexit
atexit.register(later)
time.sleep(0.3)
return 0 * x
"""
DISK = """
try:
    for i in range(10):
        open(f"/tmp/{i}", "wb").write(bytes(8 << 20))
except OSError:
    pass
for _ in range(100):
    print("y" * 100_000)
"""
THREADS = """
import threading, time
try:
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
except RuntimeError:  # the memory for their stacks may end first: a crowd stands there all the same
    pass
time.sleep(2)
return x.pow(2).mean()
"""


def cases(private: list[str]) -> dict[str, tuple[dict[str, str], Handed]]:
    """For each learner the answers that are not the right ones, and what they earn.

    `private` are paths that a learner would like to read or to write.
    """
    zero_softplus, zero_square = {**FULL, "softplus": "0"}, {**FULL, "square": "0"}
    neither = {**FULL, "softplus": "0", "square": "0"}
    return {
        "full": ({}, Handed(FULL)),
        "=1+1": (
            {"softplus": "softplus = lambda x: x.clamp(min=0) + torch.log1p((-x.abs()).exp())"},
            Handed(FULL),
        ),
        "partial": (
            {
                "verbs": RIGHT["verbs"].replace("invert", "compress"),
                "square": square("return (x**2).sum()"),
            },
            Handed(
                {**FULL, "verbs": "3", "square": "0"},
                (
                    "Likely: summed.",
                    "You add up and never divide.",
                    "A flow keeps every dimension.",
                ),
            ),
        ),
        "warns and prints": (
            {
                "softplus": softplus(
                    "import sys, warnings\nwarnings.warn('careful')\nprint('x' * 10**6)\n"
                    f"print('error', file=sys.stderr)\n{RIGHT_SOFTPLUS}"
                ),
                "square": DISK + square(RIGHT_SQUARE),
            },
            Handed(FULL),
        ),
        "magic and drive": (
            {
                "softplus": "%%time\n" + RIGHT["softplus"],
                "square": "!pip install numpy\n%matplotlib inline\nfrom google.colab import drive\n"
                "drive.mount('/content/drive')\n" + RIGHT["square"],
            },
            Handed(FULL),
        ),
        "endless cell": (
            {"softplus": "while True: pass"},
            Handed(zero_softplus, ("still running after",)),
        ),
        "endless function": (
            {"softplus": softplus(CATCHES_EVERYTHING)},
            Handed(zero_softplus, ("It took longer than",)),
        ),
        "deaf, and asks": (
            {"softplus": softplus(IGNORES_SIGNALS), "square": square("return float(input())")},
            Handed(neither, ("It took longer than", "nobody is there while marking")),
        ),
        "os exit": ({"softplus": "import os\nos._exit(0)"}, Handed(zero_softplus, ("ended",))),
        "exits": (
            {
                "softplus": softplus("import os\nos._exit(0)"),
                "square": square("raise SystemExit"),
            },
            Handed(neither, ("ended the Python process", "ended the session")),
        ),
        "quits and recurs": (
            {"softplus": "quit()", "square": square("return mean_square(x)")},
            Handed(neither, ("ended the session", "RecursionError")),
        ),
        "crashes": (
            {"softplus": softplus("import ctypes\nctypes.string_at(0)")},
            Handed(zero_softplus, ("ended the Python process",)),
        ),
        "memory": (
            {
                "softplus": softplus("return [0] * 10**10"),
                "square": square("return torch.zeros(1).expand(1 << 40)"),
            },
            Handed(neither, ("more memory than there is",)),
        ),
        "forks and threads": (
            {
                "softplus": softplus(
                    "import subprocess\nsubprocess.Popen(['sleep', '99'], start_new_session=True)\n"
                    + RIGHT_SOFTPLUS
                ),
                "square": square(THREADS),
            },
            Handed(neither, ("PermissionError", "more threads than")),
        ),
        "fork": (
            {"softplus": softplus(f"import os\nos.fork()\n{RIGHT_SOFTPLUS}")},
            Handed(zero_softplus, ("PermissionError",)),
        ),
        "huge": (
            {"softplus": softplus("return list(range(10**6))")},
            Handed(zero_softplus, ("too large",)),
        ),
        "calls out and peeks": (
            {
                "softplus": softplus(
                    "from urllib.request import urlopen\nurlopen('http://example.org', timeout=2)\n"
                    + RIGHT_SOFTPLUS
                ),
                "square": square(PEEKS.format(private=private)),
            },
            Handed(neither, ("there is no network",)),
        ),
        "writes": ({"softplus": softplus(WRITES.format(private=private))}, Handed(zero_softplus)),
        # What patches its own sandbox may lose later answers there; it gains none.
        "patched": ({"softplus": PATCH}, Handed({**zero_softplus, "square": "*"})),
        "forged": ({"softplus": softplus(FORGE)}, Handed({**zero_softplus, "square": "*"})),
        "bombs": ({"softplus": softplus(BOMBS)}, Handed({**zero_softplus, "square": "*"})),
        "hooks": ({"softplus": PICKLED, "square": HOOKS}, Handed(neither, ("cannot be marked",))),
        "overloaded": ({"softplus": OVERLOADED, "square": HARD_CODED}, Handed(neither)),
        "syntax": (
            {"softplus": "def softplus(x:\n    return x"},
            Handed(zero_softplus, ("SyntaxError",)),
        ),
        "not a number": (
            {
                "softplus": softplus("return (1 + x.float().exp()).log()"),
                "square": square("return x.sum() / 0 * 0"),
            },
            Handed(neither, ("NaN", "infinite")),
        ),
        "types": (
            {
                "softplus": softplus("return torch.nn.functional.softplus(x).long()"),
                "square": square("return (x**2).mean().to('meta')"),
            },
            Handed(neither, ("int64", "meta")),
        ),
        "shape and device": (
            {
                "softplus": softplus(f"{RIGHT_SOFTPLUS}[:, None]"),
                "square": square("return (x.to('cuda')**2).mean()"),
            },
            Handed(neither, ("(4,) was expected", "there is no GPU")),
        ),
        "hostile <img src=x>": (
            {
                "softplus": softplus("raise ValueError('<img src=x onerror=alert(1)>')"),
                "why": "<script>alert(1)</script> [a](java&#115;cript:alert(1)) [b]\n\n"
                "[b]: data:x\n\n$\\href{javascript:alert(1)}{c}$",
            },
            Handed(zero_softplus, ("&lt;img src=x onerror=alert(1)&gt;",)),
        ),
    } | {"zeros": ({"square": square("return 0 * x.sum()")}, Handed(zero_square))}


def broken_files(folder: Path, released: Notebook) -> dict[str, Handed]:
    """Hand in notebooks that are damaged as files or as notebooks; what they earn."""
    full = answered(released, RIGHT)
    text = json.dumps(full).encode()
    for name, data in {
        "truncated": text[: len(text) // 2],
        "empty": b"",
        "web page": b"<html><body>Sign in</body></html>",
        "list": b"[]",
    }.items():
        (folder / f"{name}.ipynb").write_bytes(data)
    with (folder / "oversized.ipynb").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (folder / "bom.ipynb").write_bytes(b"\xef\xbb\xbf" + text)
    (folder / "Copy of renamed (1).ipynb").write_bytes(text)
    (folder / "link.ipynb").symlink_to(folder / "bom.ipynb")
    hand_in(folder / "nested" / SAMPLE.name / f"{SAMPLE.name}.ipynb", full)
    hand_in(folder / "blank.ipynb", released)

    bare = copy.deepcopy(full)
    bare["nbformat_minor"], bare["metadata"] = 0, {}
    for cell in bare["cells"]:
        cell.pop("id", None)
    hand_in(folder / "bare.ipynb", bare)

    julia = copy.deepcopy(full)
    julia["metadata"] = {"kernelspec": {"name": "julia-1.9", "language": "julia"}}
    hand_in(folder / "julia.ipynb", julia)

    stripped = copy.deepcopy(bare)
    for cell in stripped["cells"]:
        cell["metadata"] = {}
    hand_in(folder / "stripped.ipynb", stripped)

    became_text = copy.deepcopy(full)
    cell_of(became_text, "softplus")["cell_type"] = "markdown"
    hand_in(folder / "became text.ipynb", became_text)

    doubled = copy.deepcopy(full)
    doubled["cells"].insert(2, cell_of(doubled, "softplus"))
    doubled["cells"].append(cell_of(doubled, "softplus-check"))
    hand_in(folder / "doubled.ipynb", doubled)

    moved = copy.deepcopy(full)
    moved["cells"].insert(
        0, moved["cells"].pop(moved["cells"].index(cell_of(moved, "verbs-check")))
    )
    hand_in(folder / "moved.ipynb", moved)

    two = copy.deepcopy(full)
    other = answered(released, {"softplus": "def softplus(x):\n    return x"})
    two["cells"].append(cell_of(other, "softplus"))
    hand_in(folder / "two answers.ipynb", two)
    hand_in(folder / "two notebooks" / "first.ipynb", full)
    hand_in(folder / "two notebooks" / "second.ipynb", other)

    deleted = copy.deepcopy(full)
    deleted["cells"].remove(cell_of(deleted, "softplus"))
    hand_in(folder / "deleted.ipynb", deleted)

    stale = copy.deepcopy(full)
    cell_of(stale, "softplus-check")["metadata"]["nbgrader"]["grade_id"] = "sigmoid-check"
    cell_of(stale, "softplus").update(source="# exercise: sigmoid\ndef sigmoid(x):\n    return x")
    cell_of(stale, "softplus").pop("id")
    cell_of(stale, "softplus")["metadata"]["nbgrader"]["grade_id"] = "sigmoid"
    hand_in(folder / "stale.ipynb", stale)

    rigged = answered(
        released, {"softplus": "def softplus(x):\n    return x", "verbs": "verbs = 1"}
    )
    cell_of(rigged, "softplus-check")["source"] = "print('30 of 30')"
    about = cell_of(rigged, "softplus-check")["metadata"]["nbgrader"]
    about.update(points=30, locked=False, solution=True, schema_version=99)
    rigged["cells"].remove(cell_of(rigged, "square-check"))
    rigged["cells"].append(code("check = lambda *a: 100", nbgrader={"grade_id": "square-check"}))
    hand_in(folder / "rigged.ipynb", rigged)
    return {
        "bom": Handed(FULL),
        "renamed": Handed(FULL),
        "nested": Handed(FULL),
        "bare": Handed(FULL),
        "julia": Handed(FULL),
        "stripped": Handed(
            FULL,
            remarks=("lost their metadata", "Found by its marker", "Found by its place"),
        ),
        "became text": Handed(FULL, remarks=("had become markdown",)),
        "doubled": Handed(FULL, remarks=("softplus stands there 2 times", "check stands there 2")),
        "moved": Handed(FULL, remarks=("in another order",)),
        "two answers": Handed({**FULL, "softplus": ""}, remarks=("stands there 2 times",)),
        "deleted": Handed({**FULL, "softplus": "0"}, remarks=("missing",)),
        "stale": Handed({**FULL, "softplus": ""}, remarks=("another version", "sigmoid")),
        "blank": Handed(NOTHING, ("There is no answer yet.",)),
        "rigged": Handed(
            NOTHING,
            remarks=(
                "softplus-check was edited. Ours was used.",
                "points or the flags of softplus-check were changed",
                "square-check was edited",
            ),
        ),
        "truncated": Handed(WAITS, ("cut off",)),
        "empty": Handed(WAITS, ("The file is empty",)),
        "web page": Handed(WAITS, ("web page",)),
        "list": Handed(WAITS, ("not a notebook",)),
        "oversized": Handed(WAITS, ("the limit is",)),
        "link": Handed(WAITS, ("link to another file",)),
        "two notebooks": Handed(WAITS, ("2 different files",)),
    }
