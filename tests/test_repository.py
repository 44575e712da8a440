"""The files that other machines read: workflows, the citation, the lock."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import gencourse

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_workflows_follow_githubs_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    run = subprocess.run(
        [*command, "vendor.github-workflows", *WORKFLOWS], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_only_targets_and_modules_that_exist(path):
    text = path.read_text()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([\w-]+)", text)) <= targets
    for module in re.findall(r"python3? -m (tools\.\w+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists()


def test_citation_and_package_have_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert citation["version"] == gencourse.__version__
    assert citation["repository-code"] == config["repository"]["url"]


def test_every_dependency_is_locked():
    """pip installs nothing by name that requirements.lock does not pin."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    named = {re.match(r"[\w.-]+", line)[0] for lines in lists for line in lines} - {"gencourse"}
    pinned = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().split()}

    def plain(names):
        return {re.sub(r"[-_.]+", "-", name).lower() for name in names}

    assert plain(named) - plain(pinned) == set()
