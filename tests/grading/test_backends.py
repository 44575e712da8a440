"""podman and docker hold what bubblewrap holds: what they are told and, where they run, is so."""

import json
import shutil

import pytest

from gencourse.grading import backends
from gencourse.grading.backends import Bubblewrap, Container, SandboxUnavailableError
from gencourse.grading.sandbox import DeadError, Sandbox, choose, self_test
from gencourse.grading.seccomp import REFUSED, no_children, profile


@pytest.fixture(params=["podman", "docker"])
def container(request, tmp_path, monkeypatch):
    """A container program that is not really here."""
    program = tmp_path / request.param
    program.write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 125\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Container(request.param)


def test_a_container_gets_no_network_no_rights_and_bounds(container):
    command = container.command([], ["torch"], "a-name")
    line = " ".join(command)
    for option in (
        *("--network none", "--read-only", "--cap-drop ALL", "--user 1000:1000", "--pull never"),
        *("no-new-privileges", f"--pids-limit {backends.THREADS}", f"--memory {backends.MEMORY}"),
        f"--memory-swap {backends.MEMORY}",
    ):
        assert option in line
    lent = [command[i + 1] for i, part in enumerate(command) if part == "--volume"]
    assert lent
    assert all(volume.endswith(":ro") for volume in lent)
    assert not [volume for volume in lent if "/questions" in volume or "/solutions" in volume]


def test_a_container_that_cannot_start_is_no_sandbox(container):
    with pytest.raises(SandboxUnavailableError, match="Cannot connect to the daemon"):
        self_test([], container)


def test_where_no_sandbox_holds_every_candidate_says_why(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailableError) as refused:
        choose("auto", [])
    for name in ("bwrap", "podman", "docker"):
        assert f"no `{name}` on the PATH" in str(refused.value)


def test_one_filter_in_two_languages():
    written = json.loads(profile())["syscalls"]
    assert set(written[0]["names"]) == set(REFUSED)
    assert len(no_children()) % 8 == 0


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ('ID=ubuntu\nID_LIKE="debian"', "apt install"),
        ("ID=fedora", "dnf install"),
        ('ID=rocky\nID_LIKE="rhel centos fedora"', "dnf install"),
        ("ID=arch", "pacman -S"),
        ("ID=nothing-known", "your system's package"),
    ],
)
def test_the_advice_is_for_the_system_at_hand(monkeypatch, system, command):
    values = dict(line.split("=", 1) for line in system.splitlines())
    ids = [word for value in values.values() for word in value.strip('"').split()]
    monkeypatch.setattr(backends, "system_ids", lambda: ids)
    assert command in backends.advice()


@pytest.mark.parametrize("program", ["podman", "docker"])
def test_a_real_container_holds(program, tmp_path):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    container = Container(program)
    try:
        with Sandbox(backend=container) as sandbox:
            sandbox.wait()
    except SandboxUnavailableError as error:
        pytest.skip(f"{program} starts no container here: {error.reason[-200:]}")
    (tmp_path / "gradebook.db").write_text("marks")
    self_test([tmp_path, backends.HERE / "questions"], container)
    with Sandbox(backend=container) as sandbox, pytest.raises(DeadError):
        sandbox.run("while True: pass", 1)
    left = container.run("ps", "--all", "--filter", f"label={backends.LABEL}", "--quiet").stdout
    assert not left.strip()


def test_threads_are_counted_and_a_crowd_is_killed(sandboxed):
    with Sandbox(backend=Bubblewrap()) as sandbox:
        few = "import threading, time\nfor _ in range(20):\n    "
        few += "threading.Thread(target=time.sleep, args=(30,), daemon=True).start()"
        assert sandbox.run(few, 20) is None
        with pytest.raises(DeadError) as death:
            sandbox.run(few.replace("20", "200") + "\ntime.sleep(20)", 20)
        assert death.value.failure.kind == "threads"
