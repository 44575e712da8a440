"""A process of its own for a learner's code: no network, no files but Python's, no way back.

The process lives in bubblewrap. It sees the Python installation and the few modules of the course
that its assignment names, read-only, and a small scratch directory in memory; no home, no solution,
no gradebook, no other learner. It has no network and an empty environment, may start threads but no
processes, and its memory is bounded from inside before any of the learner's code is read. What it
sends is parsed by `protocol` and believed in nothing. When it does not answer in time it is killed
with everything in it.

`Sandboxes` starts the next sandbox while the one before it works, since importing PyTorch takes
longer than marking. None is ever used for two learners.
"""

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from gencourse.grading.backends import (
    BACKENDS,
    SCRATCH,
    THREADS,
    Backend,
    Bubblewrap,
    SandboxUnavailableError,
    python_roots,
)
from gencourse.grading.protocol import (
    HEADER,
    ProtocolError,
    Value,
    announced,
    pack,
    unpack,
)
from gencourse.grading.question import Failure

__all__ = [
    "DeadError",
    "Sandbox",
    "SandboxUnavailableError",
    "Sandboxes",
    "choose",
    "self_test",
]

SECONDS_TO_START = 120.0
SECONDS_TO_END = 10.0
SECONDS_BETWEEN_COUNTS = 0.2  # of the threads in a sandbox
LONGEST_MESSAGE = 400  # letters, of a reply that anybody in the sandbox may have written
HERE = Path(__file__).parent
KINDS = ("no answer", "raised", "memory", "exit", "type")

GONE = "The code ended the Python process."
NOT_AN_ANSWER = "The code wrote where only the marker writes."
CROWDED = f"The code started more threads than the {THREADS} there may be."
PROBE = """
import os, resource, socket
def holds(action):
    try:
        action()
    except OSError:
        return True
    return False
def leave_the_room():
    if os.fork() == 0:
        os._exit(0)
for path, harmless in {private}.items():
    there = os.listdir(path) if os.path.isdir(path) else [path] if os.path.exists(path) else []
    assert set(there) <= set(harmless), f"a learner could read {{path}}: {{there}}"
assert holds(lambda: socket.create_connection(("127.0.0.1", {port}), 2)), "there is a network"
assert holds(leave_the_room), "there may be child processes"
for folder in ("/", "/usr", "/dev", "/marking"):
    assert holds(lambda: open(os.path.join(folder, "mine"), "w")), f"{{folder}} may be written"
for file in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory"):
    assert holds(lambda: open(file, "r+")), f"{{file}} may be written"
assert resource.getrlimit(resource.RLIMIT_AS)[1] > 0, "memory has no limit"
assert os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize <= {scratch}, "no limit on files"
assert set(os.listdir("/proc/self/fd")) <= set("0123456789"), "an open file was left behind"
"""


CROWD = """
import threading, time
for _ in range(2000):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(5)
"""


class DeadError(RuntimeError):
    """The process in the sandbox is gone, and `failure` says how it went."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)


BUBBLEWRAP = Bubblewrap()


class Sandbox:
    """One process that runs the cells of one learner.

    `modules` are those of the course that it sees; `preload` is imported before anything else.
    Starting does not wait: the first request does.
    """

    def __init__(
        self,
        modules: Sequence[str] = (),
        preload: Sequence[str] = (),
        backend: Backend = BUBBLEWRAP,
    ) -> None:
        self.begun = time.monotonic()
        self.ready = False
        self.started = backend.start(modules, preload)
        self.process = self.started.process
        pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self.pipes = [pipe for pipe in pipes if pipe]
        self.requests, self.replies, self.complaints = (pipe.fileno() for pipe in self.pipes)
        for descriptor in (self.requests, self.replies, self.complaints):
            os.set_blocking(descriptor, False)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Return when the process is ready. Raises `SandboxUnavailableError` if it never is."""
        if self.ready:
            return
        try:
            self._receive(self.begun + SECONDS_TO_START)
        except (DeadError, TimeoutError) as error:
            self._end()
            complaint = (
                os.read(self.complaints, 2000) if self._readable(self.complaints, 0) else b""
            )
            reason = complaint.decode(errors="replace").strip() or "it did not start in time."
            raise SandboxUnavailableError(reason) from error
        self.ready = True

    def run(self, source: str, seconds: float) -> Failure | None:
        """Run a cell. Raises `DeadError` when the process does not survive it."""
        result = self._ask({"do": "run", "source": source}, (), seconds)
        return result if isinstance(result, Failure) else None

    def call(
        self, function: str, harness: str | None, arguments: Sequence[Value], seconds: float
    ) -> Value | Failure:
        """Call a function of the notebook. Raises `DeadError`."""
        message = {"do": "call", "function": function, "harness": harness}
        return self._ask(message, arguments, seconds)

    def read(self, variable: str, seconds: float) -> Value | Failure:
        """Read a dict of the notebook as pairs of text. Raises `DeadError`."""
        return self._ask({"do": "read", "variable": variable}, (), seconds)

    def close(self) -> None:
        """Kill the process and everything it started; return when they are gone."""
        if self.pipes[0].closed:
            return
        self._end()
        for pipe in self.pipes:
            pipe.close()

    def _ask(
        self, message: dict[str, Any], values: Sequence[Value], seconds: float
    ) -> Value | Failure:
        self.wait()
        deadline = time.monotonic() + seconds
        try:
            request = pack(message, values)
        except ProtocolError:
            return Failure("type", "The cell is too large to be run.")
        try:
            self._send(request, deadline)
            reply, results = self._receive(deadline)
        except TimeoutError:
            raise DeadError("time", f"It was still running after {seconds:g} s.") from None
        match reply.get("failure"):
            case None if len(results) == 1:
                return results[0]
            case None:
                return None
            case [str(kind), str(text)] if kind in KINDS:
                return Failure(kind, text[:LONGEST_MESSAGE].encode(errors="replace").decode())
        raise DeadError("exit", NOT_AN_ANSWER)

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            self._await(self.requests, select.POLLOUT, deadline)
            try:
                view = view[os.write(self.requests, view) :]
            except BrokenPipeError:
                raise DeadError("exit", GONE) from None

    def _receive(self, deadline: float) -> tuple[dict[str, Any], tuple[Value, ...]]:
        try:
            text, arrays = announced(self._read(HEADER.size, deadline))
            return unpack(self._read(text, deadline), self._read(arrays, deadline))
        except ProtocolError:
            raise DeadError("exit", NOT_AN_ANSWER) from None

    def _read(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._await(self.replies, select.POLLIN, deadline)
            part = os.read(self.replies, size - len(data))
            if not part:
                raise DeadError("exit", GONE)
            data += part
        return bytes(data)

    def _await(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            left = max(0.0, deadline - time.monotonic())
            if poll.poll(min(left, SECONDS_BETWEEN_COUNTS) * 1000):
                return
            if self.started.threads() > THREADS:
                raise DeadError("threads", CROWDED)
            if left <= SECONDS_BETWEEN_COUNTS:
                raise TimeoutError

    def _readable(self, descriptor: int, seconds: float) -> bool:
        return bool(select.select([descriptor], [], [], seconds)[0])

    def _end(self) -> None:
        if self.process.returncode is None:
            self.started.kill()
        self.process.wait()
        # The pipe closes when the last process of the sandbox is gone, and its memory with it.
        while self._readable(self.replies, SECONDS_TO_END) and os.read(self.replies, 1 << 16):
            pass


class Sandboxes:
    """Sandboxes started ahead of need, each handed out once. Safe to use from several threads.

    `ahead` of them wait at any time, as long as fewer than `needed` were started; who needs more
    waits for the start. A sandbox dies with the thread that started it, so a thread that takes one
    outlives its use.
    """

    def __init__(
        self,
        modules: Sequence[str] = (),
        preload: Sequence[str] = (),
        *,
        backend: Backend = BUBBLEWRAP,
        ahead: int = 1,
        needed: float = float("inf"),
    ) -> None:
        self.modules, self.preload, self.backend = modules, preload, backend
        self.needed = needed
        self.lock = threading.Lock()
        self.waiting: deque[Sandbox] = deque()
        while len(self.waiting) < ahead and self.needed > 0:
            self.waiting.append(self._start())
        self.taken: list[Sandbox] = []
        self.closed = False

    def __enter__(self) -> "Sandboxes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every sandbox that still lives; those taken live on only when a batch is stopped."""
        with self.lock:
            self.closed = True
        for sandbox in self.waiting:
            sandbox.close()
        for sandbox in self.taken:
            if sandbox.process.poll() is None:
                sandbox.started.kill()

    def take(self) -> Sandbox:
        """A sandbox that nobody has used, ready; another is started in its place."""
        with self.lock:
            if self.closed:
                raise RuntimeError("no sandbox is handed out any more")
            if self.needed > 0 or not self.waiting:
                self.waiting.append(self._start())  # first: if it fails, none is missing
            sandbox = self.waiting.popleft()
            self.taken.append(sandbox)
        sandbox.wait()
        return sandbox

    def _start(self) -> Sandbox:
        self.needed -= 1
        return Sandbox(self.modules, self.preload, self.backend)


def choose(name: str, private: Sequence[Path]) -> Backend:
    """The sandbox of this name, or, for "auto", the first that is here and holds.

    Raises `SandboxUnavailableError` with what every candidate lacks.
    """
    reasons = []
    for candidate, backend in BACKENDS.items():
        if name in (candidate, "auto"):
            try:
                self_test(private, backend())
                return backend()
            except SandboxUnavailableError as error:
                reasons.append(f"{candidate}: {error.reason}")
    raise SandboxUnavailableError("\n  ".join(["", *reasons]))


def self_test(private: Sequence[Path], backend: Backend = BUBBLEWRAP) -> None:
    """Try to break out of a sandbox, and fail where that succeeds.

    `private` are paths that nothing inside may see. Raises `SandboxUnavailableError`.
    """
    roots = python_roots()
    harmless = {  # the names in each that lead to the Python that the sandbox holds
        str(path): [root.relative_to(path).parts[0] for root in roots if path in root.parents]
        for path in (item.resolve() for item in (*private, HERE, Path.home()))
    }
    with socket.create_server(("127.0.0.1", 0)) as listener, Sandbox(backend=backend) as sandbox:
        port = listener.getsockname()[1]
        probe = PROBE.format(private=harmless, port=port, scratch=SCRATCH)
        try:
            failure = sandbox.run(probe, SECONDS_TO_START)
        except DeadError as dead:
            failure = dead.failure
        if failure is not None:
            raise SandboxUnavailableError(f"its self-test failed: {failure.message}")
        try:
            crowd = sandbox.run(CROWD, SECONDS_TO_START)
        except DeadError as dead:
            crowd = dead.failure
        if crowd is None or crowd.kind == "time":
            raise SandboxUnavailableError(
                "its self-test failed: there may be any number of threads"
            )
