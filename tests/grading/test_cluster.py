"""A cluster and a database server, real ones, on this machine's loopback."""

import csv
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from distributed import LocalCluster
from sample_exercise import RIGHT, SAMPLE, answered, hand_in, json, solution_notebook

from gencourse.cli import main
from gencourse.grading.course import CourseError
from gencourse.grading.grade import grade
from gencourse.grading.gradebook import GradebookError, open_gradebook, set_url
from gencourse.grading.release import release
from gencourse.grading.results import load_all


@pytest.fixture(scope="module")
def course(tmp_path_factory, sample_is_listed):
    """A course with three learners: right, endless, and one who ends Python."""
    root = tmp_path_factory.mktemp("cluster")
    hand_in(root / "solutions" / f"{SAMPLE.name}.ipynb", solution_notebook())
    released = json.loads(release(SAMPLE, root / "course", root / "solutions").read_text())
    for name, answer in {
        "right": RIGHT["softplus"],
        "endless": "def softplus(x):\n    while True: pass",
        "exits": "import os\nos._exit(0)",
    }.items():
        notebook = answered(released, {**RIGHT, "softplus": answer})
        hand_in(root / "in" / f"{name}.ipynb", notebook)
    return root / "course"


@pytest.fixture(scope="module")
def scheduler():
    """A scheduler and two workers, each a process."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def rows(course):
    with (course / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row["softplus"] for row in csv.DictReader(file)}


def test_a_cluster_marks_as_one_machine_does(course, scheduler, sandboxed, capsys):
    command = ["grade", str(course.parent / "in"), "--course", str(course)]
    command += ["--seconds-per-question", "5", "--seconds-per-cell", "5"]
    assert main([*command, "--executor", "dask", "--scheduler", scheduler]) == 0
    assert "[3/3]" in capsys.readouterr().out
    assert rows(course) == {"right": "3", "endless": "0", "exits": "0"}
    there = [(r.student, r.marks, r.digest) for r in load_all(course / "results" / SAMPLE.name)]
    assert main([*command, "--again"]) == 0
    here = [(r.student, r.marks, r.digest) for r in load_all(course / "results" / SAMPLE.name)]
    assert here == there


def test_without_a_scheduler_the_command_says_so(course, capsys):
    command = ["grade", str(course.parent / "in"), "--course", str(course), "--executor", "dask"]
    assert main(command) == 2
    assert "belong together" in capsys.readouterr().err
    with pytest.raises(CourseError, match="no Dask scheduler"):
        grade(SAMPLE, course.parent / "in", course, again=True, scheduler="tcp://127.0.0.1:9")


def postgres_programs() -> Path | None:
    """Where PostgreSQL's programs are: Debian keeps them off the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="module")
def postgres():
    """The address of a PostgreSQL server that this test has started."""
    programs = postgres_programs()
    if programs is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], check=False)
        programs = postgres_programs()
    if programs is None:
        message = "PostgreSQL is not installed (apt install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to be root's
    # Not among pytest's own folders: another user may not enter those.
    folder = Path(tempfile.mkdtemp(prefix="gradebook-"))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    initialise = [programs / "initdb", "--auth=trust", "--username=marker", "--no-sync", data]
    subprocess.run(initialise, check=True, capture_output=True, user=user, cwd="/")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = [programs / "postgres", "-D", data, "-k", folder, "-h", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(
        serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd="/"
    ) as server:
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, user=user, cwd="/").returncode:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"postgresql://marker@127.0.0.1:{port}/postgres"
        server.terminate()
    shutil.rmtree(folder)


def test_a_gradebook_in_postgresql_holds_what_sqlite_would(
    tmp_path, postgres, sandboxed, sample_is_listed
):
    hand_in(tmp_path / "solutions" / f"{SAMPLE.name}.ipynb", solution_notebook())
    course = tmp_path / "course"
    learners = release(SAMPLE, course, tmp_path / "solutions", gradebook_url=postgres)
    assert not (course / "gradebook.db").exists()
    assert (course / "gradebook.url").stat().st_mode & 0o077 == 0
    hand_in(tmp_path / "in" / "ada.ipynb", answered(json.loads(learners.read_text()), RIGHT))
    assert grade(SAMPLE, tmp_path / "in", course) == 0
    with open_gradebook(course) as gradebook:
        assert gradebook.engine.dialect.name == "postgresql"
        submission = gradebook.find_submission(SAMPLE.name, "ada")
        assert (submission.score, submission.max_score) == (10, 15)
        held = gradebook.find_grade("why", SAMPLE.name, SAMPLE.name, "ada")
        held.manual_score, held.needs_manual_grade = 4, False
        gradebook.db.commit()
    assert grade(SAMPLE, tmp_path / "in", course, again=True) == 0
    with (course / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["why"], row["points"]) == ("4", "14")
    with pytest.raises(GradebookError, match="another gradebook"):
        set_url(course, "sqlite:///elsewhere.db")


def test_a_gradebook_that_is_not_there_is_refused_without_the_password(tmp_path):
    with pytest.raises(GradebookError, match="cannot be opened") as refused:
        set_url(tmp_path, "postgresql://marker:secret@127.0.0.1:9/nothing")
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "gradebook.url").exists()
