"""Three ways to start a process that sees only what it was given: bubblewrap, podman, docker.

Each starts `worker.py` with the same things inside: Python and its packages, read-only, from this
machine; the few modules of the course that an assignment names; an empty scratch directory in
memory; no network, no environment, no capabilities, and the filter of `seccomp`. None needs an
image from anywhere: the containers' image is an empty one, made here, and Python is lent to it.

What differs is who keeps count. In bubblewrap memory is bounded by the worker itself and the number
of threads is watched from outside, because no limit on it holds for root; podman and docker leave
both to the kernel's control groups.
"""

import contextlib
import importlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import matplotlib
import torch

import gencourse
from gencourse.grading.seccomp import no_children, profile

__all__ = [
    "BACKENDS",
    "SCRATCH",
    "THREADS",
    "Backend",
    "Bubblewrap",
    "Container",
    "SandboxUnavailableError",
    "Started",
    "course_files",
    "python_roots",
]

MEMORY = 4 << 30  # bytes of address space; PyTorch takes 0.6 GB of it
SCRATCH = 64 << 20  # bytes that may be written
THREADS = 64
PACKAGE = Path(gencourse.__file__).parent
HERE = Path(__file__).parent
INSIDE = "/marking"
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp",
    "OMP_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONPATH": INSIDE,
}
SECONDS_FOR_A_COMMAND = 60
IMAGE = "localhost/gencourse-empty:1"
LABEL = "gencourse.marker"  # on a container: the process that started it
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
INSTALLERS = {  # by the ID or ID_LIKE of /etc/os-release
    "debian": "apt install bubblewrap",
    "ubuntu": "apt install bubblewrap",
    "fedora": "dnf install bubblewrap",
    "rhel": "dnf install bubblewrap",
    "arch": "pacman -S bubblewrap",
    "suse": "zypper install bubblewrap",
    "alpine": "apk add bubblewrap",
}
REFUSED = """\
Marking needs a sandbox, and none could be started: {reason}

{advice}
No answer was run, and no mark was changed."""


class SandboxUnavailableError(RuntimeError):
    """No sandbox can be had on this machine. The message says what to install."""

    def __init__(self, reason: str) -> None:
        super().__init__(REFUSED.format(reason=reason, advice=advice()))
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str]]:
        """For the journey from a machine of a cluster."""
        return type(self), (self.reason,)


@dataclass(frozen=True)
class Started:
    """A process on its way: how to end it with all it holds, and how many threads it has."""

    process: "subprocess.Popen[bytes]"
    kill: Callable[[], None]
    threads: Callable[[], int]


class Backend(Protocol):
    """A way to start the worker. `program` is what has to be on the PATH."""

    program: str

    def start(self, modules: Sequence[str], preload: Sequence[str]) -> Started:
        """Start a worker that sees `modules` of the course and has imported `preload`.

        Raises `SandboxUnavailableError`, here or at the first reading from the process.
        """


class Bubblewrap:
    """Namespaces of the kernel and nothing else: no service, no image, no rights needed."""

    program = "bwrap"

    def start(self, modules: Sequence[str], preload: Sequence[str]) -> Started:
        """Start a worker in bubblewrap."""
        try:
            filter_program = no_children()
        except RuntimeError as error:
            raise SandboxUnavailableError(str(error)) from error
        with tempfile.TemporaryFile() as filter_file:
            filter_file.write(filter_program)
            filter_file.seek(0)
            descriptor = filter_file.fileno()
            process = popen(self.command(modules, preload, descriptor), descriptor)

        def kill() -> None:
            # The whole group: a bubblewrap that is still starting has a child not yet tied to it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        return Started(process, kill, lambda: threads_below(process.pid))

    def command(
        self, modules: Sequence[str], preload: Sequence[str], filter_descriptor: int
    ) -> list[str]:
        """The command line. Raises `SandboxUnavailableError` where there is no bubblewrap."""
        mounts = ["--ro-bind", "/usr", "/usr"]
        for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
            if os.path.islink(name):
                mounts += ["--symlink", os.readlink(name), name]
            else:
                mounts += ["--ro-bind-try", name, name]
        mounts += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
        for root in python_roots():
            mounts += ["--ro-bind", str(root), str(root)]
        if package_is_visible():
            mounts += ["--size", "4096", "--tmpfs", str(PACKAGE), "--remount-ro", str(PACKAGE)]
        for source, target in lent_files(modules):
            mounts += ["--ro-bind", str(source), target]
        return [
            *(on_the_path(self.program), "--unshare-all", "--unshare-user", "--disable-userns"),
            *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "marking"),
            *("--uid", "1000", "--gid", "1000", "--seccomp", str(filter_descriptor)),
            "--clearenv",
            *(part for pair in ENVIRONMENT.items() for part in ("--setenv", *pair)),
            # For root, /proc/sys is the host's to write to, unless all of /proc is read-only.
            *("--proc", "/proc", "--remount-ro", "/proc"),
            *("--dev", "/dev", "--remount-ro", "/dev"),
            *("--size", str(SCRATCH), "--tmpfs", "/dev/shm"),
            *("--size", str(SCRATCH), "--tmpfs", "/tmp", "--chdir", "/tmp"),
            *mounts,  # behind /tmp, because Python may be installed there
            *("--remount-ro", "/"),
            *("--", *worker(preload)),
        ]


class Container:
    """podman or docker, with an image that holds nothing.

    A container does not die with the marker, as a process in bubblewrap does. It bears the marker's
    number, and the next one to start removes what a dead one has left.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.prepared = False

    def start(self, modules: Sequence[str], preload: Sequence[str]) -> Started:
        """Start a worker in a container."""
        if not self.prepared:
            self.remove_orphans()
            self.make_image()
            self.prepared = True
        name = f"gencourse-{uuid.uuid4().hex}"
        process = popen(self.command(modules, preload, name))

        def kill() -> None:
            if self.run("kill", name, check=False).returncode:  # it is still starting
                self.run("rm", "--force", name, check=False)
            process.kill()

        return Started(process, kill, lambda: 0)

    def command(self, modules: Sequence[str], preload: Sequence[str], name: str) -> list[str]:
        """The command line. Raises `SandboxUnavailableError` where the program is missing."""
        lent = [(Path("/usr"), "/usr"), *((root, str(root)) for root in python_roots())]
        lent += [
            (path, str(path))
            for path in map(Path, ("/bin", "/sbin", "/lib", "/lib32", "/lib64"))
            if path.is_dir() and not path.is_symlink()
        ]
        if Path("/etc/ld.so.cache").exists():
            lent.append((Path("/etc/ld.so.cache"), "/etc/ld.so.cache"))
        lent += lent_files(modules)
        proxies = {name: "" for low in PROXIES for name in (low, low.upper())}
        tmpfs = f"rw,nosuid,nodev,size={SCRATCH},mode=1777"
        hidden = ["--tmpfs", f"{PACKAGE}:ro,size=4096"] if package_is_visible() else []
        return [
            *(on_the_path(self.program), "run", "--rm", "--interactive", "--pull", "never"),
            *("--name", name, "--label", f"{LABEL}={os.getpid()}", "--hostname", "marking"),
            *("--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "1000:1000"),
            *("--security-opt", "no-new-privileges", "--security-opt", "label=disable"),
            *("--security-opt", f"seccomp={profile_file().name}"),
            *("--pids-limit", str(THREADS), "--memory", str(MEMORY)),
            *("--memory-swap", str(MEMORY), "--shm-size", str(SCRATCH)),
            *("--ulimit", "nofile=256:256", "--ulimit", f"nproc={THREADS * 64}:{THREADS * 64}"),
            *("--tmpfs", f"/tmp:{tmpfs}", "--workdir", "/tmp"),
            *(
                part
                for variable, value in (ENVIRONMENT | proxies).items()
                for part in ("--env", f"{variable}={value}")
            ),
            *(part for a, b in lent for part in ("--volume", f"{a}:{b}:ro")),
            *hidden,
            *(IMAGE, *worker(preload)),
        ]

    def make_image(self) -> None:
        """The empty image, if it is not here yet."""
        if self.run("image", "inspect", IMAGE, check=False).returncode:
            self.run("import", "-", IMAGE, data=empty_system())

    def remove_orphans(self) -> None:
        """Remove the containers of markers that are no more."""
        listing = self.run("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}")
        for name in listing.stdout.decode(errors="replace").split():
            template = f'{{{{index .Config.Labels "{LABEL}"}}}}'
            found = self.run("inspect", "--format", template, name, check=False).stdout.strip()
            if not found.isdigit() or not os.path.exists(f"/proc/{found.decode()}"):
                self.run("rm", "--force", name, check=False)

    def run(
        self, *arguments: str, data: bytes = b"", check: bool = True
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a command of podman or docker. Raises `SandboxUnavailableError` when it fails."""
        command = [on_the_path(self.program), *arguments]
        try:
            done = subprocess.run(
                command, input=data, capture_output=True, timeout=SECONDS_FOR_A_COMMAND
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxUnavailableError(f"`{self.program}` does not answer ({error}).") from error
        if check and done.returncode:
            complaint = done.stderr.decode(errors="replace").strip()[-400:]
            raise SandboxUnavailableError(f"`{self.program} {arguments[0]}` failed: {complaint}")
        return done


# The order in which they are tried.
BACKENDS: dict[str, Callable[[], Backend]] = {
    "bubblewrap": Bubblewrap,
    "podman": lambda: Container("podman"),
    "docker": lambda: Container("docker"),
}


def advice() -> str:
    """What to install on the system at hand."""
    if sys.platform != "linux":
        return (
            "The sandbox needs Linux. On macOS and Windows, mark inside a Linux virtual machine "
            "(on Windows, WSL 2)."
        )
    ids = system_ids()
    command = next((INSTALLERS[name] for name in ids if name in INSTALLERS), None)
    first = f"`{command}`" if command else "your system's package"
    lines = [f"Install bubblewrap 0.8 or later ({first}), podman, or docker."]
    if switched_on("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"):
        lines.append(
            "AppArmor forbids user namespaces on this machine, which bubblewrap needs: allow them "
            "for bwrap with a profile in /etc/apparmor.d, or use podman or docker as root."
        )
    if os.path.exists("/proc/sys/user/max_user_namespaces") and not switched_on(
        "/proc/sys/user/max_user_namespaces"
    ):
        lines.append("This kernel allows no user namespaces (user.max_user_namespaces is 0).")
    return "\n".join(lines)


def system_ids() -> list[str]:
    """The names that the system gives itself and its kin."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return [
        name for key in ("ID", "ID_LIKE") for name in values.get(key, "").strip('"').lower().split()
    ]


def switched_on(path: str) -> bool:
    """Whether a setting of the kernel exists and is not 0."""
    try:
        return Path(path).read_text().strip() != "0"
    except OSError:
        return False


def on_the_path(program: str) -> str:
    """Where a program is. Raises `SandboxUnavailableError` when it is nowhere."""
    path = shutil.which(program)
    if path is None:
        raise SandboxUnavailableError(f"there is no `{program}` on the PATH.")
    return path


def popen(command: Sequence[str], *descriptors: int) -> "subprocess.Popen[bytes]":
    """A process on three pipes."""
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for the marker, and must not end an answer
        bufsize=0,
    )


def worker(preload: Sequence[str]) -> list[str]:
    """The program in the sandbox."""
    return [sys.executable, "-m", "gencourse.grading.worker", str(MEMORY), *preload]


def python_roots() -> list[Path]:
    """The folders outside /usr that hold this Python and its packages, none inside another."""
    homes = {Path(sys.prefix), Path(sys.base_prefix), Path(torch.__file__).parents[1]}
    outside = sorted(home for home in homes if not home.is_relative_to("/usr"))
    return [a for a in outside if not any(a != b and a.is_relative_to(b) for b in outside)]


def package_is_visible() -> bool:
    """Whether what a sandbox is lent would hold the course's package, and has to be covered."""
    return any(PACKAGE.is_relative_to(root) for root in (Path("/usr"), *python_roots()))


def lent_files(modules: Sequence[str]) -> list[tuple[Path, str]]:
    """The single files and folders that a sandbox is lent, and where they stand in it."""
    fonts = [(path, f"/tmp/{path.name}") for path in font_lists()]
    course = (HERE / "worker.py", HERE / "protocol.py", *course_files(modules))
    return fonts + [(path, f"{INSIDE}/gencourse/{path.relative_to(PACKAGE)}") for path in course]


@cache
def font_lists() -> list[Path]:
    """Matplotlib's list of fonts, which takes it longer to make than a notebook to be marked."""
    importlib.import_module("matplotlib.font_manager")
    return sorted(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


def course_files(modules: Sequence[str]) -> list[Path]:
    """The files and folders of the named modules of the course, with the packages they lie in.

    Raises `LookupError` for a name that is no module of the course.
    """
    paths = {PACKAGE / "__init__.py"}
    for module in modules:
        path = PACKAGE.joinpath(*module.split(".")[1:])
        found = next((p for p in (path.with_suffix(".py"), path) if p.exists()), None)
        if found is None or found == PACKAGE or not module.startswith("gencourse."):
            raise LookupError(f"{module} is no module of gencourse")
        packages = [p for p in path.parents if p.is_relative_to(PACKAGE)]
        paths |= {found, *(p / "__init__.py" for p in packages)}
    folders = {path for path in paths if path.is_dir()}
    return sorted(p for p in paths if not any(folder in p.parents for folder in folders))


def threads_below(pid: int) -> int:
    """The threads of all processes that descend from `pid`; 0 when it is gone."""
    count, waiting = 0, [pid]
    while waiting:
        process = waiting.pop()
        try:
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            count += len(os.listdir(f"/proc/{process}/task"))
        except OSError:
            continue
        waiting += map(int, children)
    return count


@cache
def profile_file() -> "tempfile._TemporaryFileWrapper[str]":
    """The filter of system calls as a file, which lives as long as this process."""
    file = tempfile.NamedTemporaryFile("w", suffix=".json")  # noqa: SIM115
    file.write(profile())
    file.flush()
    return file


def empty_system() -> bytes:
    """A tar archive of a system in which nothing is but the places for what is lent."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("usr", "proc", "sys", "dev", "tmp", "etc"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name in ("bin", "sbin", "lib", "lib32", "lib64"):
            if os.path.islink(f"/{name}"):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, os.readlink(f"/{name}")
                archive.addfile(link)
    return buffer.getvalue()
