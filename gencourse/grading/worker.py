"""The program inside the sandbox: runs cells, calls functions as it is told, knows no answer.

Everything here shares a process with the learner's code, which may patch it, read it or answer in
its place. That is safe because there is nothing here to read, and because an answer that was forged
is still only an answer: it is compared outside, with values that never come in.

    python -m gencourse.grading.worker BYTES_OF_MEMORY MODULE...

The modules are imported before the first request is read. Requests arrive on standard input and
replies leave on standard output, one for each, in the form of `protocol`:

    {"do": "run", "source": "..."}                      run a cell
    {"do": "call", "function": "kl", "harness": "..."}  call a function with the values that follow
    {"do": "read", "variable": "..."}                   read a dict, as a tuple of pairs

A reply is {"failure": None} with its value, or {"failure": [kind, message]}.
"""

import builtins
import importlib
import itertools
import linecache
import os
import resource
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, BinaryIO

import torch

from gencourse.grading.protocol import (
    HEADER,
    ProtocolError,
    Value,
    announced,
    pack,
    plain,
    unpack,
)

MESSAGE_LENGTH = 300
RUN_THEIR_BODY = ("time", "timeit", "capture", "prun")  # cell magics that wrap Python

notebook = ModuleType("__main__")  # where the learner's names live
numbers = itertools.count(1)  # of the cells


class NoAnswerError(Exception):
    """What was asked for is not in the notebook."""


class AbsentWhileMarking(ModuleType):
    """Stands for a part of the course, so that it can be imported but not used for an answer.

    Given cells import what they draw with in the same breath as what an answer needs.
    """

    def __getattr__(self, name: str) -> "AbsentWhileMarking":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: object, **kwargs: object) -> "AbsentWhileMarking":
        return self


class Absent(MetaPathFinder, Loader):
    """Finds, after every other finder has failed, what is not here: the course's modules, Colab's.

    So a notebook that mounts its author's Drive runs on: the mount does nothing.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Claim what belongs to the course or to Colab, as a package."""
        claimed = name.startswith(("gencourse.", "google.colab")) or name == "google"
        return ModuleSpec(name, self, is_package=True) if claimed else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Put the stand-in in the module's place."""
        return AbsentWhileMarking(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


class Shell:
    """What `get_ipython()` returns while marking: commands of the notebook are skipped."""

    def __getattr__(self, name: str) -> AbsentWhileMarking:
        return AbsentWhileMarking(name)

    def run_cell_magic(self, name: str, line: str, body: str) -> None:
        """Run the cell under a magic that only measures it, and skip any other."""
        if name in RUN_THEIR_BODY:
            run(body)


def run(source: str) -> None:
    """Run one cell. What is not Python, such as `%matplotlib inline`, is translated by IPython."""
    try:
        code = compiled(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        code = compiled(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    exec(code, notebook.__dict__)


def compiled(source: str) -> CodeType:
    """The code of a cell. Its text can be looked up by its name, which `torch.jit.script` does."""
    name = f"<cell {next(numbers)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return compile(source, name, "exec")


def call(name: str, harness: str | None, arguments: tuple[Value, ...]) -> object:
    """Call a function of the notebook, directly or through the harness of its question."""
    function = notebook.__dict__.get(name)
    if not callable(function):
        raise NoAnswerError(f"There is no function `{name}`.")
    if harness is None:
        return function(*arguments)
    scope: dict[str, Any] = {}
    exec(harness, scope)
    *_, through = scope.values()
    return through(function, *arguments)


def read(name: str) -> object:
    """The items of a dict of the notebook, as text."""
    value = notebook.__dict__.get(name)
    if not isinstance(value, dict):
        raise NoAnswerError(f"There is no dict `{name}`.")
    return tuple((str(item), str(option)) for item, option in value.items())


def perform(request: dict[str, Any], arguments: tuple[Value, ...]) -> object:
    """Do what a request asks."""
    if request["do"] == "run":
        run(request["source"])
        return None
    if request["do"] == "call":
        return call(request["function"], request["harness"], arguments)
    return read(request["variable"])


def failure(error: BaseException) -> list[str]:
    """The kind of a failure, and a sentence about it for the learner."""
    if isinstance(error, NoAnswerError):
        return ["no answer", str(error)]
    if isinstance(error, NotImplementedError):
        return ["no answer", "Nothing is written here yet."]
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return ["exit", f"The code ended the session with {type(error).__name__}."]
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = type(error).__name__
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return ["memory", "The code asked for more memory than there is."]
    return ["raised", text[:MESSAGE_LENGTH] + why_only_here(error, text)]


def why_only_here(error: BaseException, text: str) -> str:
    """What is different while marking, if that may be the cause of an error."""
    if AbsentWhileMarking.__name__ in text:
        return " (the course's own functions are absent while an exercise is marked)"
    if isinstance(error, OSError):
        return " (while an exercise is marked there is no network, no program and no file to use)"
    if "CUDA" in text:
        return " (there is no GPU while an exercise is marked: use the device of the inputs)"
    return ""


def reply(request: dict[str, Any], arguments: tuple[Value, ...]) -> bytes:
    """Do what a request asks, and pack what came of it."""
    try:
        result = perform(request, arguments)
    except BaseException as error:  # SystemExit too: the next cell runs as if nothing had happened
        return pack({"failure": failure(error)})
    try:
        return pack({"failure": None}, [plain(result)])
    except (TypeError, ProtocolError) as error:
        return pack({"failure": ["type", str(error)[:MESSAGE_LENGTH]]})
    except BaseException as error:
        return pack({"failure": failure(error)})


def no_input(prompt: object = "") -> str:
    """Stand in for `input`."""
    raise RuntimeError("input() waits for a person, and nobody is there while marking")


def prepare(memory: int, modules: list[str]) -> None:
    """Import what every notebook needs, and set the limits that a learner's code cannot lift."""
    torch.set_num_threads(1)
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # the cell that wants it will say so
    grading = sys.modules["gencourse.grading"] = AbsentWhileMarking("gencourse.grading")
    grading.__dict__["runs"] = lambda *args, **kwargs: False  # given cells then draw no picture
    grading.__path__ = []  # a package: its modules are absent too
    importlib.import_module("gencourse").__dict__["grading"] = grading
    sys.meta_path.append(Absent())
    sys.modules["__main__"] = notebook
    builtins.input = no_input
    builtins.__dict__["get_ipython"] = Shell
    builtins.__dict__["display"] = lambda *args, **kwargs: None
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 64 << 20),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(what, (limit, limit))


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """Read `size` bytes; leave the program when the other side has gone."""
    data = stream.read(size)
    if len(data) < size:
        os._exit(0)
    return data


def main() -> None:
    """Serve requests until standard input closes."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    prepare(int(sys.argv[1]), sys.argv[2:])
    answer = pack({"failure": None})  # to say that the sandbox is ready
    while True:
        replies.write(answer)
        replies.flush()
        text, arrays = announced(read_exactly(requests, HEADER.size))
        answer = reply(*unpack(read_exactly(requests, text), read_exactly(requests, arrays)))


if __name__ == "__main__":
    main()
