"""Functions and tests are found by reading, wherever they are re-exported."""

from pathlib import Path

import pytest
from _ext.source import find_object, find_test


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import first as renamed\n")
    (package / "inner.py").write_text(
        'import functools\n\n\n@functools.cache\ndef first():\n    """Doc\n\n    string."""\n'
        "    return 1\n\n\nclass Box:\n    def open(self):\n        return 2\n"
    )
    (tmp_path / "test_inner.py").write_text(
        "def test_one():\n    pass\n\n\nclass TestBox:\n    def test_two(self):\n        pass\n"
    )
    return tmp_path


def test_a_function_is_found_with_its_decorators(project: Path) -> None:
    found = find_object(project, "package.inner.first")
    assert (found.path, found.name, found.first, found.last) == ("package/inner.py", "first", 4, 9)


def test_a_method_is_found(project: Path) -> None:
    assert find_object(project, "package.inner.Box.open").lines(project) == (
        "def open(self):\n    return 2"
    )


def test_a_reexported_name_leads_to_its_source(project: Path) -> None:
    assert find_object(project, "package.renamed") == find_object(project, "package.inner.first")


def test_the_docstring_is_left_out_on_request(project: Path) -> None:
    found = find_object(project, "package.inner.first")
    assert found.lines(project, docstring=False) == ("@functools.cache\ndef first():\n    return 1")


@pytest.mark.parametrize("name", ["package.inner.gone", "package.gone.first", "other.first", ""])
def test_what_is_not_there_is_said_by_name(project: Path, name: str) -> None:
    with pytest.raises(LookupError, match=name.split(".")[0] or "no module"):
        find_object(project, name)


def test_tests_are_found_in_files_and_classes(project: Path) -> None:
    assert find_test(project, "test_inner.py::test_one").first == 1
    assert find_test(project, "test_inner.py::TestBox::test_two").name == "TestBox.test_two"


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("test_inner.py::test_gone", "defines no"),
        ("test_other.py::test_one", "no file"),
        ("test_inner.py", "names no test"),
        ("test_inner.py::TestBox::open", "not a test"),
    ],
)
def test_a_test_that_is_not_one_is_refused(project: Path, identifier: str, reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        find_test(project, identifier)
