"""The wheel is whole, and the first cell of a notebook does what Colab needs."""

import sys
import types
import zipfile
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tools.colab_check import PINS, build_wheel
from tools.notebooks.build import INSTALL

ROOT = Path(__file__).parents[2]
SOURCES_ONLY = ("gencourse/widgets/js/",)  # what the bundles are made from


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        return {info.filename: info.file_size for info in archive.infolist()}


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = {
        path.relative_to(ROOT).as_posix(): path.stat().st_size
        for path in (ROOT / "gencourse").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    needed = {name: size for name, size in files.items() if not name.startswith(SOURCES_ONLY)}
    packed = {name: size for name, size in wheel.items() if name.startswith("gencourse/")}
    assert packed == needed


def test_the_wheel_holds_data_weights_fonts_and_live_figures(wheel):
    def total(start, end):
        return sum(s for n, s in wheel.items() if n.startswith(start) and n.endswith(end))

    assert total("gencourse/data/", ".gz") > 11e6
    assert total("gencourse/checkpoints/", ".safetensors") > 1e5
    assert total("gencourse/figures/fonts/", ".ttf") > 0
    assert total("gencourse/widgets/static/", "js") > 0


def first_cell(monkeypatch, *, installed, in_colab):
    """Run the install cell as IPython would; return the pip lines, and whether widgets are on."""
    lines, enabled = [], []
    shell = types.SimpleNamespace(run_line_magic=lambda *line: lines.append(" ".join(line)))
    found = object() if installed else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    if in_colab:
        colab = types.ModuleType("google.colab")
        colab.output = types.SimpleNamespace(
            enable_custom_widget_manager=lambda: enabled.append(True)
        )
        monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
        monkeypatch.setitem(sys.modules, "google.colab", colab)
    source = TransformerManager().transform_cell(INSTALL.format(wheel="https://host/wheel"))
    exec(source, {"get_ipython": lambda: shell})
    return lines, bool(enabled)


def test_the_first_cell_does_nothing_where_the_package_is(monkeypatch):
    assert first_cell(monkeypatch, installed=True, in_colab=False) == ([], False)


def test_in_colab_the_first_cell_installs_the_wheel_and_allows_live_figures(monkeypatch):
    lines, enabled = first_cell(monkeypatch, installed=False, in_colab=True)
    assert lines == ["pip install --quiet https://host/wheel"]
    assert enabled


def test_the_package_admits_the_versions_that_colab_has():
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    pins = dict(line.split("==") for line in PINS.read_text().splitlines() if "==" in line)
    pins |= {"torch": "2.11.0"}
    needed = [Requirement(line) for line in requires("gencourse") or [] if "extra" not in line]
    refused = [str(r) for r in needed if r.name in pins and pins[r.name] not in r.specifier]
    assert {r.name for r in needed} & set(pins)
    assert not refused
