"""What platforms export becomes a class: whose each file is; nothing is believed or unpacked."""

import stat
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gencourse.cli import main
from gencourse.grading import collect as collect_module
from gencourse.grading.collect import Collected, collect, collected
from gencourse.grading.course import KEY, CourseError
from gencourse.grading.grade import handed_in
from gencourse.grading.preflight import MAX_BYTES

NAME = "02-vae"
NOTEBOOK = b'{"cells": []}'


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "course"
    (folder / "release" / NAME).mkdir(parents=True)
    (folder / KEY).write_text("key")
    return folder


def archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def stored(course):
    return sorted(str(p.relative_to(course / "submitted")) for p in course.rglob("*.ipynb"))


LAYOUTS = {
    "canvas": (
        {
            f"lovelaceada_12_345_{NAME}.ipynb": NOTEBOOK,
            f"byronbob_LATE_13_346_{NAME}-1.ipynb": NOTEBOOK,
        },
        {
            "byronbob 13": Collected("byronbob", "canvas", "13", late=True),
            "lovelaceada 12": Collected("lovelaceada", "canvas", "12"),
        },
    ),
    "moodle, in folders": (
        {
            f"Ada Lovelace_12_assignsubmission_file_/{NAME}.ipynb": NOTEBOOK,
            "Ada Lovelace_12_assignsubmission_onlinetext_/onlinetext.html": b"<p>see file</p>",
            f"Bob Byron_13_assignsubmission_file_/answers/{NAME}.ipynb": NOTEBOOK,
        },
        {
            "Ada Lovelace 12": Collected("Ada Lovelace", "moodle", "12"),
            "Bob Byron 13": Collected("Bob Byron", "moodle", "13"),
        },
    ),
    "moodle, flat": (
        {f"Ada Lovelace_12_assignsubmission_file_{NAME}.ipynb": NOTEBOOK},
        {"Ada Lovelace 12": Collected("Ada Lovelace", "moodle", "12")},
    ),
    "classroom": (
        {
            f"Homework 2/Ada Lovelace - {NAME}.ipynb": NOTEBOOK,
            f"Homework 2/Copy of Bob Byron - {NAME} (1).ipynb": NOTEBOOK,
            "__MACOSX/._x.ipynb": b"x",
        },
        {
            "Ada Lovelace": Collected("Ada Lovelace", "classroom"),
            "Bob Byron": Collected("Bob Byron", "classroom"),
        },
    ),
    "by name": (
        {"ada.ipynb": NOTEBOOK, "bob/deep/answer.ipynb": NOTEBOOK},
        {"ada": Collected("ada"), "bob": Collected("bob")},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("unpacked", [False, True])
def test_each_platform_s_names_say_whose_a_file_is(course, tmp_path, layout, unpacked):
    files, learners = LAYOUTS[layout]
    export = archive(tmp_path / "export.zip", files)
    if unpacked:
        with zipfile.ZipFile(export) as file:
            file.extractall(tmp_path / "export")
        export = tmp_path / "export"
    assert collect(export, course, NAME) == learners
    assert collected(course, NAME) == learners
    submissions, _ = handed_in(None, course, NAME)
    assert {s.student: (s.data, s.problem) for s in submissions} == dict.fromkeys(
        learners, (NOTEBOOK, "")
    )


def test_what_may_harm_is_not_unpacked_and_its_learner_waits(course, tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "MAX_BYTES", 100_000)
    export = tmp_path / "export.zip"
    link = zipfile.ZipInfo("linker.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(export, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(link, "/etc/passwd")
        file.writestr("../../climber.ipynb", NOTEBOOK)
        file.writestr("/rooted.ipynb", NOTEBOOK)
        file.writestr("bomb.ipynb", bytes(50 << 20))
        file.writestr("nested.zip", b"PK")
        file.writestr("essay.pdf", b"%PDF")
        file.writestr("void.ipynb", b"")
        file.writestr("ada.ipynb", NOTEBOOK)
    found = {student: record.problem for student, record in collect(export, course, NAME).items()}
    assert found["ada"] == ""
    for student, why in {
        "linker": "link",
        "climber": "outside",
        "rooted": "outside",
        "bomb": "more than",
        "nested": "archive",
        "essay": "no notebook",
        "void": "empty",
    }.items():
        assert why in found[student]
    assert stored(course) == [f"ada/{NAME}/ada.ipynb"]
    assert not (tmp_path / "climber.ipynb").exists()
    submissions, _ = handed_in(None, course, NAME)
    assert {s.student: s.problem for s in submissions} == found


def test_damaged_entries_cost_their_own_learner_only(course, tmp_path):
    export = archive(tmp_path / "export.zip", {"ada.ipynb": b"a" * 5000, "bob.ipynb": NOTEBOOK})
    data = bytearray(export.read_bytes())
    data[50] ^= 0xFF  # within what is packed of the first
    export.write_bytes(data)
    found = collect(export, course, NAME)
    assert "damaged" in found["ada"].problem
    assert found["bob"].problem == ""


def test_a_later_export_replaces_what_it_holds_and_keeps_the_rest(course, tmp_path):
    first = archive(tmp_path / "1.zip", {"ada.ipynb": NOTEBOOK, "bob.ipynb": NOTEBOOK})
    second = archive(tmp_path / "2.zip", {"ada (1).ipynb": NOTEBOOK + b" ", "cyd.ipynb": NOTEBOOK})
    collect(first, course, NAME)
    collect(second, course, NAME)
    submissions, _ = handed_in(None, course, NAME)
    assert {s.student: s.data for s in submissions} == {
        "ada": NOTEBOOK + b" ",
        "bob": NOTEBOOK,
        "cyd": NOTEBOOK,
    }
    assert not list(course.rglob(".*/*"))


def test_two_notebooks_of_one_learner_wait_for_a_person(course, tmp_path):
    files = {"ada/first.ipynb": NOTEBOOK, "ada/second.ipynb": NOTEBOOK + b" ", "bob.ipynb": b"{}"}
    collect(archive(tmp_path / "export.zip", files), course, NAME)
    ada, _ = handed_in(None, course, NAME)[0]
    assert "2 different files" in ada.problem


def test_a_folder_may_hold_links_and_giants(course, tmp_path):
    export = tmp_path / "export"
    export.mkdir()
    (export / "ada.ipynb").symlink_to("/etc/passwd")
    with (export / "bob.ipynb").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    found = collect(export, course, NAME)
    assert "link" in found["ada"].problem
    assert "limit" in found["bob"].problem


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04 but cut off"])
def test_what_is_no_archive_is_refused(course, tmp_path, data, capsys):
    (tmp_path / "export.zip").write_bytes(data)
    with pytest.raises(CourseError, match="no zip file"):
        collect(tmp_path / "export.zip", course, NAME)
    assert main(["collect", str(tmp_path / "nothing.zip"), "--course", str(course)]) == 2
    assert "does not exist" in capsys.readouterr().err


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_collected_or_refused(course, tmp_path, data, at, value):
    """Random files, and a good archive with one byte changed."""
    good = archive(tmp_path / "good.zip", {"ada.ipynb": NOTEBOOK, "bob/x.ipynb": NOTEBOOK})
    changed = bytearray(good.read_bytes())
    changed[at % len(changed)] = value
    for content in (data, bytes(changed)):
        (tmp_path / "export.zip").write_bytes(content)
        try:
            found = collect(tmp_path / "export.zip", course, NAME)
        except CourseError:
            continue
        assert found


# zipfile ends a name at a zero byte as it writes the archive, so no such name would arrive.
TEXT = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30)


@given(st.lists(TEXT, min_size=1, max_size=6, unique=True))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_loses_a_notebook_or_leaves_the_course(course, tmp_path, names):
    """Whatever the files are called, each notebook is somebody's, and is inside the course."""
    files = {f"{name.encode(errors='replace').decode()}.ipynb": NOTEBOOK for name in names}
    export = archive(tmp_path / "export.zip", files)
    try:
        found = collect(export, course, NAME)
    except CourseError:
        return
    for student, record in found.items():
        there = list((course / "submitted" / student / NAME).glob("*.ipynb"))
        assert there or record.problem
    assert {path.name for path in tmp_path.iterdir()} == {"course", "export.zip"}
