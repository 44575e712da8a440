"""Which file is whose, and what is wrong with the rest: any bytes in, never an exception."""

import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencourse.grading.preflight import (
    MAX_BYTES,
    Cell,
    NotANotebookError,
    parse_notebook,
    student_of,
    submissions_in,
)

NOTEBOOK = b'{"cells": [{"cell_type": "code", "source": ["a = 1\\n", "b = 2"]}]}'


@pytest.mark.parametrize(
    "name",
    [
        "ada.ipynb",
        "Copy of ada.ipynb",
        "Copy of Copy of ada (1).ipynb",
        "ada (12).ipynb",
        "ada - Copy.ipynb",
        "ada copy 2.ipynb",
        "Kopie von ada.ipynb",
        "Copie de ada.IPYNB",
    ],
)
def test_a_copy_belongs_to_the_learner_it_is_named_after(name):
    assert student_of(name) == "ada"


@pytest.mark.parametrize("name", ["copy of.ipynb", "(1).ipynb", "Copyright.ipynb", "coppola"])
def test_a_name_is_never_lost_to_the_marks_of_a_copy(name):
    assert student_of(name)


def problems(folder):
    return {s.student: s.problem for s in submissions_in(folder, "02-vae")}


def test_a_flat_folder(tmp_path):
    (tmp_path / "ada.ipynb").write_bytes(NOTEBOOK)
    (tmp_path / "Copy of bob (1).ipynb").write_bytes(NOTEBOOK)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    assert problems(tmp_path) == {"ada": "", "bob": ""}


def test_a_folder_as_nbgrader_collects_it(tmp_path):
    for student in ("ada", "bob"):
        own = tmp_path / student / "02-vae"
        own.mkdir(parents=True)
        (own / "02-vae.ipynb").write_bytes(NOTEBOOK)
        (own / "timestamp.txt").write_text("2026-01-01")
        (tmp_path / student / "01-map").mkdir()
        (tmp_path / student / "01-map" / "01-map.ipynb").write_bytes(b"another exercise")
    (tmp_path / "cyd").mkdir()
    assert problems(tmp_path) == {
        "ada": "",
        "bob": "",
        "cyd": "There is no notebook in the folder.",
    }


def test_copies_of_one_file_are_one_submission_and_different_files_wait(tmp_path):
    for name in ("ada.ipynb", "Copy of ada.ipynb", "bob.ipynb"):
        (tmp_path / name).write_bytes(NOTEBOOK)
    (tmp_path / "bob (1).ipynb").write_bytes(NOTEBOOK + b" ")
    assert problems(tmp_path) == {
        "ada": "",
        "bob": "There are 2 different files: bob (1).ipynb, bob.ipynb.",
    }


def test_a_file_that_does_not_say_whose_it_is(tmp_path):
    (tmp_path / "02-vae (3).ipynb").write_bytes(NOTEBOOK)
    assert problems(tmp_path) == {"02-vae": "The file does not say whose it is."}


def test_only_regular_files_of_reasonable_size_are_read(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "link.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "folder.ipynb").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.ipynb")
    with (tmp_path / "large.ipynb").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    found = problems(tmp_path)
    assert "link" in found["link"]
    assert "link" in found["folder"]
    assert "regular" in found["pipe"]
    assert "limit" in found["large"]


def test_a_name_cannot_command_a_terminal(tmp_path):
    (tmp_path / "a\x1b[2Jb.ipynb").write_bytes(NOTEBOOK)
    assert list(problems(tmp_path)) == ["a?[2Jb"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (NOTEBOOK[:30], "cut off"),
        (b"<!doctype html><html>", "web page"),
        (b"[]", "not a notebook"),
        (b"3", "not a notebook"),
        (b'{"cells": {}}', "not a notebook"),
        (b'{"cells": [3]}', "Cell 1"),
        (b'{"cells": [{"source": [1]}]}', "Cell 1"),
        (b'{"worksheets": []}', "2014"),
        (NOTEBOOK.decode().encode("utf-16"), "UTF-8"),
        (b"[" * 100_000, "JSON|cut off"),
        (b"1" * 10_000, "JSON"),
    ],
)
def test_what_is_no_notebook_says_why(data, why):
    with pytest.raises(NotANotebookError, match=why):
        parse_notebook(data)


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n  "])
def test_a_notebook_is_read_with_or_without_a_byte_order_mark(start):
    assert parse_notebook(start + NOTEBOOK) == [Cell("code", "a = 1\nb = 2")]


def test_half_a_character_in_an_answer_becomes_a_question_mark():
    (cell,) = parse_notebook(b'{"cells": [{"cell_type": "code", "source": "\\ud800"}]}')
    assert cell.source == "?"


@given(st.binary(max_size=400))
def test_any_bytes_are_either_cells_or_refused(data):
    with contextlib.suppress(NotANotebookError):
        parse_notebook(data)


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cell_type", "source", "metadata", "nbgrader", "grade_id", "tags"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.lists(anything, max_size=4))
def test_any_cells_are_either_read_or_refused(cells):
    data = json.dumps({"cells": cells}).encode()
    try:
        read = parse_notebook(data)
    except NotANotebookError:
        return
    assert len(read) == len(cells)
    assert all(isinstance(cell.source, str) for cell in read)
