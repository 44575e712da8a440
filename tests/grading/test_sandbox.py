"""What code in a sandbox can see, use and break: nothing that is not its own."""

import os
import socket
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from gencourse.grading import backends
from gencourse.grading.backends import course_files
from gencourse.grading.question import Failure
from gencourse.grading.sandbox import (
    DeadError,
    Sandbox,
    Sandboxes,
    SandboxUnavailableError,
    self_test,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sandboxes(sandboxed):
    os.environ["GENCOURSE_TOKEN"] = "a secret of the marker's"
    with Sandboxes() as pool:
        yield pool


@pytest.fixture(scope="module")
def room(sandboxes):
    """One sandbox for what leaves it alive."""
    with sandboxes.take() as room:
        yield room


def run(room, source, seconds=10.0):
    return room.run(textwrap.dedent(source), seconds)


def test_the_self_test_passes_here(sandboxed, tmp_path):
    (tmp_path / "gradebook.db").write_text("marks")
    self_test([tmp_path, ROOT / "solutions", ROOT / "gencourse" / "grading" / "questions"])


def test_the_self_test_fails_when_something_private_can_be_seen(sandboxed):
    with pytest.raises(SandboxUnavailableError, match="a learner could read"):
        self_test([Path(torch.__file__).parent])


def test_without_bubblewrap_nothing_runs_and_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailableError, match="apt install bubblewrap"):
        self_test([])


def test_a_bubblewrap_that_fails_is_no_sandbox(monkeypatch, tmp_path):
    false = tmp_path / "bwrap"
    false.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    false.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxUnavailableError, match="No permissions to create new namespace"):
        self_test([])


def test_a_function_is_called_with_what_is_sent_and_returns_what_it_returns(room):
    assert run(room, "def f(x, k):\n    return x * k, [x.sum().item(), None]") is None
    doubled, (total, nothing) = room.call("f", None, (torch.arange(3.0), 2), 10)
    assert torch.equal(doubled, torch.tensor([0.0, 2.0, 4.0]))
    assert (total, nothing) == (3.0, None)


def test_failures_are_sentences_for_the_learner(room):
    run(room, "def g(): raise NotImplementedError\ndef h(): return object()\nchoices = {1: 'a'}")
    assert room.call("nothing", None, (), 10) == Failure(
        "no answer", "There is no function `nothing`."
    )
    assert room.call("g", None, (), 10).kind == "no answer"
    assert room.call("h", None, (), 10).kind == "type"
    assert room.read("choices", 10) == (("1", "a"),)
    assert room.read("g", 10).kind == "no answer"
    assert "ZeroDivisionError" in run(room, "1 / 0").message
    assert "SyntaxError" in run(room, "def").message
    assert run(room, "raise SystemExit").kind == "exit"
    assert "nobody is there" in run(room, "input('name? ')").message
    assert run(room, "import torch; torch.zeros(1 << 31)").kind == "memory"


def test_what_belongs_to_the_notebook_and_not_to_python_is_skipped(room):
    source = """
        %matplotlib inline
        !pip install something
        from google.colab import drive
        drive.mount("/content/drive")
    """
    assert run(room, source) is None
    assert run(room, "%%time\ntimed = 3") is None
    assert (
        run(room, "display(timed); get_ipython().system('ls'); from gencourse.nn import MLP")
        is None
    )


def test_the_course_can_be_imported_and_gives_no_answer_away(room):
    source = """
        from gencourse.grading import check, runs
        from gencourse.grading.questions.vae import ASSIGNMENT
        from gencourse.families.vae import elbo as borrowed
        assert not runs("kl", print)
        check("kl", borrowed)
    """
    assert run(room, source) is None
    failure = room.call("borrowed", None, (1.0,), 10)
    assert failure.kind == "type"
    assert "AbsentWhileMarking" in failure.message


def test_there_is_no_network_no_file_and_no_child(room):
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"""
            import os, socket, subprocess
            def refused(action, *args):
                try:
                    action(*args)
                except OSError:
                    return True
            assert refused(socket.create_connection, ("127.0.0.1", {server.getsockname()[1]}), 2)
            assert refused(socket.create_connection, ("1.1.1.1", 53), 2)
            assert refused(os.fork)
            assert refused(subprocess.run, ["/bin/true"])
            assert refused(os.posix_spawn, "/bin/true", ["true"], {{}})
            for path in ("/etc/passwd", "/root/.bashrc", "{__file__}", "{ROOT}/pyproject.toml"):
                assert refused(open, path), path
            for path in ("/x", "/usr/x", "/dev/x", "{sys.prefix}/x", torch.__file__):
                assert refused(open, path, "a"), path
            for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory"):
                assert refused(open, path, "r+"), path
            assert refused(os.memfd_create, "memory that no limit sees")
            assert "GENCOURSE_TOKEN" not in os.environ
        """
        assert run(room, "import torch") is None
        assert run(room, source) is None


def test_threads_are_allowed_and_files_have_a_limit(room):
    source = """
        import threading
        thread = threading.Thread(target=print)
        thread.start()
        thread.join()
        try:
            with open("/tmp/bomb", "wb") as file:
                for _ in range(100):
                    file.write(bytes(1 << 20))
            raise AssertionError("there is no limit")
        except OSError:
            import os
            os.remove("/tmp/bomb")
    """
    assert run(room, source) is None


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import os; os._exit(0)", "exit"),
        ("import ctypes; ctypes.string_at(0)", "exit"),
        (
            """
            import signal
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    while True: pass
                except BaseException: pass
            """,
            "time",
        ),
        (
            """
            import os
            for descriptor in range(3, 20):
                try: os.write(descriptor, b"Full marks! " * 100)
                except OSError: pass
            """,
            "exit",
        ),
    ],
    ids=["os._exit", "segmentation fault", "endless loop", "writes to the pipe"],
)
def test_what_kills_or_hangs_is_contained_and_gone_at_once(sandboxes, source, kind):
    with sandboxes.take() as room:
        begun = time.monotonic()
        with pytest.raises(DeadError) as death:
            run(room, source, 1.0)
        assert death.value.failure.kind == kind
        assert time.monotonic() - begun < 5
        room.close()
        with pytest.raises(ProcessLookupError):
            os.kill(room.process.pid, 0)


def test_an_interrupted_batch_leaves_no_process(sandboxed):
    with Sandboxes(needed=1) as pool:
        taken = pool.take()
        assert not pool.waiting
    taken.process.wait(10)
    with pytest.raises(RuntimeError):
        pool.take()
    taken.close()


def test_the_package_is_hidden_where_it_is_installed_beside_python(sandboxed, monkeypatch):
    roots = [*backends.python_roots(), backends.PACKAGE.parent]
    monkeypatch.setattr(backends, "python_roots", lambda: roots)
    with Sandbox() as room:
        assert run(room, f"import os; assert os.listdir('{backends.PACKAGE}') == []") is None


def test_modules_of_the_course_are_let_in_one_by_one():
    inside = {path.relative_to(backends.PACKAGE) for path in course_files(["gencourse.nn"])}
    assert inside == {Path("__init__.py"), Path("nn")}
    with pytest.raises(LookupError):
        course_files(["gencourse"])
    with pytest.raises(LookupError):
        course_files(["os"])
