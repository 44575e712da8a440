"""The guide's commands, run in their order on a small class, and its worked example."""

import json
import re
import shlex
import zipfile
from pathlib import Path

import pytest
import torch
from sample_exercise import cell_of

from gencourse.cli import main
from gencourse.grading.protocol import plain
from gencourse.grading.question import copied, judge

GUIDE = (Path(__file__).parents[2] / "book" / "instructor-guide.md").read_text(encoding="utf-8")
KL = """\
# exercise: kl
def kl_to_standard_normal(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
"""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


def hand_in(course, archive):
    """A class of two, as Moodle packs it: one with an answer, one with none."""
    name = "02-vae.ipynb"
    released = json.loads((course / "release" / "02-vae" / name).read_text())
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"Bob Blank_12_assignsubmission_file_/{name}", json.dumps(released))
        cell_of(released, "kl")["source"] = KL
        file.writestr(f"Ada Love_11_assignsubmission_file_/{name}", json.dumps(released))


def test_every_command_of_the_guide_runs(tmp_path, sandboxed):
    downloads = tmp_path / "Downloads"
    downloads.mkdir()
    assert all(command.startswith("gencourse ") for command in COMMANDS)
    assert {command.split()[1] for command in COMMANDS} == {
        *("release", "collect", "grade", "report", "feedback", "export")
    }
    for command in COMMANDS:
        arguments = shlex.split(command.replace("~", str(tmp_path)))[1:]
        if arguments[0] == "collect":
            hand_in(tmp_path / "courses" / "autumn", downloads / "submissions.zip")
        assert main(arguments) == 0, command
    course = tmp_path / "courses" / "autumn"
    assert '"Participant 11","Ada Love","20","85"' in (downloads / "moodle.csv").read_text()
    assert "Misconceptions" in (course / "report-02-vae.html").read_text()
    with zipfile.ZipFile(downloads / "return.zip") as file:
        assert sorted(file.namelist()) == [
            "Ada Love_11_assignsubmission_file_/feedback.html",
            "Bob Blank_12_assignsubmission_file_/feedback.html",
        ]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_worked_example_knows_right_from_wrong(seed):
    (example,) = blocks("python")
    scope = {}
    exec(example, scope)
    question = scope["ENTROPY"]
    inputs = question.inputs(torch.Generator().manual_seed(seed))

    def verdict(function):
        return judge(question, [plain(function(*copied(case))) for case in inputs], inputs)

    assert verdict(question.reference).correct
    normal = torch.distributions.Normal
    entropy = [normal(0.0, (0.5 * x).exp()).entropy().sum(-1) for (x,) in inputs]
    assert judge(question, entropy, inputs).correct
    for misconception in question.misconceptions:
        assert verdict(misconception.function).misconception is misconception
